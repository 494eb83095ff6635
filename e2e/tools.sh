#!/usr/bin/env bash
# Brings the programs that the tests need and this machine lacks: e2e/tools.sh build deny postgres iso-codes contract wrk
# Debian packages are installed when we are root; otherwise this says what to install. Pinned tools go to the cache.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=$HOME/.cache/mainstay
deny_version=0.20.2

apt() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing: $*. Install it (Debian: apt-get install $*), then run this again." >&2
    exit 69
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -qq -y --no-install-recommends "$@" >&2 \
    || { apt-get update -qq >&2 && apt-get install -qq -y --no-install-recommends "$@" >&2; }
}

build() {
  local missing=()
  command -v cc >/dev/null || missing+=(build-essential)
  command -v make >/dev/null || missing+=(make)
  command -v perl >/dev/null || missing+=(perl)
  command -v git >/dev/null || missing+=(git)
  [ ${#missing[@]} = 0 ] || apt "${missing[@]}"
}

# Server programs and pgbench, on PATH or where Debian puts them.
postgres() {
  command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || apt postgresql
}

iso_codes() {
  [ -f /usr/share/iso-codes/json/iso_3166-2.json ] || apt iso-codes
}

wrk() {
  command -v wrk >/dev/null || apt wrk
  command -v python3 >/dev/null || apt python3
}

deny() {
  local have
  have=$("$cache/bin/cargo-deny" --version 2>/dev/null || true)
  [ "$have" = "cargo-deny $deny_version" ] \
    || cargo install --quiet --locked --root "$cache" --version "$deny_version" cargo-deny
}

# schemathesis, openapi-spec-validator and node in a virtual environment, redocly beside it. Made again when a pin changes.
contract() {
  local pins venv="$cache/venv" node="$cache/node"
  pins=$(cat e2e/contract/{requirements.txt,package.json,package-lock.json} | sha256sum)
  [ "$(cat "$cache/contract.pins" 2>/dev/null || true)" != "$pins" ] || return 0
  python3 -c 'import ensurepip' 2>/dev/null || apt python3 python3-venv
  rm -rf "$venv" "$node"
  mkdir -p "$node"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r e2e/contract/requirements.txt
  cp e2e/contract/package.json e2e/contract/package-lock.json "$node"
  (cd "$node" && PATH="$venv/bin:$PATH" npm ci --silent --no-audit --no-fund)
  echo "$pins" >"$cache/contract.pins"
}

mkdir -p "$cache"
for tool in "$@"; do
  "${tool//-/_}"
done
