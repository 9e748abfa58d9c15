package proctest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Node is one Node.js binary at hand.
type Node struct {
	Version string // as it says itself, without the v: "20.20.2"
	Path    string
}

// Major returns the first number of the version: "20".
func (n Node) Major() string {
	major, _, _ := strings.Cut(n.Version, ".")
	return major
}

// Name is fit for a subtest: "node20".
func (n Node) Name() string { return "node" + n.Major() }

// Nodes returns the Node on PATH and those that TEND_TEST_NODES lists (paths
// separated by ':'), one of each version, the one on PATH first. Without any the
// test [Lacks] it.
func Nodes(t testing.TB) []Node {
	t.Helper()
	found := allNodes()
	if len(found) == 0 {
		Lacks(t, "node on PATH nor in TEND_TEST_NODES")
	}
	return found
}

// NodeFrom returns one of [Nodes] of a major version or later.
func NodeFrom(t testing.TB, major int) Node {
	t.Helper()
	for _, node := range Nodes(t) {
		if n, err := strconv.Atoi(node.Major()); err == nil && n >= major {
			return node
		}
	}
	Lacks(t, "node from version "+strconv.Itoa(major)+" on")
	return Node{}
}

// Lacks ends a test that there is no what for: it is skipped, or fails when
// TEND_REQUIRE_NODE is 1, where all that the tests need was made ready.
func Lacks(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("TEND_REQUIRE_NODE") == "1" {
		t.Fatalf("no %s, and TEND_REQUIRE_NODE is 1", what)
	}
	t.Skip("no " + what)
}

// Program returns the path of a program that a test cannot do without; if it is
// not on PATH the test [Lacks] it.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Lacks(t, name+" on PATH")
	}
	return path
}

// FirstNode returns the first of [Nodes], for tests that need any one.
func FirstNode(t testing.TB) Node {
	t.Helper()
	return Nodes(t)[0]
}

// Modules returns a node_modules folder with the packages that tests use, which
// TEND_TEST_MODULES names. Without it the test [Lacks] it.
func Modules(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("TEND_TEST_MODULES")
	if dir == "" {
		Lacks(t, "TEND_TEST_MODULES")
	}
	return dir
}

// Bun returns the Bun on PATH or the one that TEND_TEST_BUN names. Without one
// the test [Lacks] it.
func Bun(t testing.TB) string {
	t.Helper()
	path, ok := FindBun()
	if !ok {
		Lacks(t, "bun on PATH nor in TEND_TEST_BUN")
	}
	return path
}

// FindBun is [Bun] for tests that have more to do than that.
func FindBun() (path string, ok bool) { return find("bun", "TEND_TEST_BUN") }

// Deno returns the Deno on PATH or the one that TEND_TEST_DENO names. Without one
// the test [Lacks] it.
func Deno(t testing.TB) string {
	t.Helper()
	path, ok := find("deno", "TEND_TEST_DENO")
	if !ok {
		Lacks(t, "deno on PATH nor in TEND_TEST_DENO")
	}
	return path
}

func find(name, variable string) (path string, ok bool) {
	if named := os.Getenv(variable); named != "" {
		name = named
	}
	path, err := exec.LookPath(name)
	return path, err == nil
}

var allNodes = sync.OnceValue(func() []Node {
	paths := append([]string{"node"}, filepath.SplitList(os.Getenv("TEND_TEST_NODES"))...)
	var nodes []Node
	seen := map[string]bool{}
	for _, p := range paths {
		path, err := exec.LookPath(p)
		if p == "" || err != nil {
			continue
		}
		out, err := exec.Command(path, "--version").Output()
		if err != nil {
			continue
		}
		version := strings.TrimPrefix(strings.TrimSpace(string(out)), "v")
		if !seen[version] {
			seen[version] = true
			nodes = append(nodes, Node{Version: version, Path: path})
		}
	}
	return nodes
})
