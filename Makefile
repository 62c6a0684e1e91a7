# The commands of this repository. `make demo` and `make test` need Go, make
# and a C compiler, and nothing else.

GO ?= go
BIN := bin/athenatrail
TOOLS := .tools/bin
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

.PHONY: build charts demo test soak check lint race bench servers lambda deploy clean

build:
	$(GO) build -o $(BIN) ./cmd/athenatrail

# Brings Apache ECharts from npm, for the dashboard's charts. A build without it
# has charts of its own.
charts:
	scripts/charts.sh

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

# The long ones: 200 kills, power lost after every change, ten minutes of load,
# 10 GB of JSON, long properties.
soak:
	ATHENATRAIL_SOAK=1 RAPID_CHECKS=1000 $(GO) test -timeout 180m -count=1 ./internal/collect ./internal/compact ./internal/derive ./internal/price \
		./internal/powertest ./cmd/athenatrail

check: lint race

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not gofmt'd: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) mod tidy -diff
	$(GO) run $(STATICCHECK) ./...
	scripts/govulncheck.sh $(GOVULNCHECK)

# The packages that share something between goroutines, but for those that link
# DuckDB, whose C++ the race detector cannot see into.
RACE := athenaapi awsconn catalog collect compact digest directory enforce engine export forget identity lake \
	ledger lookup notify rebuild repair setup source standing tool

race:
	$(GO) test -race -short -timeout 30m $(RACE:%=./internal/%/...)

# Measures on generated input and writes docs/performance.md. Takes minutes.
bench:
	$(GO) run ./internal/bench

# The package of the Lambda functions: bin/athenatrail-lambda-$(LAMBDA_ARCH).zip.
LAMBDA_ARCH ?= arm64
LAMBDA_ZIP := bin/athenatrail-lambda-$(LAMBDA_ARCH).zip
LAMBDA_VERSION ?= $(shell git describe --always --dirty 2>/dev/null || echo devel)
ZIPPER := github.com/aws/aws-lambda-go/cmd/build-lambda-zip@v1.55.1

lambda:
	CGO_ENABLED=0 GOOS=linux GOARCH=$(LAMBDA_ARCH) $(GO) build -trimpath -buildvcs=false -tags lambda.norpc \
		-ldflags '-s -w -X main.version=$(LAMBDA_VERSION)' -o bin/lambda-$(LAMBDA_ARCH)/bootstrap ./cmd/athenatrail-lambda
	$(GO) run $(ZIPPER) -o $(LAMBDA_ZIP) bin/lambda-$(LAMBDA_ARCH)/bootstrap

# Uploads the package and the templates with the AWS CLI, and makes or changes
# the stack: make deploy CODE_BUCKET=... S3_BUCKET=... TRAIL_BUCKET=...
# See docs/deploy.md.
deploy: lambda
	LAMBDA_ZIP=$(LAMBDA_ZIP) LAMBDA_ARCH=$(LAMBDA_ARCH) deploy/deploy.sh

clean:
	rm -rf bin athenatrail-demo bench-data
