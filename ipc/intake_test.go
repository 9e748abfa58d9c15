package ipc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/sys"
)

// intakeRig is a channel whose reader dies and has successors.
type intakeRig struct {
	t    *testing.T
	held *os.File // what the keeper has of the channel
	keep *shelf
	c    *Conn
	got  []string
}

// next is the next reader.
func (r *intakeRig) next() {
	r.t.Helper()
	if r.c != nil {
		r.c.options.Reading = nil // nothing is told to anybody
		r.c.Close()
	}
	dup, err := sys.DupFile(r.held)
	if err != nil {
		r.t.Fatal(err)
	}
	o := ConnOptions{Reading: r.keep, Resumed: r.c != nil}
	if r.keep.kept != nil {
		if o.Unread, err = sys.DupFile(r.keep.kept); err != nil {
			r.t.Fatal(err)
		}
	}
	if r.c, err = NewConn(dup, o); err != nil {
		r.t.Fatal(err)
	}
}

func (r *intakeRig) take(f *Frame) error {
	r.got = append(r.got, string(f.Data))
	return nil
}

// until reads until done.
func (r *intakeRig) until(done func() bool) {
	r.t.Helper()
	for ctx := deadline(r.t); !done(); runtime.Gosched() {
		if _, err := r.c.readSome(r.take); err != nil || ctx.Err() != nil {
			r.t.Fatalf("%v, %v", err, ctx.Err())
		}
	}
}

// peekEnd waits until the end of the line that is being taken in is there, and
// returns how long it is, and the whole line.
func (r *intakeRig) peekEnd() (n int, line string) {
	r.t.Helper()
	buf := make([]byte, peekSize)
	r.until(func() bool {
		got, _, err := r.c.peek(buf)
		n = strings.IndexByte(string(buf[:max(0, got)]), '\n') + 1
		return err == nil && n > 0
	})
	in := r.c.in.intake
	return n, string(in.mem[1:1+in.n]) + string(buf[:n-1])
}

// TestIntake kills the reader of a long message at each step: nothing is lost, and
// nothing comes twice that was not being handled then.
func TestIntake(t *testing.T) {
	long := `{"long":"` + strings.Repeat("x", 300<<10) + `1"}`
	for _, c := range []struct {
		name  string
		kill  func(r *intakeRig) // what the first reader does
		twice bool
	}{
		{"before it read", func(*intakeRig) {}, false},
		{"when the memory is kept", func(r *intakeRig) { r.until(func() bool { return r.c.in.taking }) }, false},
		{"when a piece is consumed", func(r *intakeRig) {
			r.until(func() bool { return r.c.in.intake != nil && r.c.in.intake.n > 0 })
		}, false},
		{"after each piece", func(r *intakeRig) {
			for n := 0; n < len(long)-peekSize; n = r.c.in.intake.n {
				r.until(func() bool { return r.c.in.intake != nil && r.c.in.intake.n > n })
				r.next()
			}
		}, false},
		{"when the end is seen", func(r *intakeRig) { r.peekEnd() }, false},
		{"when it is handled", func(r *intakeRig) {
			_, line := r.peekEnd()
			r.got = append(r.got, line)
		}, true},
		{"when that is noted", func(r *intakeRig) {
			_, line := r.peekEnd()
			r.got = append(r.got, line)
			r.c.in.intake.mem[0] = handled
		}, false},
		{"when the end is half consumed", func(r *intakeRig) {
			n, line := r.peekEnd()
			r.got = append(r.got, line)
			r.c.in.intake.mem[0] = handled
			if err := r.c.fill(r.c.in.intake, (n+1)/2); err != nil {
				r.t.Fatal(err)
			}
		}, false},
		{"when the end is consumed", func(r *intakeRig) {
			n, line := r.peekEnd()
			r.got = append(r.got, line)
			r.c.in.intake.mem[0] = handled
			if err := r.c.fill(r.c.in.intake, n); err != nil {
				r.t.Fatal(err)
			}
		}, false},
		{"when the text is cleared, the flag not", func(r *intakeRig) {
			n, line := r.peekEnd()
			r.got = append(r.got, line)
			in := r.c.in.intake
			in.mem[0] = handled
			if err := r.c.fill(in, n); err != nil {
				r.t.Fatal(err)
			}
			in.mem[1] = 0
		}, false},
		{"when all is done", func(r *intakeRig) { r.until(func() bool { return len(r.got) > 0 }) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ours, theirs, err := sys.Socketpair("intake")
			if err != nil {
				t.Fatal(err)
			}
			r := &intakeRig{t: t, held: ours, keep: &shelf{t: t}}
			r.next()
			defer func() {
				r.c.Close()
				if r.keep.kept != nil {
					t.Error("what nobody needs is kept")
				}
				ours.Close()
			}()
			wrote := make(chan error, 1)
			go func() {
				_, err := io.WriteString(theirs, long+"\n"+long+"\n2\n")
				wrote <- errors.Join(err, theirs.Close())
			}()
			c.kill(r)
			r.next()
			want := []string{long, long, "2"}
			if c.twice {
				want = append([]string{long}, want...)
			}
			r.until(func() bool { return len(r.got) == len(want) })
			if err := <-wrote; err != nil {
				t.Error(err)
			}
			if strings.Join(r.got, "\n") != strings.Join(want, "\n") {
				t.Errorf("got %d messages, or others", len(r.got))
			}
			if _, err := r.c.readSome(r.take); !errors.Is(err, io.EOF) {
				t.Errorf("at the end: %v", err)
			}
		})
	}
}

