package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/internal/sys"
)

// Reaper collects the orphans that the kernel makes children of this process: all
// of a container's when it runs as PID 1, and else its own descendants' when their
// parents end (it makes itself a child subreaper, see prctl(2)). Without one they
// stay zombies until this process ends.
//
// Children with somebody in this process to wait for them are left alone: those of
// [Start], and those of package os, which holds a process descriptor of each too.
// A child started by syscall.ForkExec alone is taken for an orphan.
type Reaper struct {
	// Reaped, unless nil, is called for each orphan after it was collected, by Run
	// or Collect, one at a time; it may start children itself. The number may be
	// another's by then.
	Reaped func(pid int, exit Exit)
	// Ready, unless nil, is called by Run once orphans come to this process: what is
	// started before may leave some that go to another.
	Ready func()
}

// An ended child that is left to its owner is looked at again, since no signal
// tells that a descriptor was closed without a wait: a few times, less and less often.
const (
	firstLook = 10 * time.Millisecond
	lastLook  = 10 * time.Second
)

// Run collects orphans until ctx is done, and returns its cause; before that only
// if the system does not let it. What is an orphan's child by then stays one, but
// later orphans go to the next reaper above. One Reaper at a time runs in a process.
func (r *Reaper) Run(ctx context.Context) error {
	if os.Getpid() != 1 && !sys.IsSubreaper() {
		if err := sys.Subreaper(); err != nil {
			return fmt.Errorf("reap orphans: %w", err)
		}
		defer func() { _ = sys.NoSubreaper() }() // what could be set can be unset
	}
	ended := make(chan os.Signal, 1) // one that is pending stands for all
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	again := time.NewTimer(0)
	defer again.Stop()
	if r.Ready != nil {
		r.Ready()
	}
	for pause := firstLook; ; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ended:
			pause = firstLook
		case <-again.C:
		}
		left, err := r.Collect()
		if err != nil {
			return fmt.Errorf("reap orphans: %w", err)
		}
		if left && pause <= lastLook {
			again.Reset(pause)
			pause *= 2
		}
	}
}

// Collect collects the orphans that have ended by now. left tells that other children
// have, which somebody outside this package waits for, or does not. It is what Run
// does upon each SIGCHLD, for programs that have a loop of their own.
func (r *Reaper) Collect() (left bool, err error) {
	for again := true; again && err == nil; { // the list may lack some while it changes
		var orphans []orphan
		orphans, left, err = collectListed()
		again = len(orphans) > 0
		for _, o := range orphans {
			if r.Reaped != nil {
				r.Reaped(o.pid, o.exit)
			}
		}
	}
	return left, err
}

// orphan is one that was collected.
type orphan struct {
	pid  int
	exit Exit
}

// collectListed collects those orphans that have ended and are listed. They are
// there beside an error, too.
func collectListed() (orphans []orphan, left bool, err error) {
	// No fork is under way: whoever is not listed was not started here.
	own.forking.Lock()
	defer own.forking.Unlock()
	pids, err := listed()
	if err != nil {
		return nil, false, err
	}
	for _, pid := range pids {
		if _, started := own.list.Load(pid); started || !sys.ChildEnded(pid) {
			continue
		}
		status, taken, err := collectOrphan(pid)
		switch {
		case err != nil:
			return orphans, left, err
		case taken:
			orphans = append(orphans, orphan{pid, ExitOf(status)})
		default:
			left = true
		}
	}
	return orphans, left, nil
}

// listed are the children of this process.
func listed() ([]int, error) {
	var r procs.Reader
	self, err := r.Stat(os.Getpid())
	if err == nil {
		var pids []int
		if pids, err = r.Children(&self, nil); err == nil {
			return pids, nil
		}
	}
	return sys.Children() // a kernel that does not list them
}

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

// collectOrphan reaps a child that has ended if it is nobody's here. The descriptor
// keeps the number from meaning another meanwhile.
func collectOrphan(pid int) (status syscall.WaitStatus, taken bool, err error) {
	fd, err := sys.OpenPidFD(pid)
	if errors.Is(err, syscall.ESRCH) {
		return 0, false, nil // its owner was faster
	}
	if err != nil {
		return 0, false, os.NewSyscallError("pidfd_open", err)
	}
	defer fd.Close()
	if n, err := sys.Holders(pid); err != nil || n > 1 {
		return 0, false, err
	}
	status, taken = fd.TryReap()
	return status, taken, nil
}
