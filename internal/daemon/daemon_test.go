package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/daemon"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/keeper"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/spec"
)

// The test binary is tend's keeper and daemon too.
func TestMain(m *testing.M) {
	if code, ok := pretend(); ok {
		os.Exit(code)
	}
	if part, err := daemon.RunPart(context.Background(), os.Args[1:], daemon.Options{Version: "1.2.3-test"}); part {
		if err != nil {
			log.Fatal(err)
		}
		os.Exit(0)
	}
	if len(os.Args) == 3 && os.Args[1] == "foreground" {
		if err := daemon.Foreground(os.Args[2]); err != nil {
			log.Fatal(err)
		}
		os.Exit(0)
	}
	proctest.Main(m, proctest.Role{Name: "worker", Run: worker})
}

// newHome is a folder for one daemon; its log is shown when the test fails.
func newHome(t *testing.T) string {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("tend.log:\n%s", read(t, filepath.Join(home, keeper.LogName)))
		}
	})
	return home
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// ensure gives a client of the daemon of home, and sees to that daemon's end.
func ensure(t *testing.T, home string) (*api.Client, event.Info) {
	t.Helper()
	c, err := daemon.Ensure(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	info, err := c.Ping(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer c.Close()
		if err := c.Kill(context.Background()); err != nil && fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("kill: %v", err)
		}
		reap(info.KeeperPID)
	})
	return c, info
}

// reap waits for a keeper: the test is its parent.
func reap(pid int) (status syscall.WaitStatus) {
	for {
		if _, err := syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
			return status
		}
	}
}

func gone(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

// start starts a shell script under the daemon and returns its first instance.
func start(t *testing.T, c *api.Client, name, script string) event.Instance {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".sh")
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := c.Start(t.Context(), spec.Start{Word: path, Caller: spec.Caller{Cwd: "/", Env: os.Environ()}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Instances) != 1 || out.Instances[0].PID == 0 {
		t.Fatalf("started %+v", out)
	}
	return out.Instances[0]
}

func TestEnsure(t *testing.T) {
	home := newHome(t)
	if _, err := daemon.Connect(t.Context(), home); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("nothing runs yet: %v", err)
	}
	var wg sync.WaitGroup
	infos := make(chan event.Info, 6)
	for range cap(infos) {
		wg.Go(func() {
			c, err := daemon.Ensure(t.Context(), home)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			info, err := c.Ping(t.Context())
			if err != nil {
				t.Error(err)
			}
			infos <- info
		})
	}
	wg.Wait()
	_, info := ensure(t, home)
	for range cap(infos) {
		if got := <-infos; got != info {
			t.Errorf("one was answered by %+v, one by %+v", got, info)
		}
	}
	if info.Version != "1.2.3-test" || info.API != api.Version || info.Home != home || info.PID == 0 || info.KeeperPID == 0 {
		t.Errorf("it says of itself %+v", info)
	}
}

func TestKillStopsEverything(t *testing.T) {
	home := newHome(t)
	c, info := ensure(t, home)
	app := start(t, c, "quiet", "echo up\nwhile :; do sleep 1000; done\n")
	if err := c.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !gone(app.PID) {
		t.Errorf("the app's process %d is still there", app.PID)
	}
	// The next first command finds the home busy with the end at most, and waits.
	c2, info2 := ensure(t, home)
	if info2.PID == info.PID || info2.KeeperPID == info.KeeperPID {
		t.Errorf("the killed one answers: %+v", info2)
	}
	if list, err := c2.List(t.Context(), event.Query{}); err != nil || len(list.Instances) != 0 {
		t.Errorf("the new one has %+v, %v", list, err)
	}
	if st := reap(info.KeeperPID); st.ExitStatus() != 0 {
		t.Errorf("the keeper's exit status is %v", st)
	}
}

func TestSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			home := newHome(t)
			c, info := ensure(t, home)
			note := filepath.Join(t.TempDir(), "note")
			app := start(t, c, "polite", "trap 'echo bye > "+note+"; exit 0' TERM INT\nwhile :; do sleep 1000 & wait; done\n")
			syscall.Kill(info.PID, syscall.SIGHUP)
			if _, err := c.Ping(t.Context()); err != nil {
				t.Errorf("after SIGHUP: %v", err)
			}
			syscall.Kill(info.PID, sig)
			if st := reap(info.KeeperPID); !st.Exited() || st.ExitStatus() != 0 {
				t.Errorf("the keeper's exit status is %v", st)
			}
			if !gone(app.PID) || read(t, note) != "bye\n" {
				t.Errorf("the app is gone: %v; it said %q", gone(app.PID), read(t, note))
			}
			if _, err := os.Lstat(filepath.Join(home, keeper.SocketName)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the socket: %v", err)
			}
		})
	}
}

func TestLogsAndFlush(t *testing.T) {
	c, _ := ensure(t, newHome(t))
	app := start(t, c, "talk", "echo one\necho two\necho oops >&2\nwhile read line; do echo heard $line; done\nsleep 1000\n")
	lines := make(chan event.LogLine, 16)
	ctx, cancel := context.WithCancel(t.Context())
	followed := make(chan error, 1)
	go func() {
		followed <- c.Logs(ctx, api.LogsRequest{Target: "talk", Lines: 10, Follow: true}, func(l event.LogLine) error {
			lines <- l
			return nil
		})
	}()
	got := map[string]bool{}
	for range 3 {
		l := <-lines
		got[l.Stream+" "+l.Text] = true
	}
	if !got["out one"] || !got["out two"] || !got["err oops"] {
		t.Errorf("lines are %v", got)
	}
	cancel()
	if err := <-followed; !errors.Is(err, context.Canceled) {
		t.Errorf("the follow ended with %v", err)
	}
	tail := func(req api.LogsRequest) (texts []string) {
		if err := c.Logs(t.Context(), req, func(l event.LogLine) error { texts = append(texts, l.Text); return nil }); err != nil {
			t.Error(err)
		}
		return texts
	}
	if got := tail(api.LogsRequest{Lines: 1, Stream: "out"}); fmt.Sprint(got) != "[two]" {
		t.Errorf("the last line of all is %q", got)
	}
	if err := c.Flush(t.Context(), "talk"); err != nil {
		t.Fatal(err)
	}
	if got := tail(api.LogsRequest{Target: fmt.Sprint(app.ID), Lines: 10}); len(got) != 0 {
		t.Errorf("flushed, it has %q", got)
	}
	for _, target := range []string{"nobody", "/no.*body/"} {
		if err := c.Flush(t.Context(), target); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("flush %s: %v", target, err)
		}
		if err := c.Logs(t.Context(), api.LogsRequest{Target: target}, nil); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("logs %s: %v", target, err)
		}
	}
}

