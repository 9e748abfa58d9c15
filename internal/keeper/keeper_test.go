package keeper_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/daemon"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/keeper"
)

func TestStartGivesADaemon(t *testing.T) {
	dir := home(t)
	daemon, guard := start(t, dir)
	for path, want := range map[string]fs.FileMode{
		dir:                                   fs.ModeDir | 0o700,
		filepath.Join(dir, keeper.LogsName):   fs.ModeDir | 0o700,
		filepath.Join(dir, keeper.SocketName): fs.ModeSocket | 0o600,
		filepath.Join(dir, keeper.LockName):   0o600,
		filepath.Join(dir, keeper.LogName):    0o600,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want mode %v", path, info.Mode(), err, want)
		}
	}
	// Session and terminal: fields 4 and 5 after the name.
	for _, pid := range []int{daemon, guard} {
		if f := stat(t, pid); f[3] != strconv.Itoa(guard) || f[4] != "0" {
			t.Errorf("process %d is in session %s with terminal %s, want %d and none", pid, f[3], f[4], guard)
		}
	}
	if f := stat(t, daemon); f[1] != strconv.Itoa(guard) {
		t.Errorf("the daemon's parent is %s, want the keeper %d", f[1], guard)
	}
	for pid, want := range map[int]string{guard: "tend keeper --home " + dir, daemon: "tend daemon --home " + dir} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if got := strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " ")); err != nil || got != want {
			t.Errorf("title is %q, want %q", got, want)
		}
		if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); cwd != "/" {
			t.Errorf("working folder is %q, %v", cwd, err)
		}
	}
}

// stat gives the fields of /proc/PID/stat after the name, state first.
func stat(t *testing.T, pid int) []string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
}

func TestNoDescriptorLeaksDown(t *testing.T) {
	dir := home(t)
	// What a careless parent of ours might have left open to us.
	leak, err := syscall.Open(filepath.Dir(dir), syscall.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(leak)
	daemon, guard := start(t, dir)
	for _, pid := range []int{daemon, guard} {
		folder := fmt.Sprintf("/proc/%d/fd", pid)
		fds, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			to, err := os.Readlink(filepath.Join(folder, fd.Name()))
			if err != nil {
				continue // it was closed since
			}
			known := strings.HasPrefix(to, "anon_inode:") || strings.HasPrefix(to, "socket:") ||
				strings.HasPrefix(to, "/sys/fs/cgroup/") || // the Go runtime's own
				to == fmt.Sprintf("/proc/%d/maps", pid) || // it is just looking what code it can drop
				to == "/dev/null" || to == filepath.Join(dir, keeper.LogName) || to == filepath.Join(dir, keeper.LockName)
			if !known {
				t.Errorf("process %d has descriptor %s: %s", pid, fd.Name(), to)
			}
		}
		if len(fds) > 14 {
			t.Errorf("process %d has %d descriptors", pid, len(fds))
		}
	}
	// Nor from the daemon to what it starts: only the shell's own three.
	if got := tell(t, dir, "shell ls -m /proc/$$/fd; :"); got != "0, 1, 2" {
		t.Errorf("a process of the daemon has descriptors %s", got)
	}
}

func TestManyStartersOneDaemon(t *testing.T) {
	dir := home(t)
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for range cap(errs) {
		wg.Go(func() { errs <- daemon.Start(t.Context(), dir) })
	}
	wg.Wait()
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	daemon, guard := start(t, dir)
	if d, g := pids(t, dir); d != daemon || g != guard {
		t.Errorf("there are two daemons: %d under %d, %d under %d", d, g, daemon, guard)
	}
	if n := strings.Count(children(t), " "); n > 1 {
		t.Errorf("keepers that had nothing to keep are still there: %s", children(t))
	}
}

func children(t *testing.T) (all string) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, _ := os.ReadFile(f)
		all += string(text)
	}
	return all
}

func TestStaleSocketIsReplaced(t *testing.T) {
	dir := home(t)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, keeper.SocketName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	start(t, dir)
}

