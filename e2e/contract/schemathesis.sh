#!/usr/bin/env bash
# Called by run.sh through `mainstay-e2e`, which tells where the server is: every phase and every check for so many
# seconds. SEED repeats a run, whose output names its seed.
set -euo pipefail
database=$1 seconds=$2
here=$(dirname "$0")
venv=$HOME/.cache/mainstay/venv/bin

url=E2E_${database^^}_URL
"$venv/python" "$here/records.py" "${!url}"
SCHEMATHESIS_HOOKS=$here/hooks.py PYTHONDONTWRITEBYTECODE=1 exec "$venv/schemathesis" \
  --config-file "$here/schemathesis.toml" run "${!url}/openapi.json" --header "X-API-Key: $E2E_KEY" \
  --checks all --phases examples,coverage,fuzzing,stateful --mode all ${SEED:+--seed "$SEED"} \
  --max-time "$seconds" --request-timeout 30 --continue-on-failure --no-color
