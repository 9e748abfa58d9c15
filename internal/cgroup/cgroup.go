// Package cgroup has the kernel limit what process trees use of memory and CPU:
// by control groups of version 2 or, where a controller is still there, of version
// 1. It knows no app.
//
// A process starts in its group, so nothing of it escapes. Groups that cannot be made are an error that says what to do.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/tendproc/tend/internal/fault"
)

// Groups makes groups, all below one name.
type Groups struct {
	name string
	h    hierarchies
}

// New returns what makes groups below name, in the hierarchies of this process.
func New(name string) *Groups {
	own, _ := os.ReadFile("/proc/self/cgroup") // without it there are none
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	return &Groups{name: name, h: parse(string(own), string(mounts))}
}

// Group is the groups of one process tree. The nil group limits nothing.
type Group struct {
	v2 string            // folder, "" for none
	v1 map[string]string // folders by controller
	fd *os.File          // of v2, until the process has started

	home map[string]string // of v1: where this process's threads belong
}

// Make makes a group called id with limits, in place of one that is there.
func (g *Groups) Make(id string, l Limits) (*Group, error) {
	made := &Group{v1: map[string]string{}, home: map[string]string{}}
	var in2 []string
	for _, c := range l.needs() {
		p, old := g.h.v1[c]
		if !old {
			in2 = append(in2, c)
			continue
		}
		dir, err := g.folder(p, id)
		if err == nil {
			made.v1[c], made.home[c] = dir, p.own
			err = write(dir, l.settings1(c))
		}
		if err != nil {
			made.Remove()
			return nil, refused(c, err)
		}
	}
	if len(in2) == 0 {
		return made, nil
	}
	if err := g.make2(made, id, l, in2); err != nil {
		made.Remove()
		return nil, refused(in2[0], err)
	}
	return made, nil
}

// folder makes the folder of a group: below this process's own, else at the top.
func (g *Groups) folder(p place, id string) (dir string, err error) {
	for _, base := range []string{p.own, p.top} {
		dir = filepath.Join(base, g.name, id)
		if err = os.MkdirAll(dir, 0o755); err == nil {
			return dir, nil
		}
	}
	return "", err
}

