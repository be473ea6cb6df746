# Everything there is to run. A target's one line of help stands behind it.
# `make demo` and `make test` set up all that they need, in .venv and target/.

VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
COST := .venv-cost
# Rust sources decide whether the native module is built again; Python is used in place.
RUST := $(shell find rust -name '*.rs' -o -name 'Cargo.toml' 2>/dev/null) Cargo.toml Cargo.lock pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help demo storm test test-hostile test-rust test-loom fuzz test-python test-conformance test-wheel types lint fmt bench bench-peers bench-jitter bench-emulator bench-cost bench-sessions lock wheel clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: $(VENV)/.demo $(VENV)/.native ## Hold a spoken conversation with the local server; leaves demo/
	$(BIN)/antiphon demo --dir demo

test: test-rust test-python types test-wheel lint ## Run every test, check and lint

test-rust: ## Test the Rust core and its callbacks
	@tools/find-toolchain.sh >/dev/null
	cargo test --release --locked --workspace --exclude antiphon-pyext --exclude antiphon-benches

test-loom: ## Model the hand-over between the two threads, in every order of memory
	@tools/find-toolchain.sh >/dev/null
	RUSTFLAGS="--cfg loom" cargo test --release --locked -p antiphon-core --lib --target-dir target/loom model

# Findings and corpus stay in rust/fuzz. A later argument takes the place of an earlier one.
FUZZ := cargo +nightly fuzz run --fuzz-dir rust/fuzz --target-dir target/fuzz
fuzz: ## Try calls and messages that nobody thought of (ARGS=-max_total_time=60: seconds for each)
	@cargo +nightly fuzz --version >/dev/null 2>&1 || { \
	  echo "fuzz: needs a nightly compiler and cargo-fuzz. Run:"; \
	  echo "  rustup toolchain install nightly && cargo install --locked cargo-fuzz"; exit 1; }
	@for target in stream packets message; do \
	  $(FUZZ) $$target -- -max_total_time=180 -max_len=512 -len_control=0 -timeout=30 $(ARGS) || exit 1; done

storm: $(VENV)/.test $(VENV)/.native ## Hold 500 sessions through broken connections (ARGS=--sessions 50)
	$(BIN)/python -m tests.storm $(ARGS)

test-python: $(VENV)/.test $(VENV)/.native ## Test the Python side, the docs and the examples
	$(BIN)/python -m pytest

# Official clients, in environments of their own; ARGS="-k firebase": some of them.
CLIENTS := target/conformance
test-conformance: $(VENV)/.test $(VENV)/.native $(addprefix $(CLIENTS)/,google-genai-2/.installed \
  livekit/.installed pipecat/.installed node/.installed go/.installed java/.installed) ## Drive official clients against the local server
	$(BIN)/python -m pytest tests/conformance -m "" --conformance-table docs/conformance.md $(ARGS)

test-hostile: $(VENV)/.test $(VENV)/.native ## Abuse the local server: 10,000 connects, and all else
	$(BIN)/python -m pytest tests/integration/test_emulator_hostile*.py -m "slow or not slow" -rP

types: $(VENV)/.test $(VENV)/.native ## Check types, the stub of the native module, and the import rules
	$(BIN)/mypy
	MYPYPATH=python $(BIN)/python -m mypy.stubtest antiphon._native
	PYTHONPATH=python $(BIN)/lint-imports --no-cache

test-wheel: $(VENV)/.test $(VENV)/.native ## Build the wheel; install and use it where no compiler is
	rm -rf target/wheels
	$(BIN)/maturin build --release --locked --out target/wheels
	$(BIN)/python -m pytest tests/wheel --wheel-dir target/wheels

lint: $(VENV)/.test ## Lint Python; lint Rust where clippy and rustfmt are
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if cargo fmt --version >/dev/null 2>&1; then cargo fmt --all --check; \
	  else echo "lint: rustfmt is not installed, skipped (rustup component add rustfmt)"; fi
	@if cargo clippy --version >/dev/null 2>&1; then \
	  cargo clippy --locked --workspace --all-targets -- -D warnings; \
	  else echo "lint: clippy is not installed, skipped (rustup component add clippy)"; fi

fmt: $(VENV)/.test ## Format all code
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .
	cargo fmt --all

