# Every target installs what it lacks (.ci/install: Debian packages, as root or
# through sudo); only Go, git and make must be there first. Without make, run
# .ci/install: it brings make too.

TESTFLAGS ?=
FUZZTIME  ?= 10s
BENCHTIME ?= 2s
ARGS      ?=

# SQLite itself, as Go code that was translated from C, isn't looked at for races: no goroutine
# of ours shares its memory, and its tests take ten times as long otherwise.
NORACE = -gcflags=github.com/ncruces/go-sqlite3-wasm/v6=-race=false

export GOVULNDB

.PHONY: help demo build release test soak bench fuzz check fresh sbom vuln shares compare

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## run the registry with made-up samples in a fresh directory (ARGS="--listen …")
	bin/yizheng demo $(ARGS)

build: ## build bin/yizheng: one static binary
	CGO_ENABLED=0 go build -trimpath -o bin/yizheng ./cmd/yizheng

release: ## build bin/release/yizheng as the image has it: without the demo
	CGO_ENABLED=0 go build -tags nodemo -trimpath -o bin/release/yizheng ./cmd/yizheng

test: ## run all tests, with the race detector, beside a PostgreSQL and a Redis of their own
	.ci/install
	.ci/with-servers go test -race $(NORACE) -timeout 40m $(TESTFLAGS) ./...

soak: ## run the same tests at larger scale, without the race detector
	.ci/install
	YIZHENG_SOAK=1 .ci/with-servers go test -count=1 -timeout 60m $(TESTFLAGS) ./...

bench: ## measure, on one core (BENCHTIME=2s)
	.ci/install
	SERVERS_DIR=/tmp .ci/with-servers go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -cpu 1 -timeout 60m $(TESTFLAGS) ./...

shares: ## say what part of verifying and issuing SM2, SM3, SM4, base64 and JSON take here, by profile
	.ci/install
	.ci/shares

compare: ## say what requests cost at the commit BEFORE and now, in one run on PostgreSQL (BEFORE=…; SCENARIOS, ROUNDS, FOR)
	.ci/install
	SERVERS_DIR=/tmp .ci/with-servers .ci/compare "$(BEFORE)" $(SCENARIOS)

fuzz: ## run every fuzz target for FUZZTIME (10s)
	FUZZTIME=$(FUZZTIME) .ci/fuzz

check: ## look at the code without running it: format, vet, fix, staticcheck, go.mod
	.ci/check

fresh: ## try README's commands in a minimal Debian made for it, with nothing downloaded before (as root)
	.ci/fresh

sbom: ## write the released binary's list of components, bin/yizheng.cdx.json (CycloneDX)
	.ci/sbom

vuln: ## look for known weaknesses in what the code calls (GOVULNDB=https://vuln.go.dev)
	.ci/vuln
