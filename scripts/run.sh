#!/usr/bin/env bash
# From a fresh Debian to a running node: installs what is missing, builds the
# page and the release binary, and starts `beistand serve --dev`. Arguments go on
# to `serve`, as in: scripts/run.sh --http 127.0.0.1:8080
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_rust
need_node
need_apt build-essential cmake pkg-config
build_web
say "building target/release/beistand"
cargo build --release --manifest-path "$root/Cargo.toml"
say "starting: beistand serve --dev $*"
cd "$root"
exec "$target/release/beistand" serve --dev "$@"
