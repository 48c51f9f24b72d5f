# One entry per verb; CI calls only these. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),target)
WEB := coordinator/web
E2E := tests/e2e
SDK := tests/sdk
# Everything the page is made of, but nothing that is made from it.
WEB_SOURCES := $(shell find $(WEB) \( -name node_modules -o -name dist \) -prune -o -type f -print)

# What `lint` and `test` consist of, cheapest first: a mistake shows early.
LINT := fmt-check purity web-check e2e-check sdk-check clippy docs
TEST := web-check web-test unit e2e sdk faults-quick

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Install what is missing, build, and start everything in one process
	@VELELLA_ADMIN=$${VELELLA_ADMIN-127.0.0.1:9568} exec $(TARGET)/debug/velella

.PHONY: cluster
cluster: deps-test web ## Start NATS, etcd, two coordinators and three workers, and watch them
	cargo build --locked --package velella-coordinator --package velella-worker --package velella-gateway
	@scripts/cluster.sh up
	@trap 'exit 0' INT; scripts/cluster-table.mjs $(if $(ONCE),--once)

.PHONY: cluster-down
cluster-down: ## End what `make cluster` has started
	@scripts/cluster.sh down

.PHONY: test
test: $(TEST) ## Install what is missing, and run every test

.PHONY: check
check: lint test ## Everything a change has to pass

.PHONY: build
build: web
	cargo build --locked --package velella-allinone

.PHONY: web
web: $(WEB)/dist/index.html ## Build the page

$(WEB)/dist/index.html: $(WEB)/node_modules/.installed $(WEB_SOURCES)
	npm --prefix $(WEB) run build
	@touch $@

# Not `npm ci`: it refuses a lock file that lacks the optional binaries of other platforms, and not every
# registry serves them all. `--no-save` installs what the lock file says and leaves it alone.
%/node_modules/.installed: %/package.json %/package-lock.json | deps
	npm install --prefix $* --no-save --no-audit --no-fund
	@touch $@

.PHONY: deps
deps:
	@scripts/install-deps.sh build

.PHONY: deps-test
deps-test:
	@scripts/install-deps.sh build test

.PHONY: unit
unit: deps-test web ## Run the Rust tests
	if cargo nextest --version >/dev/null 2>&1; \
	then cargo nextest run --locked --workspace; \
	else cargo test --locked --workspace --all-targets; fi

.PHONY: web-test
web-test: $(WEB)/node_modules/.installed ## Run the page's tests
	npm --prefix $(WEB) test

# What the suites below run. CI asks for all targets: those are compiled for the unit tests anyway, while naming packages
# would compile what they depend on once more, with fewer features.
BINARIES := allinone coordinator worker gateway

.PHONY: binaries
binaries: web
	cargo build --locked $(or $(BUILD),$(addprefix --package velella-,$(BINARIES)))

.PHONY: e2e
e2e: deps-test binaries $(E2E)/node_modules/.installed ## Run the tests with a real browser
	VELELLA_BIN=$(abspath $(TARGET))/debug/velella npm --prefix $(E2E) test

.PHONY: sdk
sdk: deps-test binaries $(SDK)/node_modules/.installed ## Run the tests with the published server SDKs
	cd $(SDK) && node run.mjs --build
	$(SDK)/python/run.sh
	npm --prefix $(SDK) test

.PHONY: load
load: ## Build the load generator and show how it is used
	cargo build --locked --release --package velella-load
	@$(TARGET)/release/velella-load --help

# Passed seeds of about two virtual minutes; those that once failed are named in tests/sim/seeds.txt.
SIM_SEEDS := 300

.PHONY: sim
sim: ## Simulate clusters under faults in virtual time, with the committed seeds
	cargo build --locked --package velella-sim
	$(TARGET)/debug/velella-sim sweep $(SIM_SEEDS) --and tests/sim/seeds.txt

.PHONY: sim-sweep
sim-sweep: ## Search SEEDS=10000 simulated clusters, and show the first that fails
	cargo build --locked --release --package velella-sim
	$(TARGET)/release/velella-sim sweep $(or $(SEEDS),10000)

.PHONY: fuzz-build
fuzz-build: deps
	RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/tests/fuzz/instrument.sh \
		cargo build --locked --package velella-fuzz --features libfuzzer

