# The commands of this repository. `make demo` and `make test` need Go, make
# and a C compiler, and nothing else.

GO ?= go
BIN := bin/athenatrail
TOOLS := .tools/bin
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

.PHONY: build demo test soak check lint race bench servers clean

build:
	$(GO) build -o $(BIN) ./cmd/athenatrail

# An invented company, collected and reported. Ends by itself.
demo: build
	$(BIN) demo --no-serve

# Everything that runs in minutes. Tests that need a server are skipped
# without it; `make servers` installs them, and ATHENATRAIL_FORBID_SKIP=1 makes
# a skip a failure.
test:
	$(GO) test -timeout 20m ./...

servers:
	scripts/install-test-servers.sh

# The long ones: 200 kills, 10 GB of JSON, long properties.
soak:
	ATHENATRAIL_SOAK=1 $(GO) test -timeout 120m -count=1 ./internal/collect ./cmd/athenatrail -rapid.checks=1000

check: lint race

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not gofmt'd: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) mod tidy -diff
	$(GO) run $(STATICCHECK) ./...
	scripts/govulncheck.sh $(GOVULNCHECK)

# All but the packages that link DuckDB, whose C++ the race detector cannot see
# into.
race:
	$(GO) test -race -short -timeout 30m $$($(GO) list ./... | grep -v -e internal/report -e internal/cli -e cmd/athenatrail -e internal/bench)

# Measures on generated input and writes docs/performance.md. Takes minutes.
bench:
	$(GO) run ./internal/bench

clean:
	rm -rf bin athenatrail-demo bench-data
