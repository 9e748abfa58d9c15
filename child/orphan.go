package child

import (
	"os"
	"sync"

	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/internal/sys"
)

// children are those that this package has started and not reaped: the kernel keeps
// one such list for a process, so there is one here. Every other child is an orphan
// that the kernel gave it.
type children struct {
	forking sync.RWMutex // held for reading from before a fork until its child is listed
	list    sync.Map     // of pid to *Process
}

var own children

// start has fork make p, and lists it.
func (c *children) start(p *Process, fork func() (pid int, err error)) (int, error) {
	c.forking.RLock()
	defer c.forking.RUnlock()
	pid, err := fork()
	if err == nil {
		c.list.Store(pid, p)
	}
	return pid, err
}

// reaped takes p off the list, unless another child has its number by now.
func (c *children) reaped(p *Process) { c.list.CompareAndDelete(p.pid, p) }

// ReapOrphans collects those children of this process that have ended and that this
// package has not started: whose parent died, and which the kernel gave to this
// process because it is pid 1, or asked for them (PR_SET_CHILD_SUBREAPER). Call it
// upon SIGCHLD. A process that starts children in other ways must not use it.
func ReapOrphans() error {
	// No fork is under way: whoever is not listed was not started here.
	own.forking.Lock()
	defer own.forking.Unlock()
	for again := true; again; { // the list may lack some while it changes
		pids, err := listed()
		if err != nil {
			return err
		}
		again = false
		for _, pid := range pids {
			if _, started := own.list.Load(pid); started {
				continue
			}
			ended, err := sys.ReapChild(pid)
			if err != nil {
				return err
			}
			again = again || ended
		}
	}
	return nil
}

// listed are the children of this process, as the kernel tells.
func listed() ([]int, error) {
	var r procs.Reader
	self, err := r.Stat(os.Getpid())
	if err == nil {
		var pids []int
		if pids, err = r.Children(&self, nil); err == nil {
			return pids, nil
		}
	}
	return sys.Children() // looks at all processes
}
