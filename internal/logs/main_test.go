package logs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/proctest"
)

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Role{Name: "limited", Run: limited}, proctest.Role{Name: "writer", Run: writer}, proctest.Role{Name: "reader", Run: reader})
}

// newStore returns a store that ends with the test.
func newStore(t testing.TB, onError func(error)) *Store {
	t.Helper()
	s := NewStore(Options{Dir: t.TempDir(), OnError: onError})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("a pipe did not end: %v", err)
		}
	})
	return s
}

func open(t testing.TB, s *Store, target Target) *Stream {
	t.Helper()
	st, err := s.Open(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Release)
	return st
}

func pipe(t testing.TB, st *Stream, tail *Tail) *Pipe {
	t.Helper()
	p, err := st.Pipe(tail)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.ChildEnd.Close() })
	return p
}

// say writes to the pipe as a process does, and ends it.
func say(t testing.TB, st *Stream, tail *Tail, text string) {
	t.Helper()
	p := pipe(t, st, tail)
	write(t, p, text)
	finish(t, p)
}

func write(t testing.TB, p *Pipe, text string) {
	t.Helper()
	if _, err := p.ChildEnd.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func finish(t testing.TB, p *Pipe) {
	t.Helper()
	p.ChildEnd.Close()
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the pipe did not end")
	}
}

func content(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// eventually asks until ok, for ten seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timeout := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("never came true: %s", what)
		}
	}
}

// errorList is an OnError that remembers.
type errorList struct {
	mu   sync.Mutex
	list []error
}

func (e *errorList) add(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, err)
}

func (e *errorList) all() []error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]error(nil), e.list...)
}

// limited runs under a limit on file sizes, which acts as a full disk does.
func limited(args []string) int {
	if err := limitedRun(args[0]); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func limitedRun(dir string) error {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &lim); err != nil {
		return err
	}
	hard := lim.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1000, Max: hard}); err != nil {
		return err
	}
	var errs errorList
	s := NewStore(Options{Dir: dir, OnError: errs.add})
	st, err := s.Open(Target{App: "a", Name: "out"})
	if err != nil {
		return err
	}
	p, err := st.Pipe(nil)
	if err != nil {
		return err
	}
	for i := range 400 {
		fmt.Fprintf(p.ChildEnd, "line %d\n", i)
	}
	// A line held back shows that all before it was handled.
	for deadline := time.Now().Add(5 * time.Second); len(errs.all()) == 0 && time.Now().Before(deadline); {
		p.Hurry()
	}
	if n := len(errs.all()); n != 1 {
		return fmt.Errorf("%d errors told, want 1: %v", n, errs.all())
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: hard, Max: hard}); err != nil {
		return err
	}
	fmt.Fprintln(p.ChildEnd, "again")
	p.ChildEnd.Close()
	<-p.Done()
	st.Release()
	return s.Stop(context.Background())
}

// writer writes args[0] lines of 100 bytes, each with its own write, or 64 KiB
// at a time when there is a second argument.
func writer(args []string) int {
	n := 0
	fmt.Sscan(args[0], &n)
	line := append(bytes.Repeat([]byte("x"), 99), '\n')
	if len(args) > 1 {
		w := bufio.NewWriterSize(os.Stdout, 64<<10)
		defer w.Flush()
		for range n {
			w.Write(line)
		}
		return 0
	}
	for range n {
		syscall.Write(1, line)
	}
	return 0
}

func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

// collect reads until fn says enough.
func collect(t *testing.T, s *Store, req Request, enough func([]event.LogLine) bool) []event.LogLine {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	stop := errors.New("enough")
	var got []event.LogLine
	err := s.Read(ctx, req, func(l event.LogLine) error {
		got = append(got, l)
		if enough != nil && enough(got) {
			return stop
		}
		return nil
	})
	if err != nil && !errors.Is(err, stop) {
		t.Fatalf("after %d lines: %v", len(got), err)
	}
	return got
}

func texts(got []event.LogLine) (list []string) {
	for _, l := range got {
		list = append(list, l.Text)
	}
	return list
}

func logPath(s *Store, name string) string { return filepath.Join(s.options.Dir, name) }
