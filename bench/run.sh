#!/usr/bin/env bash
# Called by `make bench` with MAINSTAY_BIN: measures servers of examples/markets on both databases at once, then of
# bench/sizes.yaml on one after the other, and writes bench/results.md. PARTS ("requests sizes traces") may name one of them.
set -euo pipefail
cd "$(dirname "$0")/.."

harness=$CARGO_TARGET_DIR/debug/mainstay-e2e
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for part in ${PARTS:-requests sizes traces}; do
  case $part in
    requests)
      "$harness" --quiet examples/markets postgres "$harness" --quiet examples/markets sqlite python3 bench/measure.py "$results"
      ;;
    sizes)
      for kind in postgres sqlite; do
        "$harness" --quiet bench/sizes.yaml "$kind" python3 bench/sizes.py "$results"
      done
      ;;
    traces)
      python3 bench/traces.py "$results"
      ;;
  esac
done
[ "${PARTS:-all}" != all ] || cp "$results" bench/results.md
cat "$results"
