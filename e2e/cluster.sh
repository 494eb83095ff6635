#!/usr/bin/env bash
# Runs the tests of the cluster; `make e2e` calls it inside the lab, where nothing can be downloaded. Arguments name tests.
set -euo pipefail
cd "$(dirname "$0")/.."

"$CARGO_TARGET_DIR/debug/mainstay-e2e" lab load "$CARGO_TARGET_DIR"/image/dev/{server,operator}.tar
# Most of a test's time is waiting for the cluster, so more of them run than there are cores.
cargo test --locked --offline --package mainstay-e2e --test cluster -- --test-threads 8 "$@"
