package procs

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
)

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Role{Name: "burn", Run: burn}, proctest.Role{Name: "adopt", Run: adopt})
}

// burn uses a processor until its standard input ends.
func burn([]string) int {
	var ended atomic.Bool
	go func() {
		os.Stdin.Read(make([]byte, 1))
		ended.Store(true)
	}()
	os.Stdout.WriteString("up\n")
	for !ended.Load() {
	}
	return 0
}

func TestParseStat(t *testing.T) {
	const rest = " S 1 2 3 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 7 0 12345 1000000 10 18446744073709551615 1 1 0 0"
	for _, name := range []string{"sh", "a b", "(x) S 9", "((", "))", "\n", "", "with)S 1 1 1 (", strings.Repeat("k", 64)} {
		s, err := parseStat([]byte("42 (" + name + ")" + rest))
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if s.PID != 42 || s.State != 'S' || s.PPID != 1 || s.PGID != 2 || s.SID != 3 || s.Threads != 7 ||
			s.CPU() != 2*time.Second || s.Start != 123450*time.Millisecond || s.RSS != 10*pageSize || s.Comm() != name {
			t.Errorf("%q: %+v, comm %q", name, s, s.Comm())
		}
	}
	for _, text := range []string{"", "42", "42 (sh", "42 (sh)", "42 (sh) ", "42 (sh) S 1 2 3", ") 42 (", "(sh) S" + rest} {
		if s, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q: %+v, want an error", text, s)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (a) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 1 1 1 1"))
	f.Add([]byte("1 ()"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := parseStat(text); err == nil && s.PID <= 0 {
			t.Errorf("%q gives process %d", text, s.PID)
		}
	})
}

func TestAlive(t *testing.T) {
	for _, c := range []struct {
		state   byte
		threads int
		want    bool
	}{{'R', 1, true}, {'S', 9, true}, {'D', 1, true}, {'T', 1, true}, {'Z', 1, false}, {'Z', 3, true}, {'Z', 0, false}, {'X', 1, false}} {
		if s := (Stat{State: c.state, Threads: c.threads}); s.Alive() != c.want {
			t.Errorf("%c with %d threads: alive %v", c.state, c.threads, s.Alive())
		}
	}
}

func TestLookup(t *testing.T) {
	env := []byte("A=1\x00AB=2\x00B=\x00A=3\x00odd\x00C=x=y")
	for key, want := range map[string]string{"A": "1", "AB": "2", "B": "", "C": "x=y"} {
		if got, ok := Lookup(env, key); !ok || got != want {
			t.Errorf("%s: %q, %v", key, got, ok)
		}
	}
	for _, key := range []string{"", "odd", "D", "a"} {
		if got, ok := Lookup(env, key); ok {
			t.Errorf("%q: %q", key, got)
		}
	}
}

func TestCalled(t *testing.T) {
	named := func(comm string, args ...string) *Process {
		p := &Process{Args: args}
		p.commLen = uint8(copy(p.comm[:], comm))
		return p
	}
	for _, c := range []struct {
		p    *Process
		name string
		want bool
	}{
		{named("node", "/usr/bin/node", "app.js"), "node", true},
		{named("node", "/usr/bin/node", "app.js"), "/usr/bin/node", true},
		{named("node", "/usr/bin/node", "app.js"), "app.js", false},
		{named("MainThread", "node", "app.js"), "node", true},
		{named("MainThread", "node", "app.js"), "MainThread", true},
		{named("node", "web worker 1"), "web worker 1", true},
		{named("node", "web worker 1"), "web", true},
		{named("node", "web worker 1"), "worker", false},
		{named("a-rather-long-n", "/opt/a-rather-long-name"), "a-rather-long-name", true},
		{named("a-rather-long-n", "/opt/a-rather-long-name"), "a-rather-long-none", false},
		{named("kthreadd"), "kthreadd", true},
		{named("a-rather-long-n"), "a-rather-long-name", true},
		{named(""), "", false},
		{named("sh", ""), "", false},
	} {
		if got := c.p.Called(c.name); got != c.want {
			t.Errorf("%q %q called %q: %v", c.p.Comm(), c.p.Args, c.name, got)
		}
	}
}

func TestSelf(t *testing.T) {
	p, err := Get(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if p.PPID != os.Getppid() || p.PGID != syscall.Getpgrp() || !slices.Equal(p.Args, os.Args) || !p.Alive() || p.RSS == 0 || p.Threads < 2 {
		t.Errorf("%+v", p)
	}
	if age := time.Since(p.StartedAt()); age < 0 || age > time.Hour {
		t.Errorf("started %v ago", age)
	}
	found, err := Find(p.Args[0])
	if err != nil || !slices.ContainsFunc(found, func(o Process) bool { return o.PID == p.PID }) {
		t.Errorf("Find(%q) does not find this process: %v", p.Args[0], err)
	}
	if _, err := Get(1 << 30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a process that is not there: %v", err)
	}
}

// shell starts a shell line and waits for n lines of it.
func shell(t *testing.T, line string, n int) (*exec.Cmd, []string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", line)
	lines := begin(t, cmd)
	var got []string
	for len(got) < n && lines.Scan() {
		got = append(got, lines.Text())
	}
	return cmd, got
}

// begin starts a command, which ends with the test, and returns what it says.
func begin(t *testing.T, cmd *exec.Cmd) *bufio.Scanner {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	})
	return bufio.NewScanner(out)
}

