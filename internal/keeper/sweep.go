package keeper

import (
	"errors"
	"log"
	"os"
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
	Sweep(k.exits, func() []int {
		k.reap()
		pids, err := sys.Children()
		if err != nil {
			k.log.Printf("look for leftover processes: %v", err)
		}
		return pids
	}, k.log)
}

// Sweep ends the children of a subreaper, all that left collects and lists, until
// there are none. exits has a token when one may have ended.
func Sweep(exits <-chan os.Signal, left func() []int, logger *log.Logger) {
	asked := map[int]bool{}
	killing := false
	grace, limit := time.NewTimer(sweepGrace), time.NewTimer(sweepLimit)
	defer grace.Stop()
	defer limit.Stop()
	for {
		pids := left()
		if len(pids) == 0 {
			break
		}
		endChildren(pids, asked, killing, logger)
		select {
		case <-exits:
		case <-grace.C:
			killing = true
		case <-limit.C:
			logger.Printf("leftover processes %v do not end; going on without them", pids)
			return
		}
	}
	if len(asked) > 0 {
		logger.Printf("ended %d processes that were left behind", len(asked))
	}
}

func endChildren(pids []int, asked map[int]bool, killing bool, logger *log.Logger) {
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
			logger.Printf("end leftover process %d: %v", pid, err)
		}
	}
}
