# The one list of commands. CI calls nothing else.
export CARGO_TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(HOME)/.cache/mainstay/target)
SHELL := bash

.DEFAULT_GOAL := help
.PHONY: help lint test contract generate bench

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lint: ## formatting, clippy without a warning, licences and sources of the dependencies
	e2e/tools.sh build deny
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	$(HOME)/.cache/mainstay/bin/cargo-deny --locked check licenses bans sources

test: ## every test, on SQLite and on a PostgreSQL that it starts itself
	e2e/tools.sh build postgres iso-codes
	cargo build --locked --workspace
	cargo test --locked --workspace
	$(MAKE) contract

contract: ## the OpenAPI documents against their linters, and the servers against the documents (MINUTES=2 a database, SEED= repeats a run)
	e2e/tools.sh build postgres contract
	cargo build --locked --workspace
	e2e/contract/run.sh

generate: ## write every generated file: the custom resources, also for the chart
	e2e/tools.sh build
	for folder in crds/yaml charts/mainstay/crds; do cargo run --locked --quiet --package mainstay-operator -- crds $$folder || exit; done

bench: ## requests a second as ratios to pgbench, to bench/results.md
	e2e/tools.sh build postgres wrk
	cargo build --locked --workspace
	cargo build --locked --release --package mainstay
	MAINSTAY_BIN=$(CARGO_TARGET_DIR)/release/mainstay bench/run.sh
