package child

import (
	"os"
	"sync"

	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/internal/sys"
)

// census is who may have orphans of a tree among its children, and these, of
// one moment. It is the same for all trees.
type census struct {
	reapers  []procs.Stat
	children []procs.Stat
	ended    bool  // one was listed, and gone when it was to be read
	err      error // the kernel or a mount does not list children
}

func takeCensus() *census {
	c := &census{}
	c.ask(new(procs.Reader), func(st *procs.Stat) { c.children = append(c.children, *st) })
	return c
}

// ask has fn see each child as soon as it is read.
func (c *census) ask(r *procs.Reader, fn func(*procs.Stat)) {
	c.findReapers(r)
	var pids []int
	for i := range c.reapers {
		if pids, c.err = r.Children(&c.reapers[i], pids[:0]); c.err != nil {
			return
		}
		for _, pid := range pids {
			if st, err := r.Stat(pid); err == nil {
				fn(&st)
			} else {
				c.ended = true
			}
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

// counting has looks share a census: those that want one while another is taken
// wait for the next, which is one for all of them. So nobody gets one that began
// before, and a hundred stops at once take a few.
type counting struct {
	take func() *census
	turn chan struct{} // has a token while a census is taken

	mu   sync.Mutex // guards next
	next *round     // has not begun; nil if nobody waits for it
}

type round struct {
	done chan struct{} // closed when census is there
	*census
}

func newCounting(take func() *census) *counting {
	return &counting{take: take, turn: make(chan struct{}, 1)}
}

// census returns one that began after the call.
func (c *counting) census() *census {
	c.mu.Lock()
	r, first := c.next, c.next == nil
	if first {
		r = &round{done: make(chan struct{})}
		c.next = r
	}
	c.mu.Unlock()
	if !first {
		<-r.done
		return r.census
	}
	c.turn <- struct{}{}
	c.mu.Lock()
	c.next = nil // who wants one from now on gets the next
	c.mu.Unlock()
	r.census = c.take()
	<-c.turn
	close(r.done)
	return r.census
}

// counted is for the trees of this process.
var counted = newCounting(takeCensus)

// ancestors are this process, those above it and pid 1, by number and start.
// Only they can ever be above it: who loses its parent gets one of its ancestors.
func ancestors() map[int]startTime {
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
}
