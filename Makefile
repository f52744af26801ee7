# winbake. `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# One static binary; and one build cache for building and testing.
export CGO_ENABLED := 0
$(if $(shell command -v go),,$(error Go is missing. Install 1.26 or newer: https://go.dev/dl/))
BUILD := build
PLUGIN := $(BUILD)/packer-plugin-winbake
WINBAKE := $(BUILD)/winbake
PLUGIN_SOURCE := github.com/winbake/winbake
GO_FILES := $(shell git ls-files '*.go' go.mod go.sum 2>/dev/null)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 24

build: $(PLUGIN) $(WINBAKE) ## build the plugin and the winbake command for this machine

$(PLUGIN): $(GO_FILES)
	go build -trimpath -o $@ .

$(WINBAKE): $(GO_FILES)
	go build -trimpath -o $@ ./cmd/winbake

dev: $(PLUGIN) ## build the plugin and install it into your own Packer
	packer plugins install --force --path $(PLUGIN) $(PLUGIN_SOURCE)

demo: $(PLUGIN) ## bake the example's disks from stand-in media, with Packer
	@tools/demo.sh $(BUILD)

test: ## run all tests; judges that are not installed are skipped and named
	@tools/judges.sh
	@PACKER="$$(tools/packer.sh $(BUILD)/bin)" go test -timeout 40m ./...

acceptance-bootmgr: ## boot disks with Windows' own boot managers, BOOTMGR=file BOOTMGFW=file
	@tools/acceptance-bootmgr.sh "$(BUILD)/acceptance" "$(BOOTMGR)" "$(BOOTMGFW)"

judges: ## install the programs that judge the output (Debian, Ubuntu)
	@tools/judges.sh install

# The linter's cache keeps absolute paths: shared between checkouts it reports files that are gone.
lint: export GOLANGCI_LINT_CACHE := $(abspath $(BUILD))/lint-cache
lint: $(BUILD)/bin/golangci-lint ## check style and the import rules
	$(BUILD)/bin/golangci-lint run

$(BUILD)/bin/golangci-lint: tools/lint/go.mod
	cd tools/lint && go build -o ../../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

generate: ## rewrite generated files (HCL specs, docs)
	@tools/generate.sh

bootcode: ## assemble the boot records and stand-in boot programs (needs nasm)
	internal/format/bootcode/build.sh
	internal/standin/bootprog/build.sh

cross: ## check that the other platforms build: one of each system in .goreleaser.yml
	@for t in linux/arm64 darwin/arm64 windows/amd64 freebsd/amd64; do \
	  echo "$$t"; for p in . ./cmd/winbake; do GOOS=$${t%/*} GOARCH=$${t#*/} go build -trimpath -o /dev/null $$p; done; done

FUZZTIME ?= 60s
# Without a limit the fuzzer spends all its time on making its first large input smaller.
FUZZ = -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
fuzz: ## fuzz every parser for FUZZTIME each
	@for p in $$(go list ./internal/...); do \
	  for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	    echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f\$$" $(FUZZ) $$p; done; done

bench: $(PLUGIN) ## measure against the public tools in the same run
	@tools/judges.sh
	go test -run '^$$' -bench . -benchtime 2s ./internal/codec/...
	WINBAKE_BENCH=1 go test -run '^TestCompareSpeed$$' -v ./internal/codec/lzms
	WINBAKE_BENCH=1 go test -run '^Test(CompareWithWimlib|CompareFormats|CompareStick|Scaling|WhereTimeGoes)$$' -timeout 60m -v ./internal/bake
	WINBAKE_BENCH=1 go test -run '^TestCompareWithHivexregedit$$' -timeout 10m -v ./internal/bake/edit

release: $(PLUGIN) ## release the tag of this commit with goreleaser; SNAPSHOT=1 only tries it out, into dist
	API_VERSION="$$($(PLUGIN) describe | sed 's/.*"api_version":"\([^"]*\)".*/\1/')" \
	  goreleaser release --clean $(if $(SNAPSHOT),--snapshot --skip=sign)

clean: ## remove what was built
	rm -rf $(BUILD) dist

.PHONY: help build dev demo test acceptance-bootmgr judges lint generate bootcode cross fuzz bench release clean
