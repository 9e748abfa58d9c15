package sys

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// startShell runs a shell line with standard output to the returned pipe.
func startShell(t *testing.T, line string) (pid int, fd *PidFD, out *os.File) {
	t.Helper()
	ours, theirs, err := ChildPipe("out", false)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	pid, fd, err = Spawn{
		Path: "/bin/sh", Argv: []string{"sh", "-c", line}, Env: os.Environ(),
		Files: []int{int(null.Fd()), int(theirs.Fd()), 2},
	}.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		fd.Close()
		ours.Close()
	})
	return pid, fd, ours
}

func TestWaitStatus(t *testing.T) {
	for _, c := range []struct {
		line   string
		code   int
		signal syscall.Signal
	}{
		{"exit 0", 0, 0},
		{"exit 7", 7, 0},
		{"exit 255", 255, 0},
		{"kill -KILL $$", -1, syscall.SIGKILL},
		{"kill -TERM $$", -1, syscall.SIGTERM},
		{"kill -HUP $$", -1, syscall.SIGHUP},
	} {
		_, fd, _ := startShell(t, c.line)
		status, err := fd.Wait()
		if err != nil {
			t.Fatalf("%s: %v", c.line, err)
		}
		if status.ExitStatus() != c.code || (c.signal != 0 && status.Signal() != c.signal) {
			t.Errorf("%s: exit %d, signal %v", c.line, status.ExitStatus(), status.Signal())
		}
		if err := fd.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("%s: signal after the end: %v", c.line, err)
		}
	}
}

func TestEndedHonoursContext(t *testing.T) {
	_, fd, _ := startShell(t, "exec sleep 100")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := fd.Ended(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Ended with a done context: %v", err)
	}
	if err := fd.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := fd.Ended(context.Background()); err != nil {
		t.Errorf("Ended: %v", err)
	}
	if status, err := fd.Wait(); err != nil || status.Signal() != syscall.SIGKILL {
		t.Errorf("Wait after Ended: %v, %v", status, err)
	}
	if _, err := fd.Wait(); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("second Wait: %v, want ECHILD", err)
	}
}

// A child starts with nothing blocked and nothing ignored, whatever its parent does.
func TestChildSignalsAreDefault(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, old unix.Sigset_t
	block.Val[0] = 1 << (unix.SIGUSR1 - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &block, &old); err != nil {
		t.Fatal(err)
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	ignoreThreadSignal(t) // as some programs leave it for those they start
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP, syscall.SIGTSTP)
	defer signal.Reset(syscall.SIGPIPE, syscall.SIGHUP, syscall.SIGTSTP)

	_, fd, out := startShell(t, "exec cat /proc/self/status")
	var buf [8192]byte
	var text strings.Builder
	for {
		n, err := out.Read(buf[:])
		text.Write(buf[:n])
		if err != nil {
			break
		}
	}
	if _, err := fd.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"SigBlk", "SigIgn"} {
		_, rest, ok := strings.Cut(text.String(), field+":\t")
		value, _, _ := strings.Cut(rest, "\n")
		if !ok || strings.Trim(value, "0") != "" {
			t.Errorf("%s of the child is %q, want all zero", field, value)
		}
	}
	var now unix.Sigset_t
	unix.PthreadSigmask(unix.SIG_BLOCK, nil, &now)
	if now.Val[0]&block.Val[0] == 0 {
		t.Error("the parent's own mask was not restored")
	}
	for _, sig := range []os.Signal{syscall.SIGPIPE, syscall.SIGHUP, syscall.SIGTSTP} {
		if !signal.Ignored(sig) {
			t.Errorf("%v is no longer ignored by the parent", sig)
		}
	}
}

func TestSignalGroupOutlivesItsLeader(t *testing.T) {
	_, fd, out := startShell(t, "sleep 100 & echo started; exit 0")
	var buf [64]byte
	if n, err := out.Read(buf[:]); err != nil || string(buf[:n]) != "started\n" {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	if _, err := fd.Wait(); err != nil {
		t.Fatal(err)
	}
	err := fd.SignalGroup(0)
	if errors.Is(err, ErrUnsupported) {
		t.Skip("kernel before 6.9")
	}
	if err != nil {
		t.Fatalf("the group has a member: %v", err)
	}
	if err := fd.SignalGroup(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(buf[:]); err == nil {
		t.Error("the member still holds the pipe")
	}
}

func TestLastPIDMovesWithForks(t *testing.T) {
	before := LastPID()
	if before <= 0 {
		t.Fatalf("LastPID = %d", before)
	}
	_, fd, _ := startShell(t, "exit 0")
	fd.Wait()
	if LastPID() == before {
		t.Error("LastPID is the same after a fork")
	}
}

func TestProcessesCountsThem(t *testing.T) {
	listed, counted := 0, 0
	for range 100 { // others come and go
		listed = 0
		if err := ReadProcDir([]byte("/proc\x00"), func(int, uint64) { listed++ }); err != nil {
			t.Fatal(err)
		}
		if counted = Processes(); counted >= listed {
			return
		}
	}
	t.Errorf("%d, and %d are listed", counted, listed)
}

func TestNumbersSkipsWords(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"12", "x1", "3x", "7", "self"} {
		if err := os.Mkdir(dir+"/"+name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	got := map[int]uint64{}
	if err := ReadProcDir([]byte(dir+"\x00"), func(number int, inode uint64) { got[number] = inode }); err != nil {
		t.Fatal(err)
	}
	want := map[int]uint64{}
	for _, number := range []int{7, 12} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, strconv.Itoa(number)), &st); err != nil {
			t.Fatal(err)
		}
		want[number] = st.Ino
	}
	if !maps.Equal(got, want) {
		t.Errorf("ReadProcDir = %v, want %v", got, want)
	}
}

// ignoreThreadSignal ignores signal 32, for which os/signal has no way.
func ignoreThreadSignal(t *testing.T) {
	t.Helper()
	action := [16]uintptr{1} // SIG_IGN
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, 32, uintptr(unsafe.Pointer(&action)), 0, sigsetSize, 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	if !kernelIgnores(32) {
		t.Fatal("signal 32 is not ignored")
	}
}
