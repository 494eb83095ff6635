#!/usr/bin/env bash
# Called by `make clients` beside a server of examples/markets: generates clients from its /openapi.json, as a user would,
# compiles each strictly and has it run one scenario. What a generator cannot read is mended in the document, never here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=$HOME/.cache/mainstay
export PATH=$cache/venv/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
curl --fail --silent --show-error "$E2E_SQLITE_URL/openapi.json" >api.json

# generate GENERATOR FOLDER PROPERTIES
generate() {
  echo "== $1"
  java -jar "$cache/openapi-generator.jar" generate -g "$1" -i api.json -o "$2" --additional-properties="$3" >log 2>&1 \
    || { cat log; return 1; }
}

generate python python packageName=openapi_client
PYTHONPATH=python python3 -W error::SyntaxWarning "$here/clients/scenario.py"

generate typescript-fetch typescript/client supportsES6=true
cp "$here/clients/scenario.ts" typescript
ln -s "$cache/clients/node_modules" typescript/node_modules
(cd typescript && node_modules/.bin/tsc --strict --target es2022 --module commonjs --types node --skipLibCheck scenario.ts && node scenario.js)

generate go go/client packageName=client,withGoMod=false,isGoSubmodule=false,disallowAdditionalPropertiesIfNotPresent=false
cp "$here/clients/scenario.go" go
rm -rf go/client/test
printf 'module scenario\n\ngo 1.26\n' >go/go.mod
(cd go && go vet ./... && go run .)

generate java java library=native,supportUrlQuery=false,containerDefaultToNull=true,useSingleRequestParameter=true
cp "$here/clients/Scenario.java" java/src/main/java
mkdir java/classes
find java/src/main/java -name '*.java' -print0 | xargs -0 javac -Werror -cp "$cache/clients/java/*" -d java/classes
java -cp "java/classes:$cache/clients/java/*" Scenario

generate rust rust/client library=reqwest-trait,packageName=client,useBonBuilder=true,useSingleRequestParameter=true
cp "$here"/clients/{Cargo.toml,Cargo.lock,scenario.rs} rust
cargo run --quiet --locked --manifest-path rust/Cargo.toml --target-dir "$CARGO_TARGET_DIR/clients"

echo "five generated clients compile and run"
