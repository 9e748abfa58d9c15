package child_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/ipc"
)

// showRun starts the role "show" and returns what it says.
func showRun(t *testing.T, cmd child.Command) (shown, *child.Process) {
	t.Helper()
	cmd.Path = proctest.Self()
	cmd.Env = append(slices.Clip(cmd.Env), proctest.RoleEnv("show"), "GORACE=atexit_sleep_ms=0") // see proctest.Main
	if cmd.Stdio == nil {
		cmd.Stdio = []child.Stdio{child.Ignore(), child.Pipe(), child.Inherit(2)}
	}
	p := spawn(t, cmd)
	text, err := io.ReadAll(p.Pipe(1))
	if err != nil {
		t.Fatal(err)
	}
	var s shown
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if exit, err := p.Wait(soon(t)); err != nil || exit.Code != 0 {
		t.Fatalf("%v, %v", exit, err)
	}
	return s, p
}

func TestArgumentsDirectoryAndGroup(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, p := showRun(t, child.Command{Args: []string{"a b", "", "ü"}, Dir: dir, Argv0: "shown"})
	if want := []string{"shown", "a b", "", "ü"}; !slices.Equal(s.Args, want) {
		t.Errorf("arguments %q, want %q", s.Args, want)
	}
	if s.Dir != dir {
		t.Errorf("dir %q, want %q", s.Dir, dir)
	}
	own, _, _ := syscall.Syscall(syscall.SYS_GETSID, 0, 0, 0)
	if s.PGID != p.PID() || s.SID != int(own) {
		t.Errorf("group %d, session %d; want %d, %d", s.PGID, s.SID, p.PID(), own)
	}
}

