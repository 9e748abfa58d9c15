package procs

import (
	"bytes"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Process is a process with its names.
type Process struct {
	Stat
	// Args is what ps shows: the arguments, or one string if the process gave
	// itself a title. Empty for kernel threads and zombies.
	Args []string
}

// Title is the arguments in one line.
func (p *Process) Title() string { return strings.Join(p.Args, " ") }

// commMax is where the kernel cuts the name of a program.
const commMax = 15

// Called tells whether name is one of the process's names: the kernel's, its
// program's (argv[0] or the last element of it), or its title, whole or the
// first word. A process without arguments has only the kernel's name, cut short.
func (p *Process) Called(name string) bool {
	if name == "" {
		return false
	}
	comm := p.Comm()
	if comm == name {
		return true
	}
	if len(p.Args) == 0 {
		return len(comm) == commMax && strings.HasPrefix(name, comm)
	}
	word, _, _ := strings.Cut(p.Args[0], " ")
	return slices.Contains([]string{p.Args[0], path.Base(p.Args[0]), word, path.Base(word), p.Title()}, name)
}

// Get shows one process.
func Get(pid int) (Process, error) {
	var r Reader
	return r.process(pid)
}

func (r *Reader) process(pid int) (p Process, err error) {
	if p.Stat, err = r.Stat(pid); err != nil {
		return p, err
	}
	line, err := r.Cmdline(pid)
	if err != nil {
		return p, err
	}
	line = bytes.TrimRight(line, "\x00") // a title is padded with zero bytes
	if len(line) > 0 {
		p.Args = strings.Split(string(line), "\x00")
	}
	return p, nil
}

// List shows all processes that this one may see, by number.
func List() ([]Process, error) {
	var r Reader
	pids, err := r.Pids(nil)
	if err != nil {
		return nil, err
	}
	list := make([]Process, 0, len(pids))
	for _, pid := range pids {
		if p, err := r.process(pid); err == nil {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Process) int { return a.PID - b.PID })
	return list, nil
}

// Find lists the live processes that are called name, see [Process.Called].
func Find(name string) ([]Process, error) {
	list, err := List()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(p Process) bool { return !p.Alive() || !p.Called(name) }), nil
}

// Tree lists the process pid and all below it, parents before children.
func Tree(pid int) ([]Stat, error) {
	var r Reader
	root, err := r.Stat(pid)
	if err != nil {
		return nil, err
	}
	return r.Descend(root)
}

// Descend lists root and all below it, parents before children. Where the
// kernel does not list children, it looks at every process.
func (r *Reader) Descend(root Stat) ([]Stat, error) {
	tree := []Stat{root}
	var pids []int
	for i := 0; i < len(tree); i++ {
		var err error
		if pids, err = r.Children(&tree[i], pids[:0]); err != nil && i == 0 && root.Alive() {
			all, err := r.All()
			if err != nil {
				return nil, err
			}
			return all.Tree(root), nil
		}
		for _, pid := range pids {
			// A child is never older than its parent: another would have the number.
			if s, err := r.Stat(pid); err == nil && s.Start >= tree[i].Start {
				tree = append(tree, s)
			}
		}
	}
	return tree, nil
}

// Environ looks up key in the environment that the process pid was started with.
func Environ(pid int, key string) (value string, ok bool, err error) {
	var r Reader
	env, err := r.Environ(pid)
	if err != nil {
		return "", false, err
	}
	value, ok = Lookup(env, key)
	return value, ok, nil
}

// Table is all processes at one moment, by parent.
type Table struct {
	byParent map[int][]Stat
	byPID    map[int]Stat
}

// All reads every process that this one may see.
func (r *Reader) All() (*Table, error) {
	pids, err := r.Pids(nil)
	if err != nil {
		return nil, err
	}
	t := &Table{byParent: make(map[int][]Stat), byPID: make(map[int]Stat, len(pids))}
	for _, s := range r.stats(pids) {
		t.byPID[s.PID] = s
		t.byParent[s.PPID] = append(t.byParent[s.PPID], s)
	}
	return t, nil
}

// partSize is how many processes are worth a goroutine: a third of a
// millisecond of the kernel's work.
const partSize = 32

// stats reads many processes, without those that ended, on as many processors
// as there are: whoever asks waits for it.
func (r *Reader) stats(pids []int) []Stat {
	parts := min(runtime.GOMAXPROCS(0), 1+len(pids)/partSize)
	size := (len(pids) + parts - 1) / parts
	read := make([][]Stat, parts)
	var wg sync.WaitGroup
	for i := range parts {
		part := pids[min(i*size, len(pids)):min((i+1)*size, len(pids))]
		one := func(r *Reader) {
			list := make([]Stat, 0, len(part))
			for _, pid := range part {
				if s, err := r.Stat(pid); err == nil {
					list = append(list, s)
				}
			}
			read[i] = list
		}
		if i == parts-1 {
			one(r)
		} else {
			wg.Go(func() { one(new(Reader)) })
		}
	}
	wg.Wait()
	return slices.Concat(read...)
}

// Get shows one process of the table.
func (t *Table) Get(pid int) (Stat, bool) {
	s, ok := t.byPID[pid]
	return s, ok
}

// Children lists the children of pid.
func (t *Table) Children(pid int) []Stat { return t.byParent[pid] }

// Each calls fn with every process, in no order.
func (t *Table) Each(fn func(Stat)) {
	for _, s := range t.byPID {
		fn(s)
	}
}

// Tree lists root and all below it, parents before children.
func (t *Table) Tree(root Stat) []Stat {
	tree := []Stat{root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, t.byParent[tree[i].PID]...)
	}
	return tree
}
