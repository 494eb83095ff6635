#!/usr/bin/env bash
# Brings the programs that the tests need and this machine lacks: e2e/tools.sh build deny postgres redis iso-codes contract clients wrk images cluster helm prometheus kubelab apiserver-next
# Debian packages are installed when we are root; otherwise this says what to install. Pinned tools go to the cache.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=$HOME/.cache/mainstay
deny_version=0.20.2
kubernetes_version=34.4
next_version=36.3
coredns_version=v1.15.0
metrics_server_version=v0.9.0
helm_version=v4.3.1
generator_version=7.25.0
kubeconform_version=v0.8.0

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

# redis-server and redis-cli, version 7 (Debian 12: 7.0).
redis() {
  command -v redis-server >/dev/null && command -v redis-cli >/dev/null || apt redis-server
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

# openapi-generator from Maven, and what its clients are compiled with; after `contract`, whose python and node they use.
clients() {
  local pins missing=() jar="$cache/openapi-generator.jar"
  pins=$(cat e2e/contract/clients/{requirements.txt,package.json,package-lock.json,pom.xml} <(echo "$generator_version") | sha256sum)
  command -v javac >/dev/null || missing+=(default-jdk-headless)
  command -v mvn >/dev/null || missing+=(maven)
  command -v curl >/dev/null || missing+=(curl)
  [ ${#missing[@]} = 0 ] || apt "${missing[@]}"
  if ! command -v go >/dev/null; then
    echo "missing: go 1.26 or later, to compile the Go client. Install it from https://go.dev/dl, then run this again." >&2
    exit 69
  fi
  [ "$(cat "$cache/clients.pins" 2>/dev/null || true)" != "$pins" ] || return 0
  local artifact=org.openapitools:openapi-generator-cli:$generator_version
  mvn --quiet --batch-mode dependency:get -Dartifact=$artifact -Dtransitive=false
  cp "$HOME/.m2/repository/org/openapitools/openapi-generator-cli/$generator_version/openapi-generator-cli-$generator_version.jar" "$jar"
  "$cache/venv/bin/pip" install --quiet --disable-pip-version-check -r e2e/contract/clients/requirements.txt
  mkdir -p "$cache/clients"
  cp e2e/contract/clients/package.json e2e/contract/clients/package-lock.json "$cache/clients"
  (cd "$cache/clients" && PATH="$cache/venv/bin:$PATH" npm ci --silent --no-audit --no-fund)
  rm -rf "$cache/clients/java"
  mvn --quiet --batch-mode --file e2e/contract/clients/pom.xml dependency:copy-dependencies -DoutputDirectory="$cache/clients/java"
  echo "$pins" >"$cache/clients.pins"
}

images() {
  local missing=()
  command -v buildah >/dev/null || missing+=(buildah)
  [ -f /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
  [ ${#missing[@]} = 0 ] || apt "${missing[@]}"
}

# A Kubernetes, and what talks to one.
cluster() {
  local missing=()
  command -v containerd >/dev/null || missing+=(containerd)
  command -v runc >/dev/null || missing+=(runc)
  command -v iptables >/dev/null || missing+=(iptables)
  command -v ip >/dev/null || missing+=(iproute2)
  [ -x /usr/lib/cni/ptp ] || missing+=(containernetworking-plugins)
  [ -x /bin/busybox ] || missing+=(busybox-static)
  [ ${#missing[@]} = 0 ] || apt "${missing[@]}"
  kubelab
  installed github.com/coredns/coredns "$coredns_version"
  installed sigs.k8s.io/metrics-server/cmd/metrics-server "$metrics_server_version"
  helm
  installed github.com/yannh/kubeconform/cmd/kubeconform "$kubeconform_version"
}

kubelab() {
  kubernetes kubelab "$kubernetes_version"
}

# The API server of the newest Kubernetes that Mainstay supports.
apiserver_next() {
  kubernetes apiserver-next "$next_version"
}

# kubernetes NAME VERSION: the program in e2e/NAME, of that version.
kubernetes() {
  local name=$1 minor=${2%.*} version=k8s.io/component-base/version
  go_tool "$name" "$(cat "e2e/$name"/*.go "e2e/$name"/go.*) $2" \
    build -C "e2e/$name" -trimpath -o "$cache/bin/$name" \
    -ldflags "-s -w -X $version.gitVersion=v1.$2 -X $version.gitMajor=1 -X $version.gitMinor=$minor" .
}

# promtool alone: the package would start a server.
prometheus() {
  [ ! -x "$cache/bin/promtool" ] || return 0
  if command -v promtool >/dev/null; then
    ln -sf "$(command -v promtool)" "$cache/bin/promtool"
    return 0
  fi
  if ! command -v apt-get >/dev/null; then
    echo "missing: promtool. Install Prometheus (Debian: apt-get install prometheus), then run this again." >&2
    exit 69
  fi
  local folder
  folder=$(mktemp -d)
  (cd "$folder" && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } >&2 \
    && dpkg -x prometheus_*.deb .)
  mv "$folder/usr/bin/promtool" "$cache/bin/promtool"
  rm -rf "$folder"
}

helm() {
  installed helm.sh/helm/v4/cmd/helm "$helm_version"
}

installed() {
  go_tool "${1##*/}" "$1@$2" install -trimpath -ldflags '-s -w' "$1@$2"
}

# go_tool NAME PINS GO-ARGUMENT…: runs go unless the program in the cache was made from the same pins.
go_tool() {
  local name=$1 pins
  pins=$(sha256sum <<<"$2")
  [ ! -x "$cache/bin/$name" ] || [ "$(cat "$cache/bin/$name.pins" 2>/dev/null || true)" != "$pins" ] || return 0
  if ! command -v go >/dev/null; then
    echo "missing: go 1.26.4 or later, to build $name. Install it from https://go.dev/dl, then run this again." >&2
    exit 69
  fi
  echo "building $name" >&2
  CGO_ENABLED=0 GOBIN="$cache/bin" go "${@:3}"
  echo "$pins" >"$cache/bin/$name.pins"
}

mkdir -p "$cache/bin"
for tool in "$@"; do
  "${tool//-/_}"
done
