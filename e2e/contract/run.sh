#!/usr/bin/env bash
# Called by `make contract`: lints the OpenAPI document of each example, then has schemathesis ask every kind of
# question that the document allows, with every check, on both databases. MINUTES is the time for each database, SEED
# repeats a run.
set -euo pipefail
cd "$(dirname "$0")/../.."

bin=$CARGO_TARGET_DIR/debug
venv=$HOME/.cache/mainstay/venv/bin
redocly=$HOME/.cache/mainstay/node/node_modules/.bin/redocly
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
seconds=$((${MINUTES:-2} * 60 / 2)) # two examples a database
failed=()

step() {
  local name=$1
  shift
  echo "== $name"
  "$@" || failed+=("$name")
}

for example in markets world; do
  document=$work/$example.json
  "$bin/mainstay" openapi -f "examples/$example" -o "$document"
  step "openapi-spec-validator $example" "$venv/openapi-spec-validator" "$document"
  step "redocly $example" env PATH="$venv:$PATH" REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true \
    "$redocly" lint --config e2e/contract/redocly.yaml "$document"
done

for database in sqlite postgres; do
  for example in markets world; do
    # In the temporary folder: hypothesis keeps notes where it runs.
    step "schemathesis $example on $database" env -C "$work" "$bin/mainstay-e2e" "examples/$example" "$database" \
      "$PWD/e2e/contract/schemathesis.sh" "$database" "$seconds"
  done
done

if [ ${#failed[@]} != 0 ]; then
  printf 'failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
echo "the documents are valid, and the servers keep to them"
