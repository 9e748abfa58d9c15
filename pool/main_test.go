package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/tendproc/tend/internal/proctest"
)

// patience bounds what should take no time.
const patience = time.Minute

var (
	sum = NewTask("sum", func(_ context.Context, n int) (total int, err error) {
		for i := range n {
			total += i
		}
		return total, nil
	})
	echo    = NewTask("echo", func(_ context.Context, text string) (string, error) { return text, nil })
	fail    = NewTask("fail", func(context.Context, int) (int, error) { return 0, errors.New("not today") })
	nothing = NewTask("nothing", func(context.Context, int) (*int, error) { return nil, nil })
	pid     = NewTask("pid", func(context.Context, int) (int, error) { return os.Getpid(), nil })
	die     = NewTask("die", func(_ context.Context, how string) (int, error) { return 0, dieOf(how) })
	hang    = &Task[int, int]{Name: "hang", Timeout: 200 * time.Millisecond, Func: hangs}
	until   = NewTask("until", func(ctx context.Context, path string) (int, error) { return os.Getpid(), there(ctx, path) })
	obey    = NewTask("obey", func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
	grow    = NewTask("grow", func(_ context.Context, n int) (int, error) { grown = dirty(n); return os.Getpid(), nil })
	once    = &Task[string, int]{Name: "once", Retries: 1, Func: diesOnce}
	getenv  = NewTask("getenv", func(_ context.Context, name string) (bool, error) { _, ok := os.LookupEnv(name); return ok, nil })
	mark    = NewTask("mark", func(_ context.Context, m marked) (int, error) { return m.N, m.write() })
	leave   = NewTask("leave", func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil })
	own     = []Runnable{mark, leave, getenv, sum, echo, fail, nothing, pid, die, hang, until, obey, grow, once}
)

// grown is memory that a worker does not give back.
var grown []byte

func dirty(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		b[i] = 1
	}
	return b
}

func dieOf(how string) error {
	switch how {
	case "exit":
		os.Exit(7)
	case "segfault":
		const nowhere = 0x12345678000
		p := uintptr(nowhere)
		**(**int)(unsafe.Pointer(&p)) = 1
	case "panic":
		panic("so it goes")
	case "panic elsewhere":
		go panic("not where the task is")
		select {}
	default:
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	select {}
}

func hangs(context.Context, int) (n int, err error) {
	for {
		n++
	}
}

// diesOnce kills the worker unless path exists.
func diesOnce(_ context.Context, path string) (int, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		f.Close()
		return 0, dieOf("SIGKILL")
	}
	return os.Getpid(), nil
}

// marked is a number that a task writes to a file, to show that it ran.
type marked struct {
	Path string
	N    int
}

func (m marked) write() error {
	f, err := os.OpenFile(m.Path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, m.N)
	return err
}

// there waits until a file is there.
func there(ctx context.Context, path string) error {
	for ctx.Err() == nil {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return ctx.Err()
}

func TestMain(m *testing.M) {
	if IsWorker() {
		if err := Serve(context.Background(), own...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	proctest.Main(m,
		proctest.Role{Name: "parent", Run: parent},
		proctest.Role{Name: "forgetful", Run: forgetful},
	)
}

// soon is a context that ends only when something is wrong.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// open returns a pool that the test's end closes.
func open(t testing.TB, e Executor, o Options) *Pool {
	t.Helper()
	p := New(context.Background(), e, o)
	t.Cleanup(func() {
		if err := p.Close(soon(t)); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

// places is every executor, with a name.
func places(t *testing.T) map[string]Executor {
	all := map[string]Executor{"thread": Thread{}, "process": Process{}}
	for _, node := range proctest.Nodes(t) {
		all[node.Name()] = nodeWorkers(node)
	}
	return all
}

func nodeWorkers(n proctest.Node) Process {
	e := Process{Path: filepath.Join("testdata", "worker.js")}
	e.Fork.Interpreter = n.Path
	return e
}

// gone tells that there is no such process, or only its remains.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(stat), ") ")
	return err != nil || strings.HasPrefix(after, "Z")
}

// eventually asks until it is so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// touch makes a file.
func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