func TestHomesThatWillNotDo(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(dir string) error
		code  fault.Code
	}{
		"a file in the socket's place": {func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, keeper.SocketName), nil, 0o600))
		}, fault.Conflict},
		"others may write": {func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777))
		}, fault.Denied},
		"a file": {func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			dir := home(t)
			if err := c.spoil(dir); err != nil {
				t.Fatal(err)
			}
			err := daemon.Start(t.Context(), dir)
			if e, ok := errors.AsType[*fault.Error](err); !ok || e.Code != c.code || e.Remedy == "" {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestLongHome(t *testing.T) {
	dir := filepath.Join(home(t), strings.Repeat("long", 30))
	start(t, dir)
}

func TestDaemonKilledIsStartedAgain(t *testing.T) {
	dir := home(t)
	daemon, guard := start(t, dir)
	// What ran under it runs on, in a session of its own too.
	stubborn := number(t, tell(t, dir, `shell trap "" TERM; echo $$; while :; do sleep 1000; done`))
	orphan := number(t, tell(t, dir, `shell setsid sh -c 'sleep 1000 & echo $!' `))
	syscall.Kill(daemon, syscall.SIGKILL)
	again, still := pids(t, dir) // waits in the socket's queue until it serves
	if again == daemon || still != guard {
		t.Errorf("daemon %d under keeper %d, then %d under %d", daemon, guard, again, still)
	}
	for _, pid := range []int{stubborn, orphan} {
		if err := syscall.Kill(pid, 0); err != nil {
			t.Errorf("process %d: %v", pid, err)
		}
	}
	if conn, err := connect(dir); err == nil {
		fmt.Fprintln(conn, "end")
		conn.Close()
	}
	reap(guard)
	for _, pid := range []int{stubborn, orphan} {
		if syscall.Kill(pid, 0) != syscall.ESRCH {
			t.Errorf("process %d lives unguarded", pid)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, keeper.LogName))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"the daemon ended by signal 9", "The apps run on", "that were left behind"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("tend.log does not say %q", want)
		}
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A restarted daemon that dies before it is ready is started once more.
func TestDaemonThatDiesTwice(t *testing.T) {
	dir := home(t)
	t.Setenv(modeVar, "crash")
	daemon, _ := start(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "crashed"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(daemon, syscall.SIGKILL)
	if again, _ := pids(t, dir); again == daemon {
		t.Error("the old daemon answers")
	}
	if text, _ := os.ReadFile(filepath.Join(dir, keeper.LogName)); !strings.Contains(string(text), "with exit status 7") {
		t.Error("tend.log does not give the exit status")
	}
}

func TestEndOnPurpose(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, dir string, daemon, guard int){
		"told": func(t *testing.T, dir string, _, _ int) {
			conn, err := connect(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintln(conn, "end")
		},
		"signal to daemon": func(_ *testing.T, _ string, daemon, _ int) { syscall.Kill(daemon, syscall.SIGTERM) },
		"signal to keeper": func(_ *testing.T, _ string, _, guard int) { syscall.Kill(guard, syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := home(t)
			if err := daemon.Start(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
			daemon, guard := pids(t, dir)
			stray := number(t, tell(t, dir, `shell sleep 1000 & echo $!`))
			end(t, dir, daemon, guard)
			if st := reap(guard); !st.Exited() || st.ExitStatus() != 0 {
				t.Errorf("keeper's exit status is %v", st)
			}
			if _, err := os.Lstat(filepath.Join(dir, keeper.SocketName)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the socket is still there: %v", err)
			}
			if syscall.Kill(stray, 0) != syscall.ESRCH {
				t.Errorf("process %d is still there", stray)
			}
			claim, err := keeper.NewClaim(dir)
			if err != nil {
				t.Fatalf("the home is not free: %v", err)
			}
			if _, err := keeper.NewClaim(dir); !errors.Is(err, keeper.ErrAnswered) {
				t.Errorf("a second claim: %v", err)
			}
			if err := claim.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDaemonThatDoesNotStart(t *testing.T) {
	t.Run("says why", func(t *testing.T) {
		dir := home(t)
		t.Setenv(modeVar, "refuse")
		err := daemon.Start(t.Context(), dir)
		if e, ok := errors.AsType[*fault.Error](err); !ok || e.Code != fault.Denied || e.Error() != "serve: not today" || e.Remedy == "" {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("just dies", func(t *testing.T) {
		dir := home(t)
		t.Setenv(modeVar, "die")
		err := daemon.Start(t.Context(), dir)
		if e, ok := errors.AsType[*fault.Error](err); !ok || !strings.Contains(strings.Join(e.Log, "\n"), "last words") {
			t.Errorf("error is %#v", err)
		}
	})
}

// An asleep keeper makes no system call.
func TestIdleKeeperSleeps(t *testing.T) {
	dir := home(t)
	_, guard := start(t, dir)
	<-time.After(time.Second) // let the start settle; then measure
	before := switches(t, guard)
	<-time.After(3 * time.Second)
	if after := switches(t, guard); after != before {
		t.Errorf("idle, its threads were switched: %s, then %s", before, after)
	}
}

// switches gives the context switches of each thread.
func switches(t *testing.T, pid int) (all string) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "voluntary") {
				all += strings.TrimSpace(strings.TrimPrefix(line, "voluntary_ctxt_switches:")) + " "
			}
		}
	}
	return all
}
