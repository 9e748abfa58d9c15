package keeper

import (
	"errors"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

const (
	sweepGrace = 2 * time.Second // between the polite signal and SIGKILL
	sweepLimit = 10 * time.Second
)

// sweep ends everything that a dead daemon left behind. Whatever its processes
// did to hide (new sessions, double forks), the kernel made those whose parent
// is gone children of the subreaper, and the end of each child hands over its
// own children: it is enough to end children until there are none. A child
// cannot be mistaken for another process while we have not reaped it.
func (k *keeper) sweep() {
	asked := map[int]bool{}
	killing := false
	grace, limit := time.NewTimer(sweepGrace), time.NewTimer(sweepLimit)
	defer grace.Stop()
	defer limit.Stop()
	for {
		k.reap()
		pids, err := sys.Children()
		if err != nil {
			k.log.Printf("look for leftover processes: %v", err)
			return
		}
		if len(pids) == 0 {
			break
		}
		k.endChildren(pids, asked, killing)
		select {
		case <-k.exits:
		case <-grace.C:
			killing = true
		case <-limit.C:
			k.log.Printf("leftover processes %v do not end; going on without them", pids)
			return
		}
	}
	if len(asked) > 0 {
		k.log.Printf("ended %d processes that the daemon left behind", len(asked))
	}
}

func (k *keeper) endChildren(pids []int, asked map[int]bool, killing bool) {
	for _, pid := range pids {
		sig := syscall.SIGKILL
		if !killing {
			if asked[pid] {
				continue
			}
			sig = syscall.SIGTERM
		}
		asked[pid] = true
		if err := sys.SignalChild(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			k.log.Printf("end leftover process %d: %v", pid, err)
		}
	}
}