func TestSession(t *testing.T) {
	s, p := showRun(t, child.Command{Session: true})
	if s.PGID != p.PID() || s.SID != p.PID() {
		t.Errorf("group %d, session %d; want both %d", s.PGID, s.SID, p.PID())
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("NODE_CHANNEL_FD", "7")
	t.Setenv("NODE_CHANNEL_SERIALIZATION_MODE", "advanced")
	t.Setenv("NODE_UNIQUE_ID", "3")
	t.Setenv(child.MarkerVar, "outer")
	t.Setenv("KEPT", "yes")

	entries := func(s shown, prefix string) (found []string) {
		for _, e := range s.Env {
			if strings.HasPrefix(e, prefix) {
				found = append(found, e)
			}
		}
		return found
	}
	t.Run("inherited", func(t *testing.T) {
		// A nil Env cannot name the role: it goes through this process's own.
		name, value, _ := strings.Cut(proctest.RoleEnv("show"), "=")
		t.Setenv(name, value)
		p := spawn(t, child.Command{Path: proctest.Self(), Stdio: []child.Stdio{{}, child.Pipe(), child.Inherit(2)}})
		var s shown
		if err := json.NewDecoder(p.Pipe(1)).Decode(&s); err != nil {
			t.Fatal(err)
		}
		if got := append(entries(s, "NODE_CHANNEL"), entries(s, "NODE_UNIQUE")...); got != nil {
			t.Errorf("the channel of the parent reached the child: %q", got)
		}
		if got := entries(s, "KEPT="); len(got) != 1 {
			t.Errorf("KEPT: %q", got)
		}
		if got := entries(s, child.MarkerVar+"="); len(got) != 1 || got[0] == child.MarkerVar+"=outer" {
			t.Errorf("marker %q, want one of its own", got)
		}
	})
	t.Run("given", func(t *testing.T) {
		s, _ := showRun(t, child.Command{Env: []string{"A=1", "NODE_UNIQUE_ID=5", "A=2"}, Tree: "mine"})
		want := []string{child.MarkerVar + "=mine", "NODE_UNIQUE_ID=5", "A=2", proctest.RoleEnv("show")}
		if got := s.Env[:3]; !slices.Equal(got, want[:3]) {
			t.Errorf("environment %q, want %q", got, want[:3])
		}
	})
	for _, mode := range []ipc.Serialization{ipc.JSON, ipc.Advanced} {
		t.Run("channel "+mode.String(), func(t *testing.T) {
			stdio := []child.Stdio{{}, child.Pipe(), child.Inherit(2), {}, {}, child.IPC(mode)}
			s, p := showRun(t, child.Command{Env: []string{"NODE_CHANNEL_FD=9"}, Stdio: stdio})
			want := []string{"NODE_CHANNEL_SERIALIZATION_MODE=" + mode.String(), "NODE_CHANNEL_FD=5"}
			if got := entries(s, "NODE_"); !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			if !strings.HasPrefix(s.Files[5], "socket:") {
				t.Errorf("descriptor 5 is %q", s.Files[5])
			}
			conn := p.Conn()
			if conn == nil || p.Conn() != nil {
				t.Error("the channel goes to the first caller and to no other")
			}
			conn.Close()
		})
	}
}

func TestStdioLayouts(t *testing.T) {
	// A descriptor that somebody gave this process without close-on-exec stays here.
	stray, err := syscall.Dup(2)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(stray)
	f, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const null = "/dev/null"
	for _, c := range []struct {
		name  string
		stdio []child.Stdio
		want  map[int]string // prefixes; any other descriptor is closed
	}{
		{"least", []child.Stdio{{}, child.Pipe()}, map[int]string{0: null, 1: "pipe:", 2: null}},
		{"pipes", []child.Stdio{child.Pipe(), child.Pipe(), child.Pipe()}, map[int]string{0: "pipe:", 1: "pipe:", 2: "pipe:"}},
		{"file", []child.Stdio{{}, child.Pipe(), child.File(f)}, map[int]string{0: null, 1: "pipe:", 2: f.Name()}},
		{"one file twice", []child.Stdio{child.File(f), child.Pipe(), child.File(f)}, map[int]string{0: f.Name(), 1: "pipe:", 2: f.Name()}},
		{"gaps", []child.Stdio{{}, child.Pipe(), {}, {}, child.Pipe(), {}, child.File(f)}, map[int]string{0: null, 1: "pipe:", 2: null, 4: "socket:", 6: f.Name()}},
		{"shuffled", []child.Stdio{child.Inherit(2), child.Pipe(), child.Inherit(1), child.Inherit(0)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want == nil {
				c.want = map[int]string{1: "pipe:"}
				for fd, from := range map[int]string{0: "2", 2: "1", 3: "0"} {
					c.want[fd], _ = os.Readlink("/proc/self/fd/" + from)
				}
			}
			s, _ := showRun(t, child.Command{Stdio: c.stdio})
			for fd := range 20 {
				got, open := s.Files[fd]
				if want, ok := c.want[fd]; ok != open || !strings.HasPrefix(got, want) {
					t.Errorf("descriptor %d is %q, want %q", fd, got, want)
				}
			}
		})
	}
}

func TestPipesCarryBothWays(t *testing.T) {
	p := spawn(t, child.Command{
		Path: "/bin/sh", Args: []string{"-c", `read x; echo "out $x"; echo "err $x" >&2; read y <&4; echo "back $y" >&4`},
		Stdio: []child.Stdio{child.Pipe(), child.Pipe(), child.Pipe(), {}, child.Pipe()},
	})
	io.WriteString(p.Pipe(0), "one\n")
	io.WriteString(p.Pipe(4), "two\n")
	for fd, want := range map[int]string{1: "out one\n", 2: "err one\n", 4: "back two\n"} {
		if got, err := io.ReadAll(p.Pipe(fd)); err != nil || string(got) != want {
			t.Errorf("descriptor %d: %q, %v; want %q", fd, got, err, want)
		}
	}
	if p.Pipe(3) != nil || p.Conn() != nil {
		t.Error("ends that nobody asked for")
	}
}

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	noX := write(t, "plain", "#!/bin/sh\n", 0o644)
	badInterpreter := write(t, "script", "#!/no/such/interpreter -x\n", 0o755)
	crlf := write(t, "crlf", "#!/bin/sh\r\necho\r\n", 0o755)
	garbage := write(t, "garbage", "\x00\x01\x02", 0o755)
	closed, err := os.CreateTemp(dir, "closed")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	sh := "/bin/sh"
	for _, c := range []struct {
		name  string
		cmd   child.Command
		fault child.Fault
		is    error
		text  string
	}{
		{"nothing", child.Command{}, child.BadProgram, fs.ErrNotExist, "no program given"},
		{"not in PATH", child.Command{Path: "nod"}, child.BadProgram, fs.ErrNotExist, "spawn nod: no such program in PATH"},
		{"no PATH", child.Command{Path: "sh", Env: []string{}}, child.BadProgram, fs.ErrNotExist, "no such program in PATH"},
		{"in PATH, no x", child.Command{Path: "plain", Env: []string{"PATH=" + filepath.Dir(noX)}}, child.BadProgram, fs.ErrPermission, "not executable"},
		{"missing file", child.Command{Path: dir + "/none"}, child.BadProgram, fs.ErrNotExist, "no such file"},
		{"missing file, good dir", child.Command{Path: "./none", Dir: dir}, child.BadProgram, fs.ErrNotExist, "no such file"},
		{"below a file", child.Command{Path: noX + "/x"}, child.BadProgram, syscall.ENOTDIR, "not a directory"},
		{"folder", child.Command{Path: dir}, child.BadProgram, fs.ErrPermission, "is a folder"},
		{"no x", child.Command{Path: noX}, child.BadProgram, fs.ErrPermission, "not executable"},
		{"no interpreter", child.Command{Path: badInterpreter}, child.BadProgram, fs.ErrNotExist, "/no/such/interpreter"},
		{"interpreter with CR", child.Command{Path: crlf}, child.BadProgram, fs.ErrNotExist, `/bin/sh\r`},
		{"garbage", child.Command{Path: garbage}, child.BadProgram, syscall.ENOEXEC, "not a program"},
		{"no dir", child.Command{Path: sh, Dir: dir + "/none"}, child.BadDir, fs.ErrNotExist, dir + "/none: no such folder"},
		{"dir is a file", child.Command{Path: sh, Dir: noX}, child.BadDir, syscall.ENOTDIR, "not a folder"},
		{"both missing", child.Command{Path: dir + "/none", Dir: dir + "/none"}, child.BadDir, fs.ErrNotExist, "no such folder"},
		{"closed file", child.Command{Path: sh, Stdio: []child.Stdio{child.File(closed)}}, child.BadStdio, os.ErrClosed, "descriptor 0"},
		{"nil file", child.Command{Path: sh, Stdio: []child.Stdio{{}, child.File(nil)}}, child.BadStdio, os.ErrInvalid, "descriptor 1"},
		{"closed number", child.Command{Path: sh, Stdio: []child.Stdio{child.Inherit(9999)}}, child.BadStdio, os.ErrClosed, "inherit 9999"},
		{"two channels", child.Command{Path: sh, Stdio: []child.Stdio{child.Pipe(), {}, {}, child.IPC(ipc.JSON), child.IPC(ipc.JSON)}}, child.BadStdio, nil, "second channel"},
		{"zero byte", child.Command{Path: sh, Args: []string{"a\x00b"}}, child.BadArguments, syscall.EINVAL, "zero byte"},
		{"too long", child.Command{Path: sh, Args: []string{strings.Repeat("x", 1<<20)}}, child.BadArguments, syscall.E2BIG, "too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := child.Start(c.cmd)
			if p != nil || err == nil {
				t.Fatalf("%v, %v", p, err)
			}
			serr, ok := errors.AsType[*child.StartError](err)
			if !ok || serr.Fault != c.fault || (c.is != nil && !errors.Is(err, c.is)) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v (%#v), want fault %v, %v, with %q", err, err, c.fault, c.is, c.text)
			}
		})
	}
}