// TestIntakeLimits: a line that is too long is the end, in the intake too; what is
// none of ours is no intake; and where nothing can be kept, it goes without.
func TestIntakeLimits(t *testing.T) {
	for _, fail := range []bool{false, true} {
		keep := &shelf{t: t, fail: fail}
		c, peer := pair(t, ConnOptions{Reading: keep, MaxMessage: 100 << 10})
		go io.WriteString(peer, `"`+strings.Repeat("x", 99<<10)+`"`+"\n"+strings.Repeat("x", 101<<10))
		var got int
		var err error
		for ctx := deadline(t); err == nil && ctx.Err() == nil; runtime.Gosched() {
			err = c.Read(func(f *Frame) error { got = len(f.Data); return nil })
		}
		if !errors.Is(err, ErrTooLong) || got != 99<<10+2 {
			t.Errorf("%d bytes, %v", got, err)
		}
		c.Close()
		if keep.kept != nil {
			t.Error("what nobody needs is kept")
		}
	}
	for name, size := range map[string]int64{"empty": 0, "short": 1, "full": 2} {
		f, err := sys.Memory(name, size)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("xx")[:size], 0); err != nil {
			t.Fatal(err)
		}
		c, peer := pair(t, ConnOptions{Unread: f})
		fmt.Fprintln(peer, 1)
		var got []string
		if err := c.Read(func(f *Frame) error { got = append(got, string(f.Data)); return nil }); err != nil || len(got) != 1 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// TestIntakeForLongLinesOnly: a line that one look holds costs nothing more.
func TestIntakeForLongLinesOnly(t *testing.T) {
	a, b := connPair(t, ConnOptions{Reading: &shelf{t: t}})
	for _, size := range []int{10, AtomicFrame, peekSize - 1, peekSize} {
		line := `"` + strings.Repeat("x", size-3) + "\"\n"
		for range 20 {
			if err := a.Send([]byte(line), -1); err != nil {
				t.Fatal(err)
			}
			got := 0
			if err := b.Read(func(f *Frame) error { got += len(f.Data) + 1; return nil }); err != nil || got != size {
				t.Fatalf("of %d bytes came %d, %v", size, got, err)
			}
		}
	}
	if b.in.intake != nil {
		t.Error("memory was kept for what one look holds")
	}
	if err := a.Send([]byte(`"`+strings.Repeat("x", peekSize)+"\"\n"), -1); err != nil {
		t.Fatal(err)
	}
	if err := b.Read(func(f *Frame) error { return nil }); err != nil || b.in.intake == nil {
		t.Errorf("no memory was kept for more, %v", err)
	}
}
