package arch

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// rows is the layer table: a package imports only from rows below its own.
var rows = [][]string{
	0:  {"internal/fault", "internal/cron", "internal/glob", "internal/jsontext"}, // words that every row speaks, and patterns
	1:  {"internal/wire", "internal/jsonvalue", "internal/lifecycle", "internal/spec", "isolate/guest"},
	2:  {"internal/sys", "internal/event", "internal/config"},
	3:  {"ipc", "internal/procs", "internal/machine", "internal/watch", "internal/pm2"},
	4:  {"child", "process", "thread"},
	5:  {"cluster", "pool", "isolate", "internal/logs", "internal/cgroup"},
	6:  {"internal/keeper", "internal/runner", "internal/state", "internal/static"},
	7:  {"internal/supervisor", "internal/api"},
	8:  {"internal/pm2rpc"},
	9:  {"internal/daemon", "internal/cli"},
	10: {"cmd/tend"},
}

// beside are the folders outside the stack: no product package imports them,
// and they may import what they need.
var beside = []string{"internal/arch", "internal/proctest", "internal/pm2test", "internal/interop", "internal/loadgen", "internal/tools", "examples", "bench"}

// public packages know no app, policy or daemon; examples use nothing else.
var public = []string{"ipc", "child", "process", "cluster", "pool", "thread", "isolate", "isolate/guest"}

