package isolate_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/isolate"
	"github.com/tendproc/tend/thread"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// soon ends with the test's patience: nothing here waits for its end.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// program is the module of testdata/guest, as the Go compiler makes it.
func program(t testing.TB) []byte {
	t.Helper()
	wasm, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

var build = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "isolate")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./testdata/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
})

// compile compiles wasm for one test.
func compile(t testing.TB, wasm []byte, c isolate.Config) *isolate.Module {
	t.Helper()
	m, err := isolate.Compile(soon(t), wasm, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

// start starts an isolate; its end is the test's.
func start(t testing.TB, m *isolate.Module, o isolate.Options) *thread.Thread {
	t.Helper()
	th, err := m.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := th.Start(soon(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := th.Terminate(soon(t)); err != nil {
			t.Error(err)
		}
	})
	return th
}

func wait(t testing.TB, th *thread.Thread) thread.Exit {
	t.Helper()
	exit, err := th.Wait(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	return exit
}

func receive(t testing.TB, from thread.Receiver) any {
	t.Helper()
	v, err := from.Receive(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// locked is a buffer that two goroutines may use.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
