//! Looks at this machine: is everything there that the tests need, the real clients above all?
//! What is missing comes with its exact remedy.

use crate::root;
use std::path::Path;
use std::process::Command;

/// Least versions; `scripts/lib.sh` names the same.
const RUST: [u32; 2] = [1, 95];
const NODE: [u32; 2] = [20, 19];
const RUSTUP: &str = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y";
const NODEJS: &str = "curl -fsSL https://deb.nodesource.com/setup_22.x | bash - && \
                      apt-get install -y nodejs   (as root)";
const SETUP: &str = "scripts/test.sh   (installs it)";

/// One thing that must be there.
struct Need {
    what: &'static str,
    /// What was found, or what is wrong.
    found: Result<String, String>,
    remedy: &'static str,
}

/// Prints all needs; are they met?
pub fn report() -> bool {
    let needs = needs();
    for need in &needs {
        match &need.found {
            Ok(found) => println!("ok       {}: {found}", need.what),
            Err(wrong) => println!(
                "MISSING  {}: {wrong}\n         remedy: {}",
                need.what, need.remedy
            ),
        }
    }
    needs.iter().all(|need| need.found.is_ok())
}

fn needs() -> Vec<Need> {
    let root = root();
    let need = |what, found, remedy| Need {
        what,
        found,
        remedy,
    };
    let python = root.join("target/test-env/venv/bin/python");
    vec![
        need("Rust", at_least("rustc", RUST), RUSTUP),
        need(
            "rustfmt",
            first_line("rustfmt", &["--version"]),
            "rustup component add rustfmt",
        ),
        need(
            "clippy",
            first_line("cargo-clippy", &["--version"]),
            "rustup component add clippy",
        ),
        need(
            "C compiler",
            first_line("cc", &["--version"]),
            "apt-get install build-essential",
        ),
        need(
            "CMake",
            first_line("cmake", &["--version"]),
            "apt-get install cmake",
        ),
        need("Node.js", at_least("node", NODE), NODEJS),
        need("npm", first_line("npm", &["--version"]), NODEJS),
        need("Chromium", chromium(), "apt-get install chromium"),
        need(
            "ffmpeg",
            first_line("/usr/bin/ffmpeg", &["-version"]),
            "apt-get install ffmpeg",
        ),
        need("Python packages", python_packages(&python), SETUP),
        need(
            "npm packages",
            node_packages(&root.join("tests/real")),
            SETUP,
        ),
        need("page", page(&root.join("web/dist/index.html")), SETUP),
    ]
}

/// The first line that a program prints.
fn first_line(program: &str, arguments: &[&str]) -> Result<String, String> {
    let answer = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .map_err(|e| format!("`{program}` cannot be started: {e}"))?;
    if !answer.status.success() {
        let error = String::from_utf8_lossy(&answer.stderr);
        let last = error.lines().last().unwrap_or("it failed");
        return Err(format!("`{program} {}`: {last}", arguments.join(" ")));
    }
    let text = String::from_utf8_lossy(&answer.stdout);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Reads `1.95` out of `rustc 1.95.0 (…)` or `v20.19.1`.
fn version(text: &str) -> Option<[u32; 2]> {
    let digits = text.split_whitespace().find_map(|word| {
        let word = word.strip_prefix('v').unwrap_or(word);
        word.starts_with(|c: char| c.is_ascii_digit())
            .then_some(word)
    })?;
    let mut parts = digits.split('.').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??])
}

fn at_least(program: &str, least: [u32; 2]) -> Result<String, String> {
    let text = first_line(program, &["--version"])?;
    match version(&text) {
        Some(have) if have >= least => Ok(text),
        Some(_) => Err(format!(
            "{text} is too old, {}.{} is needed",
            least[0], least[1]
        )),
        None => Err(format!("`{program} --version` says no version: {text}")),
    }
}

/// The tests drive the browser that Debian installs.
fn chromium() -> Result<String, String> {
    first_line("/usr/bin/chromium", &["--version"])
}

fn python_packages(python: &Path) -> Result<String, String> {
    let script = "import livekit.rtc, livekit.api, standardwebhooks; print('livekit and others')";
    first_line(&python.to_string_lossy(), &["-c", script])
}

fn node_packages(folder: &Path) -> Result<String, String> {
    let names = [
        "playwright-core",
        "livekit-server-sdk",
        "livekit-client",
        "standardwebhooks",
    ];
    for name in names {
        let package = folder.join("node_modules").join(name).join("package.json");
        if !package.is_file() {
            return Err(format!("{} is not there", package.display()));
        }
    }
    Ok(names.join(", "))
}

fn page(built: &Path) -> Result<String, String> {
    if built.is_file() {
        Ok(built.display().to_string())
    } else {
        Err(format!("{} is not built", built.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_programs_print_them() {
        for (text, wanted) in [
            ("rustc 1.95.0 (59807616e 2026-04-14)", Some([1, 95])),
            ("v20.19.2", Some([20, 19])),
            ("v8", None),
            ("none at all", None),
        ] {
            assert_eq!(version(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        assert!(first_line("/does/not/exist", &[]).is_err());
        assert!(node_packages(Path::new("/does/not/exist")).is_err());
        assert!(page(Path::new("/does/not/exist")).is_err());
        assert!(at_least("sh", RUST).is_err());
    }
}