// pure packages, and every core.go, decide and never do: they import these of
// the standard library and no more.
var (
	pure    = []string{"internal/jsontext", "internal/wire", "internal/lifecycle", "internal/spec", "internal/config"}
	pureStd = []string{
		"bytes", "cmp", "encoding", "encoding/binary", "encoding/hex", "encoding/json", "errors", "fmt", "hash/crc32", "iter",
		"maps", "math", "math/big", "math/bits", "math/rand/v2", "net/netip", "net/url", "path", "path/filepath", "reflect", "regexp", "slices",
		"sort", "strconv", "strings", "time", "unicode", "unicode/utf16", "unicode/utf8",
	}
	impure = map[string][]string{
		"github.com/joho/godotenv":   {"Load", "Overload", "Read", "Exec", "Write"},
		"github.com/BurntSushi/toml": {"DecodeFile", "DecodeFS"},
	}
	pureTime = []string{"Now", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Since", "Until"}
)

// fences says which one package may import a module from outside. Modules that
// only tests use are not listed: no product file may import them.
var fences = map[string]string{
	"golang.org/x/sys":                     "internal/sys",
	"golang.org/x/term":                    "internal/cli",
	"github.com/spf13/cobra":               "internal/cli",
	"github.com/spf13/pflag":               "internal/cli",
	"github.com/goccy/go-yaml":             "internal/config",
	"github.com/BurntSushi/toml":           "internal/config",
	"github.com/titanous/json5":            "internal/config",
	"github.com/joho/godotenv":             "internal/config",
	"github.com/mattn/go-runewidth":        "internal/cli",
	"github.com/tetratelabs/wazero":        "isolate",
	"github.com/fsnotify/fsnotify":         "internal/watch",
	"github.com/bmatcuk/doublestar":        "internal/glob",
	"github.com/adhocore/gronx":            "internal/cron",
	"github.com/clipperhouse/uax29":        "",
	"github.com/inconshreveable/mousetrap": "",
}

// unlinked are modules that a public package may use and cmd/tend may not: what
// is linked is paid for at each start.
var unlinked = []string{"github.com/tetratelabs/wazero"}

func rowOf(pkg string) (row int, ok bool) {
	for i, r := range rows {
		if slices.Contains(r, pkg) {
			return i, true
		}
	}
	return 0, false
}

func isBeside(pkg string) bool {
	return slices.ContainsFunc(beside, func(b string) bool { return pkg == b || strings.HasPrefix(pkg, b+"/") })
}

func TestEveryPackageHasARow(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range product(t) {
		if _, ok := rowOf(s.pkg); !ok && !isBeside(s.pkg) && !seen[s.pkg] {
			t.Errorf("%s has no row in the layer table", s.pkg)
		}
		seen[s.pkg] = true
	}
}

func TestImportsPointDown(t *testing.T) {
	for _, s := range product(t) {
		row, ok := rowOf(s.pkg)
		if !ok {
			continue
		}
		for _, im := range s.imports() {
			dep, ok := local(im)
			if !ok {
				continue
			}
			if isBeside(dep) {
				t.Errorf("%s imports %s, which is not product code", s.path, dep)
				continue
			}
			if below, ok := rowOf(dep); ok && below >= row {
				t.Errorf("%s (row %d) imports %s (row %d)", s.path, row, dep, below)
			}
		}
	}
}

func TestPublicPackagesKnowNoPolicy(t *testing.T) {
	allowed := append(slices.Clone(public), "internal/sys", "internal/wire", "internal/jsonvalue", "internal/procs")
	for _, s := range product(t) {
		if !slices.Contains(public, s.pkg) {
			continue
		}
		for _, im := range s.imports() {
			if dep, ok := local(im); ok && !slices.Contains(allowed, dep) {
				t.Errorf("%s is public and imports %s", s.path, dep)
			}
		}
	}
}

func TestExamplesUseOnlyWhatUsersCan(t *testing.T) {
	for _, s := range product(t) {
		if s.pkg != "examples" && !strings.HasPrefix(s.pkg, "examples/") {
			continue
		}
		for _, im := range s.imports() {
			// procs is how one finds processes by name; there is no public package for it.
			if dep, ok := local(im); ok && dep != "internal/procs" && !slices.Contains(public, dep) {
				t.Errorf("%s imports %s; an example uses public packages only", s.path, dep)
			}
		}
	}
}

func TestPurePackagesTouchNothing(t *testing.T) {
	for _, s := range product(t) {
		if !slices.Contains(pure, s.pkg) && path.Base(s.path) != "core.go" {
			continue
		}
		for _, im := range s.imports() {
			if _, ok := local(im); ok {
				continue // the layer table holds it
			}
			if home, _ := fenceOf(im); home == s.pkg {
				continue // a parser; impure lists what else there is in it
			}
			if !slices.Contains(pureStd, im) {
				t.Errorf("%s imports %s; it decides, others do", s.path, im)
			}
		}
		for _, c := range calls(s) {
			if slices.Contains(impure[c.pkg], c.name) {
				t.Errorf("%s: %s.%s in pure code; decode bytes", s.at(c.node), path.Base(c.pkg), c.name)
			}
			if c.pkg == "time" && slices.Contains(pureTime, c.name) {
				t.Errorf("%s: time.%s in pure code; take the time as an argument", s.at(c.node), c.name)
			}
		}
	}
}

func TestOutsideModulesStayFenced(t *testing.T) {
	for _, s := range product(t) {
		if isBeside(s.pkg) {
			continue
		}
		for _, im := range s.imports() {
			if _, ok := local(im); ok || !strings.Contains(strings.Split(im, "/")[0], ".") {
				continue
			}
			if home, known := fenceOf(im); !known {
				t.Errorf("%s imports %s, which has no fence", s.path, im)
			} else if home != s.pkg {
				t.Errorf("%s imports %s, which only %s may", s.path, im, home)
			}
		}
	}
}

func fenceOf(im string) (home string, ok bool) {
	for mod, home := range fences {
		if im == mod || strings.HasPrefix(im, mod+"/") {
			return home, true
		}
	}
	return "", false
}

// The executable must not gain a module by a side door: what is linked is paid
// for by each verb, the keeper and the daemon.
func TestTheBinaryLinksNothingElse(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/tend")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for _, mod := range strings.Fields(string(out)) {
		if mod == module {
			continue
		}
		if _, ok := fenceOf(mod); !ok || slices.Contains(unlinked, mod) {
			t.Errorf("cmd/tend links %s", mod)
		}
	}
}

func TestBuildTagsStayInSys(t *testing.T) {
	systems := []string{"linux", "darwin", "unix", "windows", "other"}
	for _, s := range product(t) {
		if s.pkg == "internal/sys" || isBeside(s.pkg) {
			continue
		}
		base := strings.TrimSuffix(path.Base(s.path), ".go")
		if i := strings.LastIndexByte(base, '_'); i >= 0 && slices.Contains(systems, base[i+1:]) {
			t.Errorf("%s is for one system; such code lives in internal/sys", s.path)
		}
		for _, group := range s.ast.Comments {
			if group.Pos() < s.ast.Package && strings.HasPrefix(group.List[0].Text, "//go:build") {
				t.Errorf("%s has a build tag; such code lives in internal/sys", s.path)
			}
		}
	}
}
