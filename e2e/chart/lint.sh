#!/usr/bin/env bash
# Holds charts/mainstay against what can be told without a cluster; `make lint` calls it.
#   e2e/chart/lint.sh          lints it with every file of ci/, compares what it renders with e2e/chart/golden, proves
#                              that values.schema.json refuses each line of e2e/chart/refused, and tries the alerts
#   e2e/chart/lint.sh write    writes e2e/chart/golden; `make generate` calls it
set -euo pipefail
cd "$(dirname "$0")/../.."

helm=$HOME/.cache/mainstay/bin/helm
promtool=$HOME/.cache/mainstay/bin/promtool
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
# The alerts, as Prometheus reads them, and on figures of which it is known what shall fire.
rules=$(mktemp -d)
trap 'rm -rf "$rules"' EXIT
sed 's/OPERATOR/namespace="mainstay-system", service="mainstay-operator"/' "$chart/files/alerts.yaml" >"$rules/alerts.yaml"
cp e2e/chart/alerts.test.yaml "$rules"
"$promtool" check rules "$rules/alerts.yaml" >"$rules/said" 2>&1 || { cat "$rules/said" >&2; failed=1; }
"$promtool" test rules "$rules/alerts.test.yaml" >"$rules/said" 2>&1 || { cat "$rules/said" >&2; failed=1; }
exit $failed
