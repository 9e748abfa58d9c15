package logs

import (
	"context"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shown is what came out at the far end of a console.
func shown(t *testing.T, stamp func(Target) string, write func(open func(t Target) *os.File)) string {
	t.Helper()
	far, near, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	s := NewStore(Options{Console: &Console{Out: near, Err: near, Stamp: stamp}, OnError: func(err error) { t.Error(err) }})
	var ends []*os.File
	write(func(target Target) *os.File {
		target.Path = Null
		st, err := s.Open(target)
		if err != nil {
			t.Fatal(err)
		}
		p, err := st.Pipe(nil)
		if err != nil {
			t.Fatal(err)
		}
		st.Release()
		ends = append(ends, p.ChildEnd)
		return p.ChildEnd
	})
	for _, f := range ends {
		f.Close()
	}
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(far)
		text <- string(all)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	near.Close()
	return <-text
}

func TestConsoleShowsBytesAsTheyAre(t *testing.T) {
	const text = "one\ntwo \x1b[1mbold\x1b[0m\n\nno end"
	got := shown(t, nil, func(open func(Target) *os.File) { io.WriteString(open(Target{App: "a", Name: "out"}), text) })
	if got != text {
		t.Errorf("shown: %q", got)
	}
}

func TestConsoleStampsEachLine(t *testing.T) {
	stamp := func(t Target) string { return HeadStamp(Literal(t.App + " [x] YYYY|")) }
	got := shown(t, stamp, func(open func(Target) *os.File) { io.WriteString(open(Target{App: "a]b", Name: "out"}), "one\ntwo\n") })
	if want := "a]b [x] YYYY|one\na]b [x] YYYY|two\n"; got != want {
		t.Errorf("shown: %q", got)
	}
}

// A console that takes nothing for a while loses nothing, whether or not a write to
// it waits.
func TestConsoleIsWaitedFor(t *testing.T) {
	for _, nonblock := range []bool{false, true} {
		far, near, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := near.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) { err = syscall.SetNonblock(int(fd), nonblock) })
		if err != nil {
			t.Fatal(err)
		}
		s := NewStore(Options{Console: &Console{Out: near, Err: near}, OnError: func(err error) { t.Error(err) }})
		st, err := s.Open(Target{App: "a", Name: "out", Path: Null})
		if err != nil {
			t.Fatal(err)
		}
		p, err := st.Pipe(nil)
		if err != nil {
			t.Fatal(err)
		}
		st.Release()
		line := strings.Repeat("x", 99) + "\n"
		text := strings.Repeat(line, 20_000) // more than all pipes on the way hold
		go func() {
			defer p.ChildEnd.Close()
			io.WriteString(p.ChildEnd, text)
		}()
		full := make([]byte, 1)
		if _, err := io.ReadFull(far, full); err != nil { // it is on its way, and stands
			t.Fatal(err)
		}
		got := make(chan int)
		go func() {
			n, _ := io.Copy(io.Discard, far)
			got <- int(n)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		err = s.Stop(ctx)
		cancel()
		near.Close()
		if n := <-got; err != nil || n+1 != len(text) {
			t.Errorf("nonblocking %v: %d of %d bytes came out, %v", nonblock, n+1, len(text), err)
		}
		far.Close()
	}
}

func TestRawOutputGoesToTheConsole(t *testing.T) {
	got := shown(t, nil, func(open func(Target) *os.File) {
		io.WriteString(open(Target{App: "a", Name: "out", Raw: true}), "as it is\n")
	})
	if got != "as it is\n" {
		t.Errorf("shown: %q", got)
	}
}
