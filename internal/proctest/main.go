package proctest

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	roleVar = "TEND_TEST_ROLE" // which role this process plays
	runVar  = "TEND_TEST_RUN"  // marks every process that a test run started
)

// settle is how long the end of a test run waits for what is still going away.
const settle = 5 * time.Second

// Role is a part that the test binary plays when it is started again.
type Role struct {
	Name string
	Run  func(args []string) int // args are os.Args[1:]; the result is the exit code
}

// Main runs the tests, or the role that the environment names, and exits. After
// tests that passed it fails the run when a goroutine, a descriptor or a process
// is left over, or when no test used one of the roles.
func Main(m *testing.M, roles ...Role) {
	if name := os.Getenv(roleVar); name != "" {
		os.Unsetenv(roleVar) // its own children are no roles
		os.Exit(play(name, roles))
	}
	os.Exit(run(m, roles))
}

func play(name string, roles []Role) int {
	for _, r := range roles {
		if r.Name == name {
			return r.Run(os.Args[1:])
		}
	}
	fmt.Fprintf(os.Stderr, "proctest: no role %q in this test binary\n", name)
	return 125
}

func run(m *testing.M, roles []Role) int {
	warmUp()
	marker := strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	os.Setenv(runVar, marker)
	// A program built with -race waits for a second at its end, for races of others
	// to be told. Ours are started by the hundred.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	before := descriptors()
	code := m.Run()
	if code != 0 {
		return code
	}
	for _, leak := range leaks(before, marker) {
		fmt.Fprintln(os.Stderr, "proctest: left over:", leak)
		code = 1
	}
	if whole() {
		for _, r := range roles {
			if _, ok := used.Load(r.Name); !ok {
				fmt.Fprintf(os.Stderr, "proctest: no test used role %q\n", r.Name)
				code = 1
			}
		}
	}
	return code
}

// whole tells that all tests ran: none was filtered out or left out as slow.
func whole() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return !testing.Short() && len(allNodes()) > 0
}

var used sync.Map // role names that Command or RoleEnv gave out

// RoleEnv returns the assignment that makes the test binary play a role.
func RoleEnv(name string) string {
	used.Store(name, true)
	return roleVar + "=" + name
}

// Self returns the path of the test binary.
func Self() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}

// Command returns the test binary in a role, not yet started. The environment
// is this process's own and the role's mark.
func Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(Self(), args...)
	cmd.Env = append(os.Environ(), RoleEnv(name))
	cmd.Stderr = os.Stderr
	return cmd
}

// FreeAddress is one of this machine, "127.0.0.1:PORT", that nobody listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// warmUp makes the runtime open the descriptors that it keeps for good.
func warmUp() {
	r, w, err := os.Pipe()
	if err == nil {
		r.Close()
		w.Close()
	}
	exec.Command("/bin/true").Run()
}

// leaks waits until nothing is left over, or reports what is.
func leaks(before map[string]string, marker string) (found []string) {
	for deadline := time.Now().Add(settle); ; time.Sleep(20 * time.Millisecond) {
		found = found[:0]
		for fd, what := range descriptors() {
			if before[fd] != what {
				found = append(found, "descriptor "+fd+": "+what)
			}
		}
		found = append(found, children()...)
		found = append(found, marked(marker)...)
		if len(found) == 0 || time.Now().After(deadline) {
			break
		}
	}
	sort.Strings(found)
	if err := goleak.Find(
		goleak.IgnoreTopFunction("os/signal.signal_recv"), // never ends once os/signal is used
		goleak.IgnoreTopFunction("os/signal.loop"),
	); err != nil {
		found = append(found, err.Error())
	}
	return found
}

// descriptors maps each open descriptor to what it is.
func descriptors() map[string]string {
	dir := "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	open := map[string]string{}
	for _, e := range entries {
		// The folder's own descriptor is gone by now, and so fails here.
		if what, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			open[e.Name()] = what
		}
	}
	return open
}

// children lists the processes that this one has not reaped.
func children() (left []string) {
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for _, pid := range strings.Fields(string(text)) {
			left = append(left, "child "+pid+": "+commandLine(pid))
		}
	}
	return left
}

// marked lists the other processes that this run started, directly or not.
func marked(marker string) (left []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	self := strconv.Itoa(os.Getpid())
	for _, f := range files {
		pid := filepath.Base(filepath.Dir(f))
		if pid == self {
			continue
		}
		env, err := os.ReadFile(f)
		if err == nil && strings.Contains("\x00"+string(env), "\x00"+runVar+"="+marker+"\x00") {
			left = append(left, "process "+pid+": "+commandLine(pid))
		}
	}
	return left
}

func commandLine(pid string) string {
	text, _ := os.ReadFile("/proc/" + pid + "/cmdline")
	if len(text) == 0 {
		text, _ = os.ReadFile("/proc/" + pid + "/comm")
	}
	return strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " "))
}
