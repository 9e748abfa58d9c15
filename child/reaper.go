package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
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
	// and one at a time. The number may be another's by then.
	Reaped func(pid int, exit Exit)
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
	for pause := firstLook; ; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ended:
			pause = firstLook
		case <-again.C:
		}
		left, err := r.reap()
		if err != nil {
			return fmt.Errorf("reap orphans: %w", err)
		}
		if left && pause <= lastLook {
			again.Reset(pause)
			pause *= 2
		}
	}
}

// reap collects the orphans that have ended. left tells that others have, which
// are somebody's.
func (r *Reaper) reap() (left bool, err error) {
	var reader procs.Reader
	self, err := reader.Stat(os.Getpid())
	if err != nil {
		return false, err
	}
	pids, err := reader.Children(&self, nil)
	if err != nil { // a kernel that does not list them
		if pids, err = sys.Children(); err != nil {
			return false, err
		}
	}
	for _, pid := range pids {
		if !sys.ChildEnded(pid) {
			continue
		}
		status, taken, err := collectOrphan(pid)
		switch {
		case err != nil:
			return left, err
		case !taken:
			left = true
		case r.Reaped != nil:
			r.Reaped(pid, ExitOf(status))
		}
	}
	return left, nil
}

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
