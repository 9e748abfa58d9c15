package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m) }

func TestParse(t *testing.T) {
	const hybrid = `32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpu\040acct rw - cgroup cgroup rw,cpuacct
35 31 0:32 /docker/x /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`
	h := parse("4:memory:/docker/x/job\n1:cpu,cpuacct:/\n0::/user.slice\n", hybrid)
	want := hierarchies{
		v1: map[string]place{
			memory: {"/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/job"},
			cpu:    {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu"},
		},
		v2: place{"/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified/user.slice"},
	}
	if len(h.v1) != 2 || h.v1[memory] != want.v1[memory] || h.v1[cpu] != want.v1[cpu] || h.v2 != want.v2 {
		t.Errorf("%+v", h)
	}
	h = parse("0::/system.slice/tend.service\n", "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n")
	if len(h.v1) != 0 || h.v2 != (place{"/sys/fs/cgroup", "/sys/fs/cgroup/system.slice/tend.service"}) {
		t.Errorf("%+v", h)
	}
	if h = parse("", ""); len(h.v1) != 0 || h.v2 != (place{}) {
		t.Errorf("%+v", h)
	}
}

// standIn is a folder that looks like a hierarchy of version 2.
func standIn(t *testing.T, controllers string, dirs ...string) string {
	top := t.TempDir()
	for _, dir := range append([]string{"."}, dirs...) {
		for name, text := range map[string]string{
			"cgroup.controllers": controllers, "cgroup.subtree_control": "",
			"memory.max": "", "memory.swap.max": "", "memory.oom.group": "", "cpu.max": "", "cgroup.procs": "",
		} {
			path := filepath.Join(top, dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return top
}

func read(t *testing.T, parts ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestVersion2(t *testing.T) {
	top := standIn(t, "cpu io memory", "own/tend-1/0.1", "own/tend-1")
	g := &Groups{name: "tend-1", h: hierarchies{v2: place{top, filepath.Join(top, "own")}}}
	if _, err := g.Make("0.1", Limits{Memory: 64 << 20, CPU: 1.5}); err == nil {
		t.Fatal("made where there are no controllers") // the folder own has no files
	}
	top = standIn(t, "cpu io memory", "own", "own/tend-1", "own/tend-1/0.1")
	g.h.v2 = place{top, filepath.Join(top, "own")}
	made, err := g.Make("0.1", Limits{Memory: 64 << 20, CPU: 1.5})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(top, "own/tend-1/0.1")
	for name, want := range map[string]string{
		"memory.max": "67108864", "memory.swap.max": "0", "memory.oom.group": "1", "cpu.max": "150000 100000", "../cgroup.subtree_control": "+memory +cpu",
	} {
		if got := read(t, dir, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if made.Folder() == nil || made.Folder().Name() != dir || g.Find("0.1") == nil || g.Find("0.2") != nil {
		t.Errorf("%+v", made)
	}
	made.Started()
	if made.Folder() != nil {
		t.Error("the folder is still open")
	}
	if made.OutOfMemory() {
		t.Error("nothing was killed")
	}
	if err := os.WriteFile(filepath.Join(dir, "memory.events"), []byte("oom 3\noom_kill 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if !made.OutOfMemory() {
		t.Error("one was killed")
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		h      hierarchies
		l      Limits
		field  string
		code   fault.Code
		remedy string
	}{
		"no hierarchy":  {hierarchies{}, Limits{Memory: 1 << 20}, "--memory-limit", fault.Unsupported, "max-memory-restart"},
		"no controller": {hierarchies{v2: place{standIn(t, "io"), "/nowhere"}}, Limits{CPU: 1}, "--cpu-limit", fault.Unsupported, ""},
		"no right":      {hierarchies{v1: map[string]place{memory: {"/proc/tend", "/proc/tend"}}}, Limits{Memory: 1 << 20}, "--memory-limit", fault.Unsupported, "Delegate=yes"},
	} {
		_, err := (&Groups{name: "tend-1", h: c.h}).Make("0.1", c.l)
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Field != c.field || f.Code != c.code || !strings.Contains(f.Remedy, c.remedy) || f.Remedy == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// real makes a group of this system, or skips.
func real(t *testing.T, l Limits) *Group {
	t.Helper()
	g, err := New("tend-test").Make(t.Name(), l)
	if err != nil {
		t.Skip("no groups here:", err)
	}
	t.Cleanup(g.Remove)
	return g
}

// run runs a shell line in a group.
func run(t *testing.T, g *Group, line string) child.Exit {
	t.Helper()
	p, err := child.Start(child.Command{Path: "/bin/sh", Args: []string{"-c", line}, Cgroup: g.Folder(), Around: g.Around})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	g.Started()
	<-p.Exited()
	return p.Exit()
}

func TestTheKernelKeepsTheMemoryLimit(t *testing.T) {
	g := real(t, Limits{Memory: 32 << 20})
	if exit := run(t, g, "exit 3"); exit.Code != 3 || g.OutOfMemory() {
		t.Errorf("%+v", exit)
	}
	// tail keeps a line that never ends.
	if exit := run(t, g, "head -c 200m /dev/zero | tail >/dev/null"); exit.Code == 0 && exit.Signal == 0 || !g.OutOfMemory() {
		t.Errorf("%+v, out of memory: %v", exit, g.OutOfMemory())
	}
}

func TestTheKernelKeepsTheCPULimit(t *testing.T) {
	g := real(t, Limits{CPU: 0.1})
	run(t, g, "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")
	var stat string
	for _, dir := range g.folders() {
		if text, err := os.ReadFile(filepath.Join(dir, "cpu.stat")); err == nil {
			stat += string(text)
		}
	}
	if counted(stat, "nr_throttled") == 0 {
		t.Errorf("never throttled: %s", stat)
	}
}

// A process starts in its group of version 2; this needs no controller.
func TestStartsInItsGroup(t *testing.T) {
	g := New("tend-test")
	if g.h.v2 == (place{}) {
		t.Skip("no hierarchy of version 2")
	}
	dir := filepath.Join(g.h.v2.own, "tend-test", t.Name())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Skip("no groups here:", err)
	}
	made := g.Find(t.Name())
	t.Cleanup(made.Remove)
	var err error
	if made.fd, err = os.Open(dir); err != nil {
		t.Fatal(err)
	}
	if exit := run(t, made, "grep -q '^0::.*/"+t.Name()+"$' /proc/self/cgroup"); exit.Code != 0 {
		t.Errorf("it started elsewhere: %+v", exit)
	}
}
