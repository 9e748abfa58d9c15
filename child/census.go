package child

import (
	"os"
	"slices"
	"sync"

	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/internal/sys"
)

// recentMost bounds how many of the newest process numbers are looked at by number.
const recentMost = 64

// census is what looks see of others than their own root and those below it: who
// may have orphans of a tree among its children, these, and the newest processes.
// It is the same for all trees, of one moment if it is taken; else it is of the
// moment when it is asked, and tells of each process at once.
type census struct {
	reapers []procs.Stat
	table   *procs.Table // all processes; nil if the reapers' lists of children were read
	last    int          // the number that was given out last; 0: unknown
	ended   bool         // a child was listed, and gone when it was to be read
	err     error        // there should be a table, and cannot

	taken            bool
	children, newest []procs.Stat // if it is taken

	mu    sync.Mutex // guards marks
	marks map[int]mark
}

// takeCensus takes one for all who asked.
func takeCensus(asked []asking) *census {
	c := &census{}
	var r procs.Reader
	since := asked[0].since
	for _, a := range asked {
		since = min(since, a.since)
	}
	if sparesLists(asked) {
		c.readAll(&r)
	} else {
		for _, a := range asked {
			a.walk()
		}
	}
	c.eachChild(&r, func(st *procs.Stat) { c.children = append(c.children, *st) })
	c.eachNewest(&r, since, func(st *procs.Stat) { c.newest = append(c.newest, *st) })
	c.taken = true
	return c
}

// asking is what a look asks of a census.
type asking struct {
	since   int    // the number that was given out last when the look began
	threads int    // those of the root, 0 if it is gone
	walk    func() // looks at what is below the root
	wide    bool   // that cannot be had from lists
}

// listCost is how many processes can be read for the list of children of one thread
// of many. It is not the reading: when the process ends, the kernel has to forget the
// folders of it and of its threads, in each of which it waits for the other.
const listCost = 16

// sparesLists tells whether it is better to read all processes once than the lists of
// what is below each root.
func sparesLists(asked []asking) bool {
	threads := 0
	for _, a := range asked {
		if a.wide {
			return true
		}
		if a.threads > 1 {
			threads += a.threads
		}
	}
	return threads > 0 && threads*listCost > sys.Processes()
}

// readAll reads all processes.
func (c *census) readAll(r *procs.Reader) { c.table, c.err = r.All() }

// eachChild calls fn with the children of the reapers, and where there is a table
// with those, too, whose parent had ended when it was read.
func (c *census) eachChild(r *procs.Reader, fn func(*procs.Stat)) {
	if c.taken {
		for i := range c.children {
			fn(&c.children[i])
		}
		return
	}
	c.findReapers(r)
	if c.table == nil && !c.eachListed(r, fn) {
		c.readAll(r)
	}
	if c.table != nil {
		c.table.EachOrphan(c.reaps, fn)
	}
}

// eachListed is eachChild by the lists of children. It is false if one of them
// cannot be had: its reaper ended.
func (c *census) eachListed(r *procs.Reader, fn func(*procs.Stat)) bool {
	var pids []int
	for i := range c.reapers {
		var err error
		if pids, err = r.Children(&c.reapers[i], pids[:0]); err != nil {
			return false
		}
		for _, pid := range pids {
			if st, err := r.Stat(pid); err == nil {
				fn(&st)
			} else {
				c.ended = true
			}
		}
	}
	return true
}

// reaps tells whether pid is one of the reapers.
func (c *census) reaps(pid int) bool {
	return slices.ContainsFunc(c.reapers, func(st procs.Stat) bool { return st.PID == pid })
}

// eachNewest calls fn with the processes that were started after the number since
// was given out, whoever their parents are: they may have come on a list after it
// was read, and a list may miss one while others on it end (proc(5)). The newest
// is the first: of a chain of processes each of which starts the next and ends,
// only that is there to be caught.
func (c *census) eachNewest(r *procs.Reader, since int, fn func(*procs.Stat)) {
	if c.taken {
		for i := range c.newest {
			if c.newest[i].PID > since {
				fn(&c.newest[i])
			}
		}
		return
	}
	c.last = sys.LastPID()
	for pid := c.last; pid > max(since, c.last-recentMost); pid-- {
		if st, err := r.Stat(pid); err == nil {
			fn(&st)
		}
	}
}

