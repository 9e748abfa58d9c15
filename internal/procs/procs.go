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

// Table is processes at one moment.
type Table struct {
	stats []Stat // by parent
	byPID []int  // their places, by number
}

// All reads every process that this one may see.
func (r *Reader) All() (*Table, error) {
	pids, err := r.Pids(nil)
	if err != nil {
		return nil, err
	}
	t := &Table{stats: r.stats(nil, pids)}
	t.sort()
	return t, nil
}

// sort puts in order what was read into stats.
func (t *Table) sort() {
	slices.SortFunc(t.stats, func(a, b Stat) int { return a.PPID - b.PPID })
	t.byPID = t.byPID[:0]
	for i := range t.stats {
		t.byPID = append(t.byPID, i)
	}
	slices.SortFunc(t.byPID, func(a, b int) int { return t.stats[a].PID - t.stats[b].PID })
}

// partSize is how many processes are worth a goroutine: a third of a
// millisecond of the kernel's work.
const partSize = 32

// stats appends many processes to dst, without those that ended. It reads on as
// many processors as there are: whoever asks waits for it.
func (r *Reader) stats(dst []Stat, pids []int) []Stat {
	parts := min(runtime.GOMAXPROCS(0), 1+len(pids)/partSize)
	size := (len(pids) + parts - 1) / parts
	read := slices.Grow(dst, len(pids))[len(dst) : len(dst)+len(pids)]
	one := func(r *Reader, from, to int) {
		for i := from; i < to; i++ {
			read[i], _ = r.Stat(pids[i]) // of nobody, if it ended
		}
	}
	var wg sync.WaitGroup
	for i := 1; i < parts; i++ {
		wg.Go(func() { one(new(Reader), min(i*size, len(pids)), min((i+1)*size, len(pids))) })
	}
	one(r, 0, min(size, len(pids)))
	wg.Wait()
	for _, s := range read {
		if s.PID > 0 {
			dst = append(dst, s)
		}
	}
	return dst
}

// Get shows one process of the table.
func (t *Table) Get(pid int) (Stat, bool) {
	at, ok := slices.BinarySearchFunc(t.byPID, pid, func(i, pid int) int { return t.stats[i].PID - pid })
	if !ok {
		return Stat{}, false
	}
	return t.stats[t.byPID[at]], true
}

// Children lists the children of pid.
func (t *Table) Children(pid int) []Stat {
	at, _ := slices.BinarySearchFunc(t.stats, pid, func(s Stat, pid int) int { return s.PPID - pid })
	end := at
	for end < len(t.stats) && t.stats[end].PPID == pid {
		end++
	}
	return t.stats[at:end:end]
}

// Each calls fn with every process, in no order.
func (t *Table) Each(fn func(Stat)) {
	for _, s := range t.stats {
		fn(s)
	}
}

// EachOrphan calls fn with every live process whose parent reaps what others have
// left, or is not there, or had ended: the table is read process by process, and
// some children before their parents.
func (t *Table) EachOrphan(reaps func(pid int) bool, fn func(*Stat)) {
	for i := range t.stats {
		st := &t.stats[i]
		if !st.Alive() {
			continue
		}
		if parent, ok := t.Get(st.PPID); !ok || !parent.Alive() || reaps(st.PPID) {
			fn(st)
		}
	}
}

// Tree lists root and all below it, parents before children.
func (t *Table) Tree(root Stat) []Stat { return t.tree(nil, root) }

// tree appends the tree of root to dst, which is empty.
func (t *Table) tree(dst []Stat, root Stat) []Stat {
	dst = append(dst, root)
	for i := 0; i < len(dst); i++ {
		dst = append(dst, t.Children(dst[i].PID)...)
	}
	return dst
}
