# The one list of commands. CI calls nothing else.
export CARGO_TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(HOME)/.cache/mainstay/target)
SHELL := bash

.DEFAULT_GOAL := help
.PHONY: help lint test contract clients e2e admission image generate bench bench-migrate bench-operator

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lint: ## formatting, clippy without a warning, licences and sources of the dependencies, the chart
	e2e/tools.sh build deny helm prometheus
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	$(HOME)/.cache/mainstay/bin/cargo-deny --locked check licenses bans sources
	e2e/chart/lint.sh

test: ## every test, on SQLite and on a PostgreSQL and a Redis that it starts itself
	e2e/tools.sh build postgres redis iso-codes
	cargo build --locked --workspace
	cargo test --locked --workspace
	$(MAKE) contract

contract: ## the OpenAPI documents against their linters, and the servers against the documents (MINUTES=2 a database, SEED= repeats a run)
	e2e/tools.sh build postgres contract
	cargo build --locked --workspace
	e2e/contract/run.sh

clients: ## clients in Python, TypeScript, Go, Java and Rust, generated from a running server's document, compiled and run against it
	e2e/tools.sh build contract clients
	cargo build --locked --package mainstay --package mainstay-e2e
	$(CARGO_TARGET_DIR)/debug/mainstay-e2e --quiet examples/markets sqlite e2e/contract/clients.sh

# Only a KUBECONFIG on the command line counts: that of the shell may lead to a cluster that matters.
e2e: ## the tests on a real Kubernetes that it starts itself, or on that of KUBECONFIG=FILE (TEST= names some of them)
	e2e/tools.sh build postgres images cluster
	cargo build --locked --package mainstay-e2e
	e2e/image.sh archives dev e2e
	cargo test --locked --package mainstay-e2e --test cluster --no-run
ifeq ($(origin KUBECONFIG),command line)
	MAINSTAY_TEST_KUBECONFIG=$(abspath $(KUBECONFIG)) cargo test --locked --package mainstay-e2e --test cluster -- --skip lab:: $(TEST)
else
	$(CARGO_TARGET_DIR)/debug/mainstay-e2e lab with e2e/cluster.sh $(TEST)
endif

admission: ## the rules of the custom resources, judged by API servers of two versions of Kubernetes
	e2e/tools.sh build kubelab apiserver-next
	cargo test --locked --package mainstay-e2e --test admission -- $(TEST)

image: ## the two container images, as archives in the target folder, each under 30 MB
	e2e/tools.sh build images
	e2e/image.sh archives release latest

generate: ## write every generated file: the custom resources, what the chart renders
	e2e/tools.sh build helm
	for folder in crds/yaml charts/mainstay/crds; do cargo run --locked --quiet --package mainstay-operator -- crds $$folder || exit; done
	e2e/chart/lint.sh write

bench: ## requests a second as ratios to pgbench, an import beside COPY, to bench/results.md
	e2e/tools.sh build postgres wrk
	cargo build --locked --workspace
	cargo build --locked --release --package mainstay
	MAINSTAY_BIN=$(CARGO_TARGET_DIR)/release/mainstay bench/run.sh

bench-migrate: ## a table of a million records that changes under steady traffic, to bench/migrate.md (RECORDS= another number)
	e2e/tools.sh build postgres
	cargo build --locked --release --package mainstay
	MAINSTAY_TEST_RECORDS=$(or $(RECORDS),1000000) MAINSTAY_BIN=$(CARGO_TARGET_DIR)/release/mainstay \
	  cargo test --locked --package mainstay --test it -- --exact faults::online::a_large_table_changes_under_traffic

bench-operator: ## memory, writes and speed of the operator with 1000 Backends, to bench/operator.md (BACKENDS= another number)
	e2e/tools.sh build kubelab
	cargo build --locked --package mainstay-e2e
	e2e/image.sh program release mainstay-operator mainstay-operator
	OPERATOR_BIN=$(CARGO_TARGET_DIR)/release/mainstay-operator $(CARGO_TARGET_DIR)/debug/mainstay-e2e apiserver python3 bench/operator.py