// findReapers walks up from this process: it is not told which of its ancestors
// are subreapers. It is itself one only if it asked for that: else its children
// are all of its own making.
func (c *census) findReapers(r *procs.Reader) {
	for self, pid := os.Getpid(), os.Getpid(); pid > 1; {
		st, err := r.Stat(pid)
		if err != nil {
			break
		}
		if pid != self || sys.IsSubreaper() {
			c.reapers = append(c.reapers, st)
		}
		pid = st.PPID
	}
	if init, err := r.Stat(1); err == nil {
		c.reapers = append(c.reapers, init)
	}
}

// mark is what the environment of a process says of its tree.
type mark struct {
	tree string // the value of MarkerVar, with marked
	markState
}

type markState int

const (
	unreadable markState = iota // it ended, or it is another user's
	executing                   // it shows neither environment nor arguments
	unmarked
	marked
)

// mark reads that of a process, once for all who ask.
func (c *census) mark(r *procs.Reader, pid int) mark {
	c.mu.Lock()
	m, ok := c.marks[pid]
	c.mu.Unlock()
	if ok {
		return m
	}
	m = readMark(r, pid)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.marks == nil {
		c.marks = map[int]mark{}
	}
	c.marks[pid] = m
	return m
}

func readMark(r *procs.Reader, pid int) mark {
	env, err := r.Environ(pid)
	if err != nil {
		return mark{}
	}
	if len(env) > 0 {
		if tree, ok := procs.Lookup(env, MarkerVar); ok {
			return mark{tree, marked}
		}
		return mark{markState: unmarked}
	}
	if line, err := r.Cmdline(pid); err == nil && len(line) == 0 {
		if now, err := r.Stat(pid); err == nil && now.Alive() {
			return mark{markState: executing}
		}
	}
	return mark{}
}

// counting has looks share a census: those that want one while another is taken
// wait for the next, which is one for all of them. So nobody gets one that began
// before, and a hundred stops at once take a few.
type counting struct {
	take func([]asking) *census
	turn chan struct{} // has a token while a census is taken

	mu   sync.Mutex // guards next
	next *round     // has not begun; nil if nobody waits for it
}

type round struct {
	asked []asking      // guarded by mu until it begins
	done  chan struct{} // closed when census is there
	*census
}

func newCounting(take func([]asking) *census) *counting {
	return &counting{take: take, turn: make(chan struct{}, 1)}
}

// census returns one that began after the call. Whoever takes it calls a.walk before that,
// unless it has a table.
func (c *counting) census(a asking) *census {
	c.mu.Lock()
	r, first := c.next, c.next == nil
	if first {
		r = &round{done: make(chan struct{})}
		c.next = r
	}
	r.asked = append(r.asked, a)
	c.mu.Unlock()
	if !first {
		<-r.done
		return r.census
	}
	c.turn <- struct{}{}
	c.mu.Lock()
	c.next = nil // who wants one from now on gets the next
	c.mu.Unlock()
	r.census = c.take(r.asked)
	<-c.turn
	close(r.done)
	return r.census
}

// counted is for the trees of this process.
var counted = newCounting(takeCensus)

// ancestors are this process, those above it and pid 1, by number and start.
// Only they can ever be above it: who loses its parent gets one of its ancestors.
var ancestors = sync.OnceValue(func() map[int]startTime {
	var r procs.Reader
	found := map[int]startTime{}
	for pid := os.Getpid(); pid > 0; {
		st, err := r.Stat(pid)
		if err != nil {
			break
		}
		found[pid] = st.Start
		pid = st.PPID
	}
	if init, err := r.Stat(1); err == nil {
		found[1] = init.Start
	}
	return found
})
