package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/loadgen"
	"github.com/tendproc/tend/internal/proctest"
)

// guardTime is how long a guard may take for what it must do.
const guardTime = 60 * time.Second

// foreground is a tend in the foreground.
type foreground struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err text
}

// text is output that can be read while it is written.
type text struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// front prepares a tend in a folder of its own, which has files.
func front(t *testing.T, bin string, files map[string]string, args ...string) *foreground {
	t.Helper()
	f := &foreground{t: t, cmd: exec.Command(filepath.Join(bin, "tend"), args...)}
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	f.cmd.Dir, f.cmd.Stdout, f.cmd.Stderr = dir, &f.out, &f.err
	f.cmd.Env = []string{"PATH=" + bin + ":" + nodeFolder() + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "NO_COLOR=1"}
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "TEND_TEST_") {
			f.cmd.Env = append(f.cmd.Env, kv)
		}
	}
	return f
}

// start starts it. At the end of the test it must have ended by itself.
func (f *foreground) start() *foreground {
	f.t.Helper()
	if err := f.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	return f
}

// says waits until the output contains what.
func (f *foreground) says(what string) *foreground {
	f.t.Helper()
	if !within(guardTime, func() bool { return strings.Contains(f.out.String()+f.err.String(), what) }) {
		f.t.Errorf("%q is not said within %v:\n%s%s", what, guardTime, f.out.String(), f.err.String())
	}
	return f
}

func within(d time.Duration, ok func() bool) bool {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if eventually(ok) {
			return true
		}
	}
	return false
}

func (f *foreground) signal(sig syscall.Signal) *foreground {
	f.t.Helper()
	if err := f.cmd.Process.Signal(sig); err != nil {
		f.t.Error(err)
	}
	return f
}

// ends waits for its end, and checks the exit code and that nothing of it is left.
func (f *foreground) ends(code int) {
	f.t.Helper()
	late := time.AfterFunc(guardTime, func() { _ = f.cmd.Process.Kill() })
	err := f.cmd.Wait()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		f.t.Error(err)
	}
	if !late.Stop() {
		f.t.Errorf("it did not end within %v", guardTime)
	}
	if got := f.cmd.ProcessState.ExitCode(); got != code {
		f.t.Errorf("exit code %d, want %d; it said:\n%s%s", got, code, f.out.String(), f.err.String())
	}
	if left := carrying([]byte("HOME=" + f.cmd.Dir)); len(left) > 0 {
		f.t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
	if made, _ := filepath.Glob(filepath.Join(f.cmd.Dir, "tend-run-*")); len(made) > 0 {
		f.t.Errorf("left behind: %v", made)
	}
}

func TestRunEndsAsItsAppDoes(t *testing.T) {
	bin := build(t)
	for name, c := range map[string]struct {
		script string
		args   []string
		code   int
		says   string
	}{
		"well":             {"exit 0", []string{"--no-autorestart"}, 0, ""},
		"exit code":        {"sleep 0.4; exit 7", []string{"--no-autorestart"}, 7, ""},
		"exit code early":  {"exit 7", []string{"--no-autorestart"}, 7, ""},
		"signal":           {"kill -KILL $$", []string{"--no-autorestart"}, 128 + 9, ""},
		"stop exit code":   {"exit 3", []string{"--stop-exit-codes", "3"}, 3, ""},
		"crashes":          {"echo again; exit 4", []string{"--max-restarts", "3", "--restart-delay", "10"}, 4, "gave up after 3 short lives"},
		"ends well, often": {"exit 0", []string{"--max-restarts", "3", "--restart-delay", "10"}, 1, "gave up after 3 short lives"},
		"signals, often":   {"kill -SEGV $$", []string{"--max-restarts", "2", "--restart-delay", "10"}, 128 + 11, "gave up after 2 short lives"},
		"no such flag":     {"exit 0", []string{"--nothing"}, 1, "unknown flag --nothing"},
		"no such program":  {"exit 0", []string{"--interpreter", "nobody-has-this"}, 1, "nobody-has-this"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := front(t, bin, map[string]string{"app.sh": c.script}, append([]string{"run", "app.sh"}, c.args...)...).start()
			f.ends(c.code)
			if !strings.Contains(f.err.String(), c.says) {
				t.Errorf("%q is not said:\n%s", c.says, f.err.String())
			}
		})
	}
}