bench: $(VENV)/.test $(VENV)/.native ## Run the benchmarks of the core and of the calls
	cargo bench --locked -p antiphon-benches
	$(BIN)/python -m pytest benches --benchmark-only

bench-peers: $(PEERS)/.wheel ## Measure beside soxr and other peers (ARGS=--quick: only try)
	$(PEERS)/bin/python -m benches.peers $(ARGS)

bench-jitter: $(PEERS)/.wheel ## Have the judge score our jitter buffer beside others (ARGS=--quick)
	$(PEERS)/bin/python -m benches.jitter $(ARGS)

bench-emulator: $(VENV)/.test $(VENV)/.native ## Load the local server, and let it simulate ten minutes (ARGS=--quick)
	$(BIN)/python -m benches.emulator $(ARGS)

bench-cost: $(COST)/.wheel ## Measure what a session costs beside others' (ARGS=--quick)
	$(COST)/bin/python -m benches.cost $(ARGS)

bench-sessions: $(COST)/.wheel ## Search for the most sessions that one core carries (ARGS=--quick)
	$(COST)/bin/python -m benches.sessions $(ARGS)

wheel: $(VENV)/.demo ## Build the wheel into dist/
	$(BIN)/maturin build --release --locked --out dist

lock: ## Pin the Python packages anew (needs uv)
	tools/lock.sh

clean: ## Remove everything that was set up or built
	rm -rf $(VENV) $(PEERS) $(COST) target dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The environments. A stamp is the time of the last successful set-up. The test packages
# contain the demo's, so setting up for the tests serves both.
$(VENV)/.demo: requirements/demo.txt tools/find-toolchain.sh
	@python=$$(tools/find-toolchain.sh) && { test -x $(BIN)/python || $$python -m venv $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/demo.txt
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.txt
	@touch $@

# pip comes before the module: maturin is among the packages.
$(VENV)/.native: $(VENV)/.demo $(RUST)
	@tools/find-toolchain.sh >/dev/null
	VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/maturin develop --release --locked --quiet
	@touch $@

# The peers have environments of their own, and our wheel is in them as users get it.
$(PEERS)/.packages: benches/peers/requirements.txt
$(COST)/.packages: benches/cost/requirements.txt
$(PEERS)/.packages $(COST)/.packages: tools/find-toolchain.sh
	@python=$$(tools/find-toolchain.sh) && { test -x $(@D)/bin/python || $$python -m venv $(@D); }
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(filter %.txt,$^)
	@touch $@

target/bench-wheel/.built: $(VENV)/.demo $(RUST) $(shell find python -name '*.py' 2>/dev/null)
	rm -rf $(@D)
	$(BIN)/maturin build --release --locked --quiet --out $(@D)
	@touch $@

$(PEERS)/.wheel $(COST)/.wheel: %/.wheel: %/.packages target/bench-wheel/.built
	$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall target/bench-wheel/*.whl
	@touch $@

# The clients that `make test-conformance` drives.
DRIVERS := tests/conformance/drivers
$(CLIENTS)/node/.installed: $(wildcard $(DRIVERS)/node/*)
	@node --version >/dev/null 2>&1 || { echo "test-conformance: needs Node 20 or newer, with npm"; exit 1; }
	mkdir -p $(@D) && cp $(DRIVERS)/node/* $(@D)
	cd $(@D) && npm ci --silent --ignore-scripts
	@touch $@

$(CLIENTS)/go/.installed: $(wildcard $(DRIVERS)/go/*)
	@go version >/dev/null 2>&1 || { echo "test-conformance: needs Go 1.24 or newer"; exit 1; }
	cd $(DRIVERS)/go && go build -mod=readonly -o $(CURDIR)/$(@D)/driver .
	@touch $@

$(CLIENTS)/java/.installed: $(DRIVERS)/java/pom.xml $(wildcard $(DRIVERS)/java/src/main/java/*)
	@mvn --version >/dev/null 2>&1 || { echo "test-conformance: needs Java 17 or newer, and Maven"; exit 1; }
	mvn -q -B -f $< -Dout=$(CURDIR)/$(@D) compile dependency:copy-dependencies
	@touch $@

$(CLIENTS)/%/.installed: tests/conformance/requirements/%.txt tools/find-toolchain.sh
	@python=$$(tools/find-toolchain.sh) && $$python -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