func TestRelativePathIsRelativeToDir(t *testing.T) {
	path := write(t, "prog", "#!/bin/sh\nexit 3\n", 0o755)
	p := spawn(t, child.Command{Path: "./prog", Dir: filepath.Dir(path)})
	if exit, err := p.Wait(soon(t)); err != nil || exit.Code != 3 {
		t.Errorf("%v, %v", exit, err)
	}
}

func TestPathOfTheChildCounts(t *testing.T) {
	path := write(t, "only-here", "#!/bin/sh\nexit 4\n", 0o755)
	p := spawn(t, child.Command{Path: "only-here", Env: []string{"PATH=relative::" + filepath.Dir(path)}})
	if exit, err := p.Wait(soon(t)); err != nil || exit.Code != 4 {
		t.Errorf("%v, %v", exit, err)
	}
}

func TestCredential(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const nobody = 65534
	// The test binary may be in a folder that others cannot enter.
	p := spawn(t, child.Command{
		Path: "/bin/sh", Args: []string{"-c", "id -u; id -g; id -G"}, Dir: "/",
		Stdio:      []child.Stdio{{}, child.Pipe(), child.Inherit(2)},
		Credential: &child.Credential{UID: nobody, GID: nobody, Groups: []uint32{7, 8}},
	})
	if got, want := lines(t, p, 3), []string{"65534", "65534", "65534 7 8"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}

	private := t.TempDir()
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := child.Start(child.Command{Path: "/bin/sh", Dir: private, Credential: &child.Credential{UID: nobody, GID: nobody}})
	serr, ok := errors.AsType[*child.StartError](err)
	if !ok || serr.Fault != child.BadDir || !strings.Contains(err.Error(), "no access to") {
		t.Errorf("private dir: %v", err)
	}
}

