package child_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/child"
)

func TestExec(t *testing.T) {
	out, err := child.Exec(soon(t), `echo "a  b" | tr a-z A-Z; echo oops >&2`, child.ExecOptions{})
	if err != nil || string(out.Stdout) != "A  B\n" || string(out.Stderr) != "oops\n" || out.Exit.Code != 0 {
		t.Errorf("%q, %v", out, err)
	}
}

func TestExecOptions(t *testing.T) {
	out, err := child.Exec(soon(t), `pwd; echo $A; cat`, child.ExecOptions{
		Dir: "/", Env: []string{"A=1", "PATH=/usr/bin:/bin"}, Input: []byte("input"), Shell: "/bin/sh",
	})
	if err != nil || string(out.Stdout) != "/\n1\ninput" {
		t.Errorf("%q, %v", out.Stdout, err)
	}
}

func TestExecFileTakesArgumentsAsTheyAre(t *testing.T) {
	out, err := child.ExecFile(soon(t), "printf", []string{"%s|", "$HOME", "a b", "; exit 1"}, child.ExecOptions{})
	if err != nil || string(out.Stdout) != "$HOME|a b|; exit 1|" {
		t.Errorf("%q, %v", out.Stdout, err)
	}
}

func TestExecReadsAllOfALargeOutput(t *testing.T) {
	out, err := child.Exec(soon(t), `head -c 1048576 /dev/zero; head -c 1048576 /dev/zero >&2`, child.ExecOptions{})
	if err != nil || len(out.Stdout) != 1<<20 || len(out.Stderr) != 1<<20 {
		t.Errorf("%d, %d bytes, %v", len(out.Stdout), len(out.Stderr), err)
	}
}

func TestExecFailures(t *testing.T) {
	t.Run("exit status", func(t *testing.T) {
		out, err := child.Exec(soon(t), `echo why >&2; exit 3`, child.ExecOptions{})
		exit, ok := errors.AsType[*child.ExitError](err)
		if !ok || exit.Exit.Code != 3 || string(exit.Stderr) != "why\n" || out.Exit.Code != 3 {
			t.Errorf("%v, %v", out, err)
		}
		if got, want := err.Error(), `exec "echo why >&2; exit 3": exit 3`; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
	t.Run("signal", func(t *testing.T) {
		_, err := child.Exec(soon(t), `kill -TERM $$`, child.ExecOptions{})
		if exit, ok := errors.AsType[*child.ExitError](err); !ok || exit.Exit.Signal != syscall.SIGTERM {
			t.Errorf("%v", err)
		}
	})
	t.Run("no program", func(t *testing.T) {
		_, err := child.ExecFile(soon(t), "nod", nil, child.ExecOptions{})
		if _, ok := errors.AsType[*child.StartError](err); !ok || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v", err)
		}
	})
	t.Run("context done before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := child.Exec(ctx, "exit 0", child.ExecOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// held makes a line hold a pipe too: its end shows that the whole tree is gone.
func held(t *testing.T, line string) (string, func()) {
	t.Helper()
	path := t.TempDir() + "/fifo"
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return "exec 9>" + path + "; echo x >&9; " + line, func() {
		t.Helper()
		r.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		var buf [16]byte
		for {
			if _, err := r.Read(buf[:]); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("somebody of the tree is left")
				return
			} else if err != nil {
				return
			}
		}
	}
}

func TestExecOverflowEndsTheTree(t *testing.T) {
	for _, c := range []struct {
		name, line, stream string
		limit, want        int
	}{
		{"default", `yes`, "stdout", 0, child.DefaultMaxBuffer},
		{"small", `echo 0123456789`, "stdout", 4, 4},
		{"stderr", `yes >&2`, "stderr", 1000, 1000},
		{"in the background", `(setsid yes & ); sleep 1000`, "stdout", 1000, 1000},
		{"deaf", `trap '' TERM PIPE; while :; do echo 0123456789; done`, "stdout", 1000, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			line, gone := held(t, c.line)
			out, err := child.Exec(soon(t), line, child.ExecOptions{MaxBuffer: c.limit})
			over, ok := errors.AsType[*child.MaxBufferError](err)
			if !ok || over.Stream != c.stream || over.Limit != c.want {
				t.Fatalf("%v", err)
			}
			if got := len(out.Stdout) + len(out.Stderr); got != c.want {
				t.Errorf("%d bytes were kept, want %d", got, c.want)
			}
			gone()
		})
	}
}

func TestExecTimeoutAndAbort(t *testing.T) {
	for name, run := range map[string]func(line string) (child.Output, error){
		"timeout": func(line string) (child.Output, error) {
			return child.Exec(soon(t), line, child.ExecOptions{Timeout: 100 * time.Millisecond})
		},
		"abort": func(line string) (child.Output, error) {
			ctx, cancel := context.WithTimeout(soon(t), 100*time.Millisecond)
			defer cancel()
			return child.Exec(ctx, line, child.ExecOptions{Stop: child.StopOptions{Grace: 10 * time.Millisecond, Tree: true}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			line, gone := held(t, `echo early; trap '' TERM; (setsid sleep 1000 & ); while :; do sleep 1000; done`)
			out, err := run(line)
			if !errors.Is(err, context.DeadlineExceeded) || string(out.Stdout) != "early\n" {
				t.Errorf("%q, %v", out.Stdout, err)
			}
			if name == "timeout" && !strings.Contains(err.Error(), "not done within 100ms") {
				t.Errorf("%v", err)
			}
			gone()
		})
	}
}
