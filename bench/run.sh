#!/usr/bin/env bash
# Called by `make bench` with MAINSTAY_BIN: serves examples/markets from SQLite and from PostgreSQL at once, and measures.
set -euo pipefail
cd "$(dirname "$0")/.."

harness=$CARGO_TARGET_DIR/debug/mainstay-e2e
exec "$harness" --quiet examples/markets postgres "$harness" --quiet examples/markets sqlite python3 bench/measure.py