func TestCredentialNotPermitted(t *testing.T) {
	// As root, this goes through a role that is not.
	if os.Geteuid() != 0 {
		_, err := child.Start(child.Command{Path: "/bin/sh", Credential: &child.Credential{UID: 0, GID: 0}})
		if serr, ok := errors.AsType[*child.StartError](err); !ok || serr.Fault != child.BadCredential {
			t.Errorf("%v", err)
		}
		return
	}
	self := copySelf(t)
	p := spawn(t, child.Command{
		Path: self, Args: []string{"0", "/bin/sh"}, Dir: "/",
		Env:        append(os.Environ(), proctest.RoleEnv("start")),
		Stdio:      []child.Stdio{{}, child.Pipe(), child.Inherit(2)},
		Credential: &child.Credential{UID: 65534, GID: 65534},
	})
	if got := lines(t, p, 1)[0]; !strings.HasPrefix(got, "true credential spawn /bin/sh: uid 0, gid 0: not permitted") {
		t.Errorf("%q", got)
	}
}

// copySelf copies the test binary to where every user can run it.
func copySelf(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tend-child-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	text, err := os.ReadFile(proctest.Self())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "self")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExitStatus(t *testing.T) {
	for _, c := range []struct {
		line string
		want child.Exit
		text string
	}{
		{"exit 0", child.Exit{}, "exit 0"},
		{"exit 42", child.Exit{Code: 42}, "exit 42"},
		{"kill -KILL $$", child.Exit{Code: -1, Signal: syscall.SIGKILL}, "SIGKILL"},
		{"kill -TERM $$", child.Exit{Code: -1, Signal: syscall.SIGTERM}, "SIGTERM"},
		{"ulimit -c 0; kill -SEGV $$", child.Exit{Code: -1, Signal: syscall.SIGSEGV}, "SIGSEGV"},
	} {
		p := spawn(t, shell(c.line, nil))
		if exit, err := p.Wait(soon(t)); err != nil || exit != c.want || exit.String() != c.text {
			t.Errorf("%s: %v, %v; want %v", c.line, exit, err, c.want)
		}
		if p.Exit() != c.want {
			t.Errorf("%s: Exit is %v", c.line, p.Exit())
		}
		for _, err := range []error{p.Signal(syscall.SIGTERM), p.SignalTree(syscall.SIGTERM)} {
			if !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("%s: signal after the end: %v", c.line, err)
			}
		}
	}
}

func TestCoreFlag(t *testing.T) {
	pattern, _ := os.ReadFile("/proc/sys/kernel/core_pattern")
	if s := strings.TrimSpace(string(pattern)); s == "" || strings.ContainsAny(s, "|/") {
		t.Skipf("cores go to %q here", s)
	}
	cmd := shell("ulimit -c unlimited || exit 9; kill -SEGV $$", nil)
	cmd.Dir = t.TempDir()
	p := spawn(t, cmd)
	exit, err := p.Wait(soon(t))
	if exit.Code == 9 {
		t.Skip("the hard limit forbids core dumps")
	}
	if err != nil || exit.Signal != syscall.SIGSEGV || !exit.Core {
		t.Errorf("%+v, %v", exit, err)
	}
	if exit.String() != "SIGSEGV (core dumped)" {
		t.Errorf("%q", exit)
	}
}

// A thousand children cost a handful of threads, and leave nothing.
func TestManyChildrenFewThreads(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 100
	}
	threads := func() int {
		entries, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := threads()
	var all []*child.Process
	defer func() {
		for _, p := range all {
			p.Signal(syscall.SIGKILL)
		}
		for i, p := range all {
			exit, err := p.Wait(soon(t))
			if err != nil || exit.Signal != syscall.SIGKILL {
				t.Fatalf("child %d: %v, %v", i, exit, err)
			}
			p.Close()
		}
	}()
	for range n {
		p, err := child.Start(child.Command{Path: "sleep", Args: []string{"1000"}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	after := threads()
	t.Log(strconv.Itoa(before) + " threads before, " + strconv.Itoa(after) + " with " + strconv.Itoa(n) + " children")
	if after > before+16 {
		t.Errorf("%d threads before, %d with %d children", before, after, n)
	}
}
