# ctdiff. The targets: make help.
#
# A recipe that stops for want of something that the machine lacks exits with
# 3: make then says "Error 3" and exits with 2 itself, as it does for any
# failure.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

GO ?= go
export GO

# The profile that make fuzz and make bench run on, and those that make test
# needs.
PROFILE ?= debian-11
PROFILES ?= debian-11 debian-12 debian-13

# make fuzz: how long, and further flags of ctdiff fuzz.
FUZZTIME ?= 60s
FUZZFLAGS ?=

# make test: packages, and further flags of go test.
PKG ?= ./...
TESTFLAGS ?=

# make bench: which, how often, how long each.
BENCH ?= .
COUNT ?= 6
BENCHTIME ?= 1s

# Tools have a module file of their own: CONTRIBUTING.md says why.
TOOL := $(GO) tool -modfile=.tools/go.mod

.PHONY: help
help: ## list the targets
	@echo "Targets:"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | while IFS='|' read -r name text; do printf '  %-13s %s\n' "$$name" "$$text"; done
	@echo
	@echo "Variables (make fuzz PROFILE=debian-12 FUZZTIME=5m):"
	@sed -n 's/^\([A-Z]*\) ?= *\(.*\)/  \1=\2/p' Makefile

.PHONY: fuzz
fuzz: lab-$(PROFILE) ## fuzz ICMPv6 on debian-11 for a minute, and show what the bridges disagree about, also as a page
	@CTDIFF_PROFILE=$(PROFILE) FUZZTIME=$(FUZZTIME) FUZZFLAGS="$(FUZZFLAGS)" .ci/fuzz

.PHONY: test
test: setup-test lab ## run all tests; one that lacks the lab fails
	CTDIFF_REQUIRE_LAB=1 $(GO) test -count=1 -timeout=30m $(TESTFLAGS) $(PKG)

.PHONY: race
race: setup-test lab ## run all tests under the race detector: several times as long
	CTDIFF_REQUIRE_LAB=1 $(GO) test -race -count=1 -timeout=60m $(TESTFLAGS) $(PKG)

.PHONY: bench
bench: lab-$(PROFILE) ## run the benchmarks on the real lab, and summarize them
	@mkdir -p ctdiff-out
	CTDIFF_PROFILE=$(PROFILE) CTDIFF_REQUIRE_LAB=1 $(GO) test -run='^$$' -bench='$(BENCH)' -count=$(COUNT) -benchtime=$(BENCHTIME) -timeout=60m $(PKG) | tee ctdiff-out/bench.txt
	$(TOOL) benchstat ctdiff-out/bench.txt

# make experiment: how many runs, and how long each.
RUNS ?= 5
RUNTIME ?= 60s

.PHONY: experiment
experiment: lab-$(PROFILE) ## measure whether the kernels' coverage leads the fuzzer: docs/guidance.md
	$(GO) run ./.ci/guidance $(RUNS) $(RUNTIME) $(PROFILE)

.PHONY: lint
lint: ## check the form of the code: gofmt, go.mod, vet, staticcheck, golangci-lint
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "not formatted (gofmt -w mends it):" $$files >&2; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./... ./.ci/gotest ./.ci/guidance
	$(TOOL) staticcheck ./... ./.ci/gotest ./.ci/guidance
	$(TOOL) golangci-lint run ./... ./.ci/gotest ./.ci/guidance

.PHONY: check
check: lint test ## lint and test: what a change has to pass

.PHONY: build
build: ## build bin/ctdiff
	CGO_ENABLED=0 $(GO) build -o bin/ctdiff ./cmd/ctdiff

.PHONY: lab
lab: $(PROFILES:%=lab-%) ## build the kernels and Open vSwitch roots that the tests use: debian-11, -12, -13

lab-%: setup build
	@bin/ctdiff lab build --profile $*

.PHONY: setup-test
setup-test:
	@.ci/setup test

.PHONY: setup
setup: ## install the host packages that are missing, and nothing else
	@.ci/setup

.PHONY: clean
clean: ## remove what was built here; the lab's cache stays (bin/ctdiff lab rm)
	rm -rf bin ctdiff-out
