#!/usr/bin/env bash
# Holds charts/mainstay against what can be told without a cluster; `make lint` calls it.
#   e2e/chart/lint.sh          lints it with every file of ci/, compares what it renders with e2e/chart/golden, and
#                              proves that values.schema.json refuses each line of e2e/chart/refused
#   e2e/chart/lint.sh write    writes e2e/chart/golden; `make generate` calls it
set -euo pipefail
cd "$(dirname "$0")/../.."

helm=$HOME/.cache/mainstay/bin/helm
chart=charts/mainstay
golden=e2e/chart/golden
failed=0

render() {
  "$helm" template mainstay "$chart" --namespace mainstay-system --values "$1" "${@:2}"
}

for values in "$chart"/ci/*.yaml; do
  file=$golden/$(basename "$values")
  if [ "${1:-}" = write ]; then
    render "$values" >"$file"
    continue
  fi
  "$helm" lint --quiet --strict "$chart" --values "$values"
  render "$values" | diff -u "$file" - || { echo "$file differs: look at it, then run make generate" >&2; failed=1; }
done
[ "${1:-}" != write ] || exit 0

while read -r set; do
  if said=$(render "$chart/ci/cluster.yaml" --set-json "$set" 2>&1); then
    echo "values.schema.json lets $set pass" >&2
    failed=1
  elif ! grep -q "don't meet the specifications of the schema" <<<"$said"; then
    echo "$set is refused by something else than values.schema.json: $said" >&2
    failed=1
  fi
done < <(grep -v '^#' e2e/chart/refused)
exit $failed