func TestTree(t *testing.T) {
	cmd, said := shell(t, `sh -c 'echo $$; sleep 1000 & echo $!; wait' & sleep 1000 & echo $!; wait`, 3)
	want := []int{cmd.Process.Pid}
	for _, text := range said {
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, pid)
	}
	slices.Sort(want)
	var r Reader
	all, err := r.All()
	if err != nil {
		t.Fatal(err)
	}
	root, _ := all.Get(cmd.Process.Pid)
	walked, err := Tree(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for how, tree := range map[string][]Stat{"walk": walked, "table": all.Tree(root)} {
		var got []int
		for i, s := range tree {
			got = append(got, s.PID)
			if slices.ContainsFunc(tree[i:], func(o Stat) bool { return o.PID == s.PPID }) {
				t.Errorf("%s: %d comes before its parent", how, s.PID)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", how, got, want)
		}
	}
}

func TestEnviron(t *testing.T) {
	t.Setenv("LONG", strings.Repeat("x", 100_000)) // more than one read
	t.Setenv("ZZ_LAST", "found")
	// It speaks and then stays as it is: a process in the middle of an exec has
	// no environment to show.
	cmd, _ := shell(t, "echo; kill -STOP $$", 1)
	if value, ok, err := Environ(cmd.Process.Pid, "ZZ_LAST"); err != nil || !ok || value != "found" {
		t.Errorf("%q, %v, %v", value, ok, err)
	}
	if _, ok, err := Environ(cmd.Process.Pid, "NOT_THERE"); err != nil || ok {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestSampler(t *testing.T) {
	cmd := proctest.Command("burn")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	out.Read(make([]byte, 3))

	idle, _ := shell(t, "echo; exec sleep 1000", 1)
	roots := []int{cmd.Process.Pid, idle.Process.Pid, 1 << 30, 0}
	many := append(slices.Clone(roots), make([]int, scanAbove)...)
	for _, roots := range [][]int{roots, many} {
		var s Sampler
		first := s.Sample(roots)
		if first[0].RSS == 0 || first[0].Processes != 1 || first[1].Processes != 1 || first[2] != (Usage{}) || first[3] != (Usage{}) {
			t.Errorf("first sample %+v", first)
		}
		for burnt := first[0].Time; burnt < first[0].Time+5*tick; { // until it surely ran
			st, err := s.r.Stat(cmd.Process.Pid)
			if err != nil {
				t.Fatal(err)
			}
			burnt = st.CPU()
		}
		second := s.Sample(roots)
		if u := second[0]; u.CPU <= 0 || u.CPU > 250 || u.Time < first[0].Time+5*tick {
			t.Errorf("busy: %+v after %+v", u, first[0])
		}
		if u := second[1]; u.CPU > 50 {
			t.Errorf("idle: %+v", u)
		}
	}
}

func BenchmarkSample(b *testing.B) {
	roots := []int{os.Getpid()}
	for _, n := range []int{1, 100} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for len(roots) < n {
				roots = append(roots, os.Getpid())
			}
			var s Sampler
			b.ReportAllocs()
			for b.Loop() {
				s.Sample(roots[:n])
			}
		})
	}
}

// A table is not of one moment: whose parent had ended when it was read may have lost it.
func TestEachOrphan(t *testing.T) {
	table := Table{stats: []Stat{
		{PID: 1, State: 'S'},
		{PID: 9, PPID: 1, State: 'S'},
		{PID: 20, PPID: 9, State: 'S'},
		{PID: 10, PPID: 9, State: 'Z', Threads: 1},
		{PID: 30, PPID: 10, State: 'S'},
		{PID: 11, PPID: 9, State: 'Z', Threads: 2},
		{PID: 31, PPID: 11, State: 'S'},
		{PID: 12, PPID: 9, State: 'S'},
		{PID: 32, PPID: 12, State: 'S'},
		{PID: 33, PPID: 12, State: 'Z', Threads: 1},
		{PID: 40, PPID: 39, State: 'S'},
		{PID: 41, PPID: 39, State: 'Z', Threads: 1},
	}}
	table.sort()
	var got []int
	table.EachOrphan(func(pid int) bool { return pid == 1 }, func(s *Stat) { got = append(got, s.PID) })
	slices.Sort(got)
	if want := []int{1, 9, 30, 40}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
