// Testenv fetches what the tests need besides Go and one Node, once, and runs a
// command with it. Everything lands in .cache/testenv by way of npm; what is
// there already is not asked for again, so that it works offline.
//
// The command finds in its environment:
//
//	TEND_TEST_NODES    the node executables to test against, parted by ":"
//	TEND_TEST_BUN      the bun executable
//	TEND_TEST_DENO     the deno executable
//	TEND_TEST_MODULES  a node_modules folder with the modules below
//	TEND_REQUIRE_NODE  1: a test that lacks one of these, or another program that the
//	                   machine must have (npm, git, bash), fails rather than skips
//
// Without a command it prints these as lines for a shell.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/tendproc/tend/internal/tools/run"
)

// The versions tested against. A Node of the same major on PATH is taken as it is.
var (
	nodes   = []string{"18.20.8", "20.20.2", "22.23.3", "24.21.0", "26.10.0"}
	bun     = "1.4.5"
	deno    = "2.9.6"
	modules = []string{"assemblyscript@0.28.20", "express@5.3.0", "fastify@5.12.8", "piscina@5.3.2", "pm2@7.0.4", "socket.io@4.8.4", "socket.io-client@4.8.4"}
)

func main() {
	env, err := prepare()
	if err != nil {
		run.Main(err)
	}
	argv := os.Args[1:]
	if len(argv) == 0 {
		for _, kv := range env {
			fmt.Println("export", kv)
		}
		return
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		os.Exit(exit.ExitCode())
	}
	run.Main(err)
}

// prepare returns the environment, after fetching what is missing.
func prepare() ([]string, error) {
	root, err := run.Output(nil, "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, err
	}
	cache := filepath.Join(root, ".cache", "testenv")
	onPath, _ := exec.LookPath("node")
	major := majorOf(onPath)
	var list []string
	for _, version := range nodes {
		if m, _, _ := strings.Cut(version, "."); m == major {
			list = append(list, onPath)
			continue
		}
		pkg := "node-linux-" + arch()
		bin, err := program(cache, pkg, version, "bin/node")
		if err != nil {
			return nil, err
		}
		list = append(list, bin)
	}
	bunBin, err := program(cache, "@oven/bun-linux-"+bunArch(), bun, "bin/bun")
	if err != nil {
		return nil, err
	}
	denoBin, err := program(cache, "@deno/linux-"+arch()+"-glibc", deno, "deno")
	if err != nil {
		return nil, err
	}
	mods := filepath.Join(cache, "modules")
	if err := install(mods, "node_modules/pm2/package.json", modules...); err != nil {
		return nil, err
	}
	return []string{
		"TEND_TEST_NODES=" + strings.Join(list, ":"),
		"TEND_TEST_BUN=" + bunBin,
		"TEND_TEST_DENO=" + denoBin,
		"TEND_TEST_MODULES=" + filepath.Join(mods, "node_modules"),
		"TEND_REQUIRE_NODE=1",
	}, nil
}

func arch() string {
	if runtime.GOARCH == "amd64" {
		return "x64"
	}
	return runtime.GOARCH
}

func bunArch() string {
	if runtime.GOARCH == "arm64" {
		return "aarch64"
	}
	return arch()
}

func majorOf(node string) string {
	if node == "" {
		return ""
	}
	version, err := run.Output(nil, node, "--version")
	if err != nil {
		return ""
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	return major
}

// program fetches one executable that comes as an npm package.
func program(cache, pkg, version, file string) (string, error) {
	dir := filepath.Join(cache, filepath.Base(pkg)+"-"+version)
	bin := filepath.Join("node_modules", pkg, file)
	return filepath.Join(dir, bin), install(dir, bin, pkg+"@"+version)
}

// install puts packages into dir/node_modules, unless an earlier run did: then
// the marker file lists them. No install script of any package runs.
func install(dir, proof string, pkgs ...string) error {
	marker := filepath.Join(dir, "installed")
	want := strings.Join(pkgs, " ")
	if had, err := os.ReadFile(marker); err == nil && string(had) == want {
		if _, err := os.Stat(filepath.Join(dir, proof)); err == nil {
			return nil
		}
	}
	if err := needNpm(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "testenv: fetching", want)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// A package.json of its own, else npm would walk up to one of the user's.
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private":true}`), 0o644); err != nil {
		return err
	}
	args := []string{"npm", "install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"}
	if out, err := run.Output(nil, append(args, pkgs...)...); err != nil {
		return fmt.Errorf("fetch %s: %w\n%s", want, err, out)
	}
	bin := filepath.Join(dir, proof)
	info, err := os.Stat(bin)
	if err != nil {
		return fmt.Errorf("fetch %s: the package has no %s", want, proof)
	}
	if filepath.Ext(proof) != ".json" { // a program
		if err := os.Chmod(bin, info.Mode()|0o111); err != nil {
			return err
		}
	}
	return os.WriteFile(marker, []byte(want), 0o644)
}

// needNpm installs npm where that is one command away: root on Debian.
func needNpm() error {
	if _, err := exec.LookPath("npm"); err == nil {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return errors.New("npm is not on PATH; install Node with npm (Debian: apt-get install nodejs npm)")
	}
	if err := run.Step(nil, "apt-get", "update", "-q"); err != nil {
		return err
	}
	return run.Step(run.Env{"DEBIAN_FRONTEND=noninteractive"}, "apt-get", "install", "-qy", "--no-install-recommends", "npm")
}
