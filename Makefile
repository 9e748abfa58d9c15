# Each target is one line; its logic is a Go program under internal/tools.
# `make` alone prints this list.
.PHONY: help demo test check lint node fuzz stress bench golden build install clean
T ?= 30s
P ?= ./...
N ?= 100
OLD ?= main
TESTFLAGS ?= -shuffle=on

help: ; @go run ./internal/tools/help Makefile
demo: ; @go run ./internal/tools/demo ## see it work: a cluster of two, a kill -9, the respawn
test: ; go run ./internal/tools/testenv go test $(TESTFLAGS) ./... ## all tests, against every supported Node, fetched into .cache
check: ; go run ./internal/tools/check ## what CI does: gofumpt, vet, staticcheck, arch, race tests
lint: ; golangci-lint run ## more linters, for those who have golangci-lint v2
node: ; go run ./internal/tools/testenv go test -run Node ./... ## only the differential tests, against every Node
fuzz: ; go run ./internal/tools/fuzz -time $(T) ## each fuzz target in turn (T=30s)
stress: ; go run ./internal/tools/stress -n $(N) $(P) ## one package again and again under load (P=./child N=200)
bench: ; go run ./internal/tools/bench -old $(OLD) $(P) ## benchmarks here and there, by benchstat (OLD=main P=./ipc)
golden: ; go run ./internal/tools/golden ## rewrite golden files; review the diff like code
build: ; go run ./internal/tools/build -o bin/tend ## bin/tend: static, trimmed, size checked
install: ; go run ./internal/tools/build -o $(or $(PREFIX),/usr/local)/bin/tend -man $(or $(PREFIX),/usr/local)/share/man ## build into PREFIX/bin (/usr/local), the manual into PREFIX/share/man
clean: ; rm -rf bin .cache ## remove what the targets made
