package child_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/proctest"
)

func TestMain(m *testing.M) {
	proctest.Main(m,
		proctest.Role{Name: "show", Run: show},
		proctest.Role{Name: "start", Run: start},
		proctest.Role{Name: "echo", Run: echo},
		proctest.Role{Name: "leave", Run: leave},
		proctest.Role{Name: "reap", Run: reap},
		proctest.Role{Name: "self", Run: self},
		proctest.Role{Name: "reaper", Run: reaper},
		proctest.Role{Name: "nest", Run: nest},
		proctest.Role{Name: "threads", Run: threads},
	)
}

// shown is what the role "show" tells of itself.
type shown struct {
	Args     []string
	Env      []string
	Dir      string
	PGID     int
	SID      int
	UID, GID int
	Groups   []int
	Files    map[int]string
}

// show writes how it was started to standard output.
func show([]string) int {
	s := shown{Args: os.Args, Env: os.Environ(), Files: map[int]string{}, UID: os.Getuid(), GID: os.Getgid()}
	for fd := range 20 {
		if to, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err == nil && !runtimes(to) {
			s.Files[fd] = to
		}
	}
	s.Dir, _ = os.Getwd()
	s.PGID = syscall.Getpgrp()
	stat, _ := os.ReadFile("/proc/self/stat")
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	s.SID, _ = strconv.Atoi(fields[3])
	s.Groups, _ = os.Getgroups()
	if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
		return 1
	}
	return 0
}

// runtimes tells that a descriptor is one that the Go runtime opens for itself.
func runtimes(to string) bool {
	return strings.HasPrefix(to, "anon_inode:") || strings.HasPrefix(to, "/sys/fs/cgroup/")
}

// start tries to start a program as the user args[0] and says what came of it.
func start(args []string) int {
	uid, err := strconv.ParseUint(args[0], 10, 32)
	if err != nil {
		return 2
	}
	cmd := child.Command{Path: args[1], Credential: &child.Credential{UID: uint32(uid), GID: uint32(uid)}}
	p, err := child.Start(cmd)
	if err != nil {
		var serr *child.StartError
		fmt.Println(errors.As(err, &serr), serr.Fault, err)
		return 0
	}
	exit, _ := p.Wait(context.Background())
	fmt.Println(exit)
	return 0
}

// nest leaves a child of its own behind, whose environment has nothing of its.
func nest([]string) int {
	_, err := child.Start(child.Command{
		Path: "/bin/sh", Args: []string{"-c", "echo up; exec /bin/sleep 1000"}, Env: []string{},
		Stdio: []child.Stdio{{}, child.Inherit(1), child.Inherit(2), child.Inherit(3)},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return 5
}

// threads runs a line of the shell in a child of one of its threads, and stays.
func threads(args []string) int {
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", args[0]}, &os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr, os.NewFile(3, "held")}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, _ = p.Wait()
	select {}
}

// soon ends with the test's patience: nothing here waits for its end.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// spawn starts cmd; what is left of it at the end of the test is swept.
func spawn(t testing.TB, cmd child.Command) *child.Process {
	t.Helper()
	p, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Sweep(soon(t)); err != nil {
			t.Error(err)
		}
		p.Wait(soon(t))
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// shell is a command that runs a line, with the write end of held on descriptor 3.
func shell(line string, held *os.File, args ...string) child.Command {
	cmd := child.Command{
		Path: "/bin/sh", Args: append([]string{"-c", line, "sh"}, args...),
		Stdio: []child.Stdio{child.Ignore(), child.Pipe(), child.Inherit(2)},
	}
	if held != nil {
		cmd.Stdio = append(cmd.Stdio, child.File(held))
	}
	return cmd
}

// holders is a pipe whose write end a whole tree holds: its end says that all are gone.
type holders struct{ r, w *os.File }

func newHolders(t testing.TB) *holders {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return &holders{r, w}
}

// gone fails the test if anyone still holds the write end.
func (h *holders) gone(t testing.TB) {
	t.Helper()
	h.w.Close()
	h.r.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := h.r.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("somebody of the tree is left")
	}
}

// lines reads n lines that the process writes.
func lines(t testing.TB, p *child.Process, n int) []string {
	t.Helper()
	f := p.Pipe(1)
	f.SetReadDeadline(time.Now().Add(30 * time.Second))
	var text []byte
	var b [1]byte
	for strings.Count(string(text), "\n") < n {
		if _, err := f.Read(b[:]); err != nil {
			t.Fatalf("after %q: %v", text, err)
		}
		text = append(text, b[0])
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func write(t testing.TB, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}