// make2 makes a group of version 2, where the controllers can be had for those
// below: in this process's group if no process is in it, which is how systemd
// delegates it to a subgroup, else at the top, else in the group above.
func (g *Groups) make2(made *Group, id string, l Limits, controllers []string) error {
	p := g.h.v2
	if p == (place{}) {
		return errNone
	}
	var first error
	for _, base := range []string{p.own, p.top, filepath.Dir(p.own)} {
		dir := filepath.Join(base, g.name)
		err := enable(base, controllers)
		if err == nil {
			err = os.MkdirAll(filepath.Join(dir, id), 0o755)
		}
		if err == nil {
			err = enable(dir, controllers)
		}
		if err == nil {
			made.v2 = filepath.Join(dir, id)
			l2 := Limits{}
			if slices.Contains(controllers, memory) {
				l2.Memory = l.Memory
			}
			if slices.Contains(controllers, cpu) {
				l2.CPU = l.CPU
			}
			if err = write(made.v2, l2.settings2()); err == nil {
				made.fd, err = os.Open(made.v2)
			}
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// enable has the groups below dir use controllers.
func enable(dir string, controllers []string) error {
	have, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	on, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil {
		return err
	}
	var want []string
	for _, c := range controllers {
		if !slices.Contains(strings.Fields(string(have)), c) {
			return fmt.Errorf("%w %s in %s", errNone, c, dir)
		}
		if !slices.Contains(strings.Fields(string(on)), c) {
			want = append(want, "+"+c)
		}
	}
	if len(want) == 0 {
		return nil
	}
	return put(filepath.Join(dir, "cgroup.subtree_control"), strings.Join(want, " "))
}

var errNone = errors.New("the system has no controller")

// write makes the settings of a group. Those that need not be may be missing.
func write(dir string, list []setting) error {
	for _, s := range list {
		if err := put(filepath.Join(dir, s.file), s.value); err != nil && s.must {
			return err
		}
	}
	return nil
}

// put writes to a file of the kernel's, in one piece.
func put(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// Find returns the group called id as it was left, nil if there is none.
func (g *Groups) Find(id string) *Group {
	found := &Group{v1: map[string]string{}}
	for c, p := range g.h.v1 {
		for _, base := range []string{p.own, p.top} {
			if dir := filepath.Join(base, g.name, id); isDir(dir) {
				found.v1[c] = dir
			}
		}
	}
	p := g.h.v2
	for _, base := range []string{p.own, p.top, filepath.Dir(p.own)} {
		if dir := filepath.Join(base, g.name, id); p != (place{}) && isDir(dir) {
			found.v2 = dir
		}
	}
	if found.v2 == "" && len(found.v1) == 0 {
		return nil
	}
	return found
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Folder is the group that a process starts in, nil for none; it is the group's.
func (g *Group) Folder() *os.File {
	if g == nil {
		return nil
	}
	return g.fd
}

// Around runs fork, on whose thread it is called, so that the child starts in the
// groups of version 1: it is where the thread is that forks, which goes there for
// the moment.
func (g *Group) Around(fork func() error) (err error) {
	if g == nil || len(g.v1) == 0 {
		return fork()
	}
	runtime.LockOSThread()
	stuck := false
	defer func() {
		if !stuck { // else the thread ends with its goroutine, and nothing else runs on it
			runtime.UnlockOSThread()
		}
	}()
	for c, dir := range g.v1 {
		if err := put(filepath.Join(dir, tasks), itself); err != nil {
			return refused(c, err)
		}
		defer func() {
			if put(filepath.Join(g.home[c], tasks), itself) != nil {
				stuck = true
			}
		}()
	}
	return fork()
}

// tasks is the file of the threads in a group of version 1; itself, written to
// it, is the thread that writes.
const (
	tasks  = "tasks"
	itself = "0"
)

// Started says that the process is there, or will not be.
func (g *Group) Started() {
	if g != nil && g.fd != nil {
		g.fd.Close()
		g.fd = nil
	}
}

// OutOfMemory says whether something in the group was killed for what it used.
func (g *Group) OutOfMemory() bool {
	return slices.ContainsFunc(g.folders(), func(dir string) bool {
		for _, name := range []string{"memory.events", "memory.oom_control"} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err == nil && counted(string(text), "oom_kill") > 0 {
				return true
			}
		}
		return false
	})
}

// Remove removes the groups, in which nothing runs any more.
func (g *Group) Remove() {
	g.Started()
	for _, dir := range g.folders() {
		if os.Remove(dir) == nil {
			_ = os.Remove(filepath.Dir(dir)) // with the last one
		}
	}
}

func (g *Group) folders() []string {
	if g == nil {
		return nil
	}
	list := slices.Collect(maps.Values(g.v1))
	if g.v2 != "" {
		list = append(list, g.v2)
	}
	return list
}

// Clean removes the groups in which nothing runs, as a former process left them.
func (g *Groups) Clean() {
	places := append(slices.Collect(maps.Values(g.h.v1)), g.h.v2)
	for _, p := range places {
		for _, base := range []string{p.own, p.top, filepath.Dir(p.own)} {
			dirs, _ := filepath.Glob(filepath.Join(base, g.name, "*"))
			for _, dir := range dirs {
				_ = os.Remove(dir) // one in use is kept by the kernel
			}
			_ = os.Remove(filepath.Join(base, g.name))
		}
	}
}

// refused says which limit cannot be kept, why, and what to do.
func refused(controller string, err error) error {
	f := &fault.Error{Code: fault.Unsupported, Field: "--cpu-limit", Message: "the system does not let tend limit the CPU", Err: err}
	instead := "Or leave it out."
	if controller != cpu {
		f.Field, f.Message = "--memory-limit", "the system does not let tend limit the memory"
		instead = "Or use --max-memory-restart, which needs no right."
	}
	switch {
	case errors.Is(err, errNone):
		f.Remedy = "Boot the system with this cgroup controller. " + instead
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		f.Code = fault.Denied
		f.Remedy = "Run tend as root, or as a systemd service with Delegate=yes and DelegateSubgroup=tend. " + instead
	default:
		f.Remedy = "Run tend as a systemd service with Delegate=yes and DelegateSubgroup=tend. " + instead
	}
	return f
}
