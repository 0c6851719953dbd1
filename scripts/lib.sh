# What run.sh and test.sh share: looking at the machine, and installing what is
# missing. Sourced, never run. Everything here is idempotent, and quick when
# nothing is missing.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
target="${CARGO_TARGET_DIR:-$root/target}"

rust_least="1.95"
node_least="20.19"
python_least="3.11" # numpy, which livekit needs, asks for it

say() { printf '==> %s\n' "$*"; }

# fail WRONG REMEDY…: what is wrong, then each remedy on a line of its own.
fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    printf '  remedy: %s\n' "$@" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this needs root: $*" "run the script as root, or install sudo"
    fi
}

# at_least HAVE LEAST: is version HAVE at least LEAST?
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need_apt PACKAGE…: installs those that are missing, and only those.
need_apt() {
    command -v dpkg-query >/dev/null ||
        fail "this is no Debian: these scripts install with apt" \
            "install the likes of these by hand: $*"
    local missing=() package
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    if [ "${#missing[@]}" -eq 0 ]; then
        say "Debian packages are there: $*"
        return
    fi
    say "installing Debian packages: ${missing[*]}"
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}"
}

need_rust() {
    # A fresh rustup puts itself here, and into the PATH of the next login only.
    case ":$PATH:" in *":$HOME/.cargo/bin:"*) ;; *) PATH="$PATH:$HOME/.cargo/bin" ;; esac
    local install="apt-get install -y curl && curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
    local load='. "$HOME/.cargo/env"'
    command -v cargo >/dev/null && command -v rustc >/dev/null ||
        fail "Rust is missing (need >= $rust_least)" "$install   (apt-get as root)" "$load"
    local have
    have="$(cd "$root" && rustc --version | awk '{print $2}')"
    at_least "$have" "$rust_least" ||
        fail "Rust $have is too old (need >= $rust_least)" \
            "rustup update stable && rustup default stable" \
            "or, without rustup: $install"
    say "Rust $have"
}

need_rust_components() {
    (cd "$root" && cargo fmt --version >/dev/null 2>&1) ||
        fail "rustfmt is missing" "rustup component add rustfmt"
    (cd "$root" && cargo clippy --version >/dev/null 2>&1) ||
        fail "clippy is missing" "rustup component add clippy"
}

need_node() {
    local install="apt-get install -y curl && curl -fsSL https://deb.nodesource.com/setup_22.x | bash - && apt-get install -y nodejs   (as root)"
    command -v node >/dev/null && command -v npm >/dev/null ||
        fail "Node.js or npm is missing (need Node.js >= $node_least)" "$install"
    local have
    have="$(node --version | tr -d v)"
    at_least "$have" "$node_least" ||
        fail "Node.js $have is too old (need >= $node_least)" "$install"
    say "Node.js $have"
}

# npm_ci FOLDER: `npm ci`, unless what is installed came from this lock file.
npm_ci() {
    local folder="$root/$1" stamp lock
    stamp="$folder/node_modules/.installed-from"
    lock="$(sha256sum "$folder/package.json" "$folder/package-lock.json" | sha256sum)"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$lock" ]; then
        say "npm packages of $1 are there"
        return
    fi
    say "installing npm packages of $1"
    (cd "$folder" && npm ci --no-audit --no-fund)
    printf '%s\n' "$lock" >"$stamp"
}

# build_web: installs and builds the page, unless web/dist is newer than all its sources.
build_web() {
    local built="$root/web/dist/index.html"
    if [ -f "$built" ] && [ -z "$(find "$root/web" \
        \( -name node_modules -o -name dist \) -prune -o -newer "$built" -type f -print -quit)" ]; then
        say "the page is built: web/dist"
        return
    fi
    npm_ci web
    say "building the page: web/dist"
    (cd "$root/web" && npm run build)
    [ -f "$built" ] || fail "the build of the page left no web/dist/index.html" \
        "look at the output of: cd web && npm run build"
}

# python_with_venv: prints a python3 that is new enough and can make a venv; fails if there is none.
python_with_venv() {
    local python
    for python in python3 /usr/bin/python3 /usr/local/bin/python3; do
        command -v "$python" >/dev/null || continue
        "$python" - "$python_least" 2>/dev/null <<'PY' || continue
import sys, venv, ensurepip
sys.exit(sys.version_info[:2] < tuple(map(int, sys.argv[1].split("."))))
PY
        printf '%s\n' "$python"
        return
    done
    return 1
}

# make_venv: the Python of the real clients, in target/test-env/venv.
make_venv() {
    local venv="$root/target/test-env/venv" wanted="$root/tests/real/requirements.txt"
    local stamp="$venv/.installed-from" hash python
    hash="$(sha256sum <"$wanted")"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$hash" ] && "$venv/bin/python" -c '' 2>/dev/null; then
        say "Python packages of tests/real are there"
        return
    fi
    python="$(python_with_venv)" || {
        need_apt python3 python3-venv
        python="$(python_with_venv)" ||
            fail "no python3 >= $python_least that can make a venv" "apt-get install python3 python3-venv"
    }
    say "installing Python packages of tests/real into target/test-env/venv"
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted"
    printf '%s\n' "$hash" >"$stamp"
}

# audit: what tests/tidy cannot know of the dependencies, from the registries: advisories, and the signatures
# of npm packages. What cannot be reached is said, and is no failure; what is found is one.
audit() {
    local folder told
    if cargo deny --version >/dev/null 2>&1; then
        if told="$(cd "$root" && timeout 300 cargo deny fetch db 2>&1)"; then
            (cd "$root" && cargo deny check) || fail "cargo deny check: see above" "update or replace what it names"
        else
            say "NOT CHECKED: advisories for crates (their database cannot be reached)"
            (cd "$root" && cargo deny check licenses bans sources) ||
                fail "cargo deny check: see above" "update or replace what it names"
        fi
    else
        say "NOT CHECKED: advisories for crates (cargo-deny is not installed: cargo install cargo-deny)"
    fi
    for folder in web tests/real; do
        [ -d "$root/$folder/node_modules" ] || continue
        if told="$(cd "$root/$folder" && timeout 60 npm audit signatures --fetch-retries=0 2>&1)"; then
            say "npm audit signatures in $folder: $(printf '%s\n' "$told" | grep -m 1 signature)"
        elif printf '%s\n' "$told" | grep -q 'invalid .*signature\|missing .*signature\|tampered\|invalid attestation'; then
            printf '%s\n' "$told" >&2
            fail "npm audit signatures in $folder: see above" "rm -r $folder/node_modules && (cd $folder && npm ci)"
        else
            say "NOT CHECKED: signatures of npm packages in $folder ($(printf '%s\n' "$told" | grep -m 1 'code\|ENOTFOUND\|error' || echo 'no answer in 60 s'))"
        fi
    done
}