.PHONY: fuzz
fuzz: fuzz-build ## Fuzz what reads bytes of strangers: FUZZ=rtmp_amf or all of it, SECONDS=60 each
	tests/fuzz/run.sh $(or $(SECONDS),60) $(FUZZ)

.PHONY: fuzz-smoke
fuzz-smoke: fuzz-build ## The same for three seconds each
	tests/fuzz/run.sh 3

.PHONY: faults-build
faults-build: BINARIES += faults link load
faults-build: deps-test binaries $(E2E)/node_modules/.installed

.PHONY: faults
faults: faults-build ## Break a cluster of real processes in every way (root; ten minutes)
	$(TARGET)/debug/velella-faults

.PHONY: faults-quick
faults-quick: faults-build ## The part of it that every change has to pass
	$(TARGET)/debug/velella-faults --quick

.PHONY: faults-soak
faults-soak: faults-build ## Do it N=20 times, to see what fails rarely
	$(TARGET)/debug/velella-faults --times $(or $(N),20)

.PHONY: bench-control
bench-control: deps-test web ## Measure the control plane: many subscribers, many rooms, and what faults of a cluster cost
	cargo build --locked --release --package velella-bench-control --package velella-load \
		--package velella-coordinator --package velella-worker --package velella-allinone
	$(TARGET)/release/velella-bench-control notices
	$(TARGET)/release/velella-bench-control rooms
	scripts/bench-cluster.sh

.PHONY: bench-placement
bench-placement: ## Compare how evenly policies spread rooms over 10 and 200 workers
	cargo build --locked --release --package velella-sim
	$(TARGET)/release/velella-sim placement

.PHONY: bench-ingest
bench-ingest: deps-test web ## Measure what cameras and encoders cost a gateway, beside ffmpeg
	cargo build --locked --release --package velella-coordinator --package velella-worker --package velella-gateway
	scripts/bench-ingest.sh

.PHONY: bench-hls
bench-hls: deps-test web ## Measure what a broadcast costs to package and to serve, beside nginx
	cargo build --locked --release --package velella-coordinator --package velella-worker --package velella-gateway
	scripts/bench-hls.sh

.PHONY: fresh-check
fresh-check: ## Try `make run` and `make test` on a fresh minimal Debian (root; long)
	scripts/fresh-check.sh

.PHONY: lint
lint: $(LINT) ## Format, lints, purity, docs, types

.PHONY: fmt
fmt: $(WEB)/node_modules/.installed $(E2E)/node_modules/.installed $(SDK)/node_modules/.installed ## Format everything
	cargo fmt --all
	npm --prefix $(WEB) run format
	npm --prefix $(E2E) run format
	npm --prefix $(SDK) run format
	$(SDK)/python/run.sh --format

.PHONY: fmt-check
fmt-check:
	cargo fmt --all --check

.PHONY: purity
purity: | deps ## Check which crate may depend on which
	scripts/purity.sh

.PHONY: clippy
clippy: web
	cargo clippy --locked --workspace --all-targets -- -D warnings

.PHONY: docs
docs: web
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

.PHONY: web-check
web-check: $(WEB)/node_modules/.installed
	npm --prefix $(WEB) run check

.PHONY: e2e-check
e2e-check: $(E2E)/node_modules/.installed
	npm --prefix $(E2E) run check

.PHONY: sdk-check
sdk-check: deps-test $(E2E)/node_modules/.installed $(SDK)/node_modules/.installed
	npm --prefix $(SDK) run check
	$(SDK)/python/run.sh --lint

.PHONY: deny
deny: ## Check licences, bans and sources (compiles cargo-deny first where it is missing)
	cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny --locked check licenses bans sources

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf $(WEB)/dist $(WEB)/node_modules $(E2E)/node_modules $(E2E)/artifacts $(E2E)/build
	rm -rf $(SDK)/node_modules $(SDK)/artifacts $(SDK)/build $(SDK)/python/.venv $(SDK)/python/artifacts
	cargo clean

.PHONY: stages
stages:
	@tr ' ' '\n' <<<"$(LINT) $(TEST)" | awk '!seen[$$0]++'
