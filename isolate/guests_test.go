package isolate_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/isolate"
	"github.com/tendproc/tend/thread"
)

// square is a guest program that stands in testdata/square in several languages,
// compiled too, so that the tests need no compiler but Go's.
var squares = []struct {
	source, wasm string
	// build compiles it; it skips the test where the compiler is not there.
	build func(t *testing.T, out string) *exec.Cmd
}{
	{"square.c", "square-c.wasm", func(t *testing.T, out string) *exec.Cmd {
		clang := compiler(t, "clang", "clang-14")
		compiler(t, "wasm-ld", "wasm-ld-14")
		return exec.Command(clang, "--target=wasm32", "-O2", "-nostdlib", "-Wl,--allow-undefined", "-o", out, "square.c")
	}},
	{"square.ts", "square-as.wasm", func(t *testing.T, out string) *exec.Cmd {
		asc := filepath.Join(proctest.Modules(t), "assemblyscript", "bin", "asc.js")
		return exec.Command(proctest.NodeFrom(t, 20).Path, asc, "square.ts", "-o", out, "-O", "--runtime", "stub", "--use", "abort=")
	}},
}

func compiler(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("no %s here", names[0])
	return ""
}

// A guest needs no Go, and no library: the host functions are all.
func TestGuestsInOtherLanguages(t *testing.T) {
	for _, s := range squares {
		t.Run(s.source, func(t *testing.T) {
			wasm, err := os.ReadFile(filepath.Join("testdata", "square", s.wasm))
			if err != nil {
				t.Fatal(err)
			}
			testSquare(t, wasm)
		})
		t.Run(s.source+", compiled now", func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "square.wasm")
			cmd := s.build(t, out)
			cmd.Dir = filepath.Join("testdata", "square")
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			wasm, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			testSquare(t, wasm)
		})
	}
}

func testSquare(t *testing.T, wasm []byte) {
	m := compile(t, wasm, isolate.Config{MemoryLimit: 1 << 20})
	th := start(t, m, isolate.Options{})
	for n, want := range map[int]float64{1: 1, 12: 144, 1234567: 1524155677489} {
		if err := th.Post(n); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, th); got != want {
			t.Errorf("square of %d: %v", n, got)
		}
	}
	if err := th.Post([]byte("stressed\x00")); err != nil {
		t.Fatal(err)
	}
	if got, ok := receive(t, th).([]byte); !ok || string(got) != "\x00desserts" {
		t.Errorf("reversed: %q", got)
	}
	ours, theirs := thread.NewChannel()
	if err := th.Post(isolate.Message{Value: 3, Ports: []*thread.Port{theirs}}, theirs); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, ours); got != "hello" {
		t.Errorf("on the port: %v", got)
	}
	if got := receive(t, th); got != 9.0 {
		t.Errorf("square of 3: %v", got)
	}
	th.CloseWrite()
	if exit := wait(t, th); exit.Code != 0 {
		t.Errorf("at the end of its messages: %v", exit)
	}

	loop := start(t, m, isolate.Options{})
	if err := loop.Post(0); err != nil {
		t.Fatal(err)
	}
	if err := loop.Post(2); err != nil { // never answered
		t.Fatal(err)
	}
	if _, err := loop.Terminate(soon(t)); err != nil {
		t.Error(err)
	}
}