// What a process inherits of the daemon: default signals, no stray descriptor,
// no way to speak for its parent.
func TestWhatAnAppInherits(t *testing.T) {
	t.Setenv("NODE_UNIQUE_ID", "7") // as an app that starts tend would have it
	c, _ := ensure(t, newHome(t))
	args := []string{"1000"}
	out, err := c.Start(t.Context(), spec.Start{
		Word: "/bin/sleep", Options: spec.Options{Args: &args}, Caller: spec.Caller{Cwd: "/", Env: []string{"PATH=/bin"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	proc := fmt.Sprintf("/proc/%d/", out.Instances[0].PID)
	for line := range strings.Lines(read(t, proc+"status")) {
		name, value, _ := strings.Cut(line, ":")
		if (name == "SigBlk" || name == "SigIgn" || name == "SigCgt") && strings.Trim(value, "\t0\n") != "" {
			t.Errorf("signals: %s", line)
		}
	}
	fds, err := os.ReadDir(proc + "fd")
	if err != nil {
		t.Fatal(err)
	}
	if len(fds) != 4 { // the fourth is the channel
		t.Errorf("%d descriptors: %v", len(fds), fds)
	}
	if strings.Contains(read(t, proc+"environ"), "NODE_UNIQUE_ID=7") {
		t.Error("the starter's NODE_UNIQUE_ID came through")
	}
}

// An asleep daemon makes no system call, with quiet apps under it, files to watch
// and times to keep. A Node app that has told its metrics is quiet.
func TestIdleDaemonSleeps(t *testing.T) {
	c, info := ensure(t, newHome(t))
	if path, err := exec.LookPath("node"); err == nil {
		script := filepath.Join(t.TempDir(), "serve.js")
		if err := os.WriteFile(script, []byte("require('http').createServer().listen(0, '127.0.0.1')\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Start(t.Context(), spec.Start{Word: script, Options: spec.Options{Interpreter: &path}, Caller: spec.Caller{Cwd: "/", Env: []string{"PATH=/bin"}}}); err != nil {
			t.Fatal(err)
		}
		told(t, c)
	}
	for i := range 3 {
		if app := start(t, c, fmt.Sprintf("quiet%d", i), "while :; do sleep 1000; done\n"); app.Phase != lifecycle.Running {
			t.Fatalf("it is %v", app.Phase)
		}
	}
	watch, midnight := true, "0 0 1 1 *"
	req := spec.Act{Target: "quiet0", Options: spec.Options{Watch: &watch, WatchPaths: &[]string{t.TempDir()}, Cron: &midnight}, Caller: spec.Caller{Cwd: "/"}}
	if out, err := c.Restart(t.Context(), req); err != nil || len(out.Warnings) > 0 {
		t.Fatal(out.Warnings, err)
	}
	c.Close()
	// Commands are answered; what follows them (giving memory back) is done in
	// five seconds. Then nothing may stir.
	<-time.After(5 * time.Second)
	before := switches(t, info.PID) + switches(t, info.KeeperPID)
	<-time.After(3 * time.Second)
	if after := switches(t, info.PID) + switches(t, info.KeeperPID); after != before {
		t.Errorf("idle, the threads were switched: %s, then %s", before, after)
	}
}

// told waits until an app has told metrics.
func told(t *testing.T, c *api.Client) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for {
		snap, err := c.List(t.Context(), event.Query{})
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(snap.Instances, func(in event.Instance) bool { return in.Said != nil && len(in.Said.Monitor) > 0 }) {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("nothing is told: %+v", snap.Instances)
		}
	}
}

// switches gives the voluntary context switches of each thread.
func switches(t *testing.T, pid int) (all string) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, f := range files {
		for line := range strings.Lines(read(t, f)) {
			if n, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				all += strings.TrimSpace(n) + " "
			}
		}
	}
	return all
}

func TestHome(t *testing.T) {
	for _, c := range []struct{ tend, state, home, want string }{
		{"/a/b", "/state", "/root", "/a/b"},
		{"", "/state", "/root", "/state/tend"},
		{"", "not/absolute", "/home/me", "/home/me/.local/state/tend"},
		{"", "", "/home/me", "/home/me/.local/state/tend"},
	} {
		t.Setenv("TEND_HOME", c.tend)
		t.Setenv("XDG_STATE_HOME", c.state)
		t.Setenv("HOME", c.home)
		if got, err := daemon.Home(); err != nil || got != c.want {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
	t.Setenv("TEND_HOME", "here")
	if got, err := daemon.Home(); err != nil || !filepath.IsAbs(got) || filepath.Base(got) != "here" {
		t.Errorf("relative: %q, %v", got, err)
	}
	os.Unsetenv("TEND_HOME")
	t.Setenv("HOME", "")
	t.Setenv("XDG_STATE_HOME", "")
	if _, err := daemon.Home(); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("no HOME: %v", err)
	}
}
