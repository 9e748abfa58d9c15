package pm2test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
)

var recordAll = flag.Bool("record", false, "record what PM2 does anew")

// nilSignal asks whether a process is there.
const nilSignal = syscall.Signal(0)

// liveScript is run against PM2 itself each time.
const liveScript = "live"

func TestMain(m *testing.M) { proctest.Main(m) }

// Each script does with tend what it did with PM2.
func TestAsPM2(t *testing.T) {
	proctest.FirstNode(t)
	tend := build(t)
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	used := newUses()
	t.Run("scripts", func(t *testing.T) {
		for _, path := range scripts {
			name := strings.TrimSuffix(filepath.Base(path), ".txt")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				golden := filepath.Join("testdata", name+".golden")
				play := func(argv []string) []block {
					s := newSide(t, argv)
					if name == modulesScript || name == "safe" {
						s.serveModules()
					}
					return s.play(string(text))
				}
				if *recordAll {
					keep(t, golden, play(realPM2(t)))
				}
				want := read(t, golden)
				if name == liveScript && os.Getenv("TEND_TEST_MODULES") != "" {
					want = play(realPM2(t))
				}
				compare(t, used, want, play([]string{tend}))
			})
		}
	})
	if !t.Failed() && !filtered() {
		used.complain(t)
	}
}

// filtered says that not all scripts were asked for.
func filtered() bool { return strings.Contains(flag.Lookup("test.run").Value.String(), "/") }

// build makes tend and returns its link pm2.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "tend"), "github.com/tendproc/tend/cmd/tend").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	link := filepath.Join(dir, "pm2")
	if err := os.Symlink("tend", link); err != nil {
		t.Fatal(err)
	}
	return link
}

func realPM2(t *testing.T) []string {
	t.Helper()
	return []string{proctest.FirstNode(t).Path, filepath.Join(proctest.Modules(t), ".bin", "pm2")}
}

// keep writes a transcript, read gives it back.
func keep(t *testing.T, path string, blocks []block) {
	t.Helper()
	var b strings.Builder
	for _, bl := range blocks {
		b.WriteString("$ " + bl.line + "\n")
		for _, fact := range bl.facts {
			b.WriteString("  " + fact + "\n")
		}
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) (blocks []block) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; record it: go run ./internal/tools/testenv go test ./internal/pm2test -record", err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			blocks = append(blocks, block{line: command})
			continue
		}
		last := &blocks[len(blocks)-1]
		last.facts = append(last.facts, strings.TrimPrefix(line, "  "))
	}
	return blocks
}
