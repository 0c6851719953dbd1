#!/usr/bin/env bash
# From a fresh Debian to a tested tree: installs what the tests need, then runs
# `cargo xtask ci`. Arguments go on to it, as in: scripts/test.sh --fast
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_rust
need_rust_components
need_node
need_apt build-essential cmake pkg-config chromium firefox-esr ffmpeg
make_venv
npm_ci tests/real
build_web
audit
say "testing: cargo xtask ci $*"
cd "$root"
exec cargo xtask ci "$@"