func TestRunTakesSignals(t *testing.T) {
	bin := build(t)
	const ends = "trap 'echo asked; exit 5' TERM; echo up; while :; do sleep 0.05; done"
	const stays = "trap 'echo asked' TERM; echo up; while :; do sleep 0.05; done"
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			f := front(t, bin, map[string]string{"app.sh": ends}, "run", "app.sh").start()
			f.says("up").signal(sig).says("asked").ends(5)
		})
	}
	t.Run("dies by it", func(t *testing.T) {
		t.Parallel()
		front(t, bin, nil, "run", "sh", "--", "-c", "echo up; exec sleep 1000").start().says("up").signal(syscall.SIGTERM).ends(0)
	})
	t.Run("grace", func(t *testing.T) {
		t.Parallel()
		f := front(t, bin, map[string]string{"app.sh": stays}, "run", "app.sh", "-k", "300").start()
		f.says("up").signal(syscall.SIGTERM).ends(128 + 9)
	})
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		f := front(t, bin, map[string]string{"app.sh": stays}, "run", "app.sh", "-k", "10m").start()
		f.says("up").signal(syscall.SIGTERM).says("asked").signal(syscall.SIGTERM).ends(128 + 9)
	})
	t.Run("during the start", func(t *testing.T) {
		t.Parallel()
		f := front(t, bin, map[string]string{"app.sh": ends}, "run", "app.sh", "--wait-ready", "--listen-timeout", "10m").start()
		f.says("up").signal(syscall.SIGTERM).ends(5)
	})
	t.Run("reload", func(t *testing.T) {
		t.Parallel()
		f := front(t, bin, map[string]string{"app.sh": "echo life $restart_time; " + ends}, "run", "app.sh").start()
		f.says("up").signal(syscall.SIGHUP).says("life 1").signal(syscall.SIGTERM).ends(5)
	})
	t.Run("passed on", func(t *testing.T) {
		t.Parallel()
		f := front(t, bin, map[string]string{"app.sh": "trap 'echo got it' USR1; " + ends}, "run", "app.sh").start()
		f.says("up").signal(syscall.SIGUSR1).says("got it").signal(syscall.SIGTERM).ends(5)
	})
	t.Run("log files", func(t *testing.T) {
		t.Parallel()
		f := front(t, bin, map[string]string{"app.sh": ends}, "run", "app.sh", "-o", "out.log").start()
		f.says("up")
		path := filepath.Join(f.cmd.Dir, "out.log")
		if !within(guardTime, func() bool { text, _ := os.ReadFile(path); return string(text) == "up\n" }) {
			t.Error("no log file")
		}
		if err := os.Rename(path, path+".1"); err != nil {
			t.Error(err)
		}
		f.signal(syscall.SIGUSR2)
		if !within(guardTime, func() bool { _, err := os.Stat(path); return err == nil }) {
			t.Error("the log file was not opened anew")
		}
		f.signal(syscall.SIGTERM).ends(5)
		if text, _ := os.ReadFile(path); string(text) != "asked\n" {
			t.Errorf("in the new file: %q", text)
		}
	})
}

// What an app starts and forgets ends with the guard, however it hides.
func TestRunLeavesNothing(t *testing.T) {
	hidden := fmt.Sprintf("1000.%d", os.Getpid())
	f := front(t, build(t), nil, "run", "sh", "--", "-c", "setsid env -i sleep "+hidden+" & sleep 0.1; echo up; exec sleep 1000").start()
	f.says("up").signal(syscall.SIGTERM).ends(0)
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		if line, err := os.ReadFile(path); err == nil && bytes.Contains(line, []byte("sleep\x00"+hidden)) {
			t.Errorf("%s runs on", path)
		}
	}
}

// Workers that are told to end answer all that reached them, and nobody is kept waiting
// who comes after.
func TestRunLosesNoRequestAtItsEnd(t *testing.T) {
	proctest.FirstNode(t)
	port := strings.TrimPrefix(proctest.FreeAddress(t), "127.0.0.1:")
	files := map[string]string{"web.js": "require('http').createServer((q, s) => setTimeout(() => s.end('ok'), 20)).listen(" + port + ", '127.0.0.1')"}
	f := front(t, build(t), files, "run", "web.js", "-i", "2").start()
	if !within(guardTime, func() bool {
		r, err := loadgen.Run(t.Context(), loadgen.Options{URL: "http://127.0.0.1:" + port, Requests: 1})
		return err == nil && r.Failed() == 0
	}) {
		t.Fatalf("it does not serve:\n%s%s", f.out.String(), f.err.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan loadgen.Result, 1)
	go func() {
		r, err := loadgen.Run(ctx, loadgen.Options{URL: "http://127.0.0.1:" + port, Clients: 8, KeepAlive: true, Pause: time.Millisecond})
		if err != nil {
			t.Error(err)
		}
		results <- r
	}()
	r, err := loadgen.Run(t.Context(), loadgen.Options{URL: "http://127.0.0.1:" + port, Clients: 4, KeepAlive: true, Requests: 200})
	if err != nil || r.Failed() > 0 {
		t.Errorf("before the end: %+v, %v", r, err)
	}
	f.signal(syscall.SIGTERM).ends(0)
	cancel()
	r = <-results
	lost := r.Failed() - r.Fresh[loadgen.Refused]
	if r.Count(loadgen.OK) < 50 || lost > 0 {
		t.Errorf("%d answered, %d refused, %d lost: %v", r.Count(loadgen.OK), r.Fresh[loadgen.Refused], lost, r.Errors)
	}
}
