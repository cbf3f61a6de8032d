# What a newcomer and CI type. Honours CARGO_TARGET_DIR; everything fetched stays in ~/.cache/cairn (see scripts/fetch).

cairn := $(or $(CARGO_TARGET_DIR),target)/release/cairn
cargo_test = $(if $(shell command -v cargo-nextest 2>/dev/null),cargo nextest run,cargo test)
scripts := $(filter-out %.txt,$(wildcard scripts/*)) .ci/run .cargo/rustc-wrapper eval/scorer/fetch eval/scorer/measure
demo_data := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cairn/demo
corpus := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cairn/reading-corpus
measure_venv := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cairn/measure-venv
claims := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cairn/claims

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help build setup demo test lint fmt bench eval fetch-corpus measure-readers fetch-claims measure-scorer measure-streamed clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the release binary
	cargo build --release --locked

setup: ## fetch ONNX Runtime and the embedding model, unless they are there
	CAIRN_BIN="$(cairn)" scripts/fetch

demo: build setup ## build, ask the handbook three questions, serve it; takes DOCS=folder ADDR=host:port ONCE=1
	CAIRN_BIN="$(cairn)" scripts/demo

test: ## everything that CI runs: format, lints, all tests
	scripts/fetch --tests
	@$(MAKE) --no-print-directory lint
	$(cargo_test) --locked

lint: ## format check and lints; of the shell scripts too where shellcheck is installed
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	if command -v shellcheck >/dev/null; then shellcheck $(scripts); fi

fmt: ## format the Rust code
	cargo fmt

bench: setup ## measure embedding, in chunks a second
	cargo bench --locked

eval: build setup ## run the handbook's suite, eval/handbook.toml, under its gates
	CAIRN_BIN="$(cairn)" scripts/eval

fetch-corpus: ## fetch the real files that reading is measured on, 400 MB
	eval/extract/fetch "$(corpus)"

measure-readers: build setup ## read those files and compare with other programs; takes ONLY=kinds SET=fresh
	test -x "$(measure_venv)/bin/python" || python3 -m venv "$(measure_venv)"
	"$(measure_venv)/bin/python" -m pip install --quiet -r eval/extract/requirements.txt
	"$(measure_venv)/bin/python" eval/extract/measure --cairn "$(cairn)" --details "$(corpus)/details.jsonl" \
		$(if $(ONLY),--only $(ONLY)) $(if $(SET),--set $(SET)) "$(corpus)"

fetch-claims: ## fetch the documentation that the scorer is measured on, 60 MB
	eval/scorer/fetch "$(claims)"

measure-scorer: setup ## measure how claims are checked, on corrupted documentation; takes LABELS=folder for labelled answers
	cargo build --release --locked --example claim_scores
	test -x "$(claims)/venv/bin/python" || python3 -m venv "$(claims)/venv"
	"$(claims)/venv/bin/python" -m pip install --quiet -r eval/scorer/requirements.txt
	PYTHON="$(claims)/venv/bin/python" eval/scorer/measure $(if $(LABELS),--labels "$(LABELS)") \
		"$(or $(CARGO_TARGET_DIR),target)/release/examples/claim_scores" "$(claims)" \
		"$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cairn/models"

measure-streamed: setup ## measure labelled answers on their way through the path of an answer; takes LABELS=folder
	cargo build --release --locked --example stream_answers
	python3 eval/scorer/streamed.py "$(LABELS)" \
		"$(or $(CARGO_TARGET_DIR),target)/release/examples/stream_answers" "$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cairn/models"

clean: ## remove what was built and the demo's data; what was fetched stays
	cargo clean
	rm -rf "$(demo_data)"
