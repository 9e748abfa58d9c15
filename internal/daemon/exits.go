package daemon

import (
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/keeper"
	"github.com/tendproc/tend/internal/runner"
)

// tellTime is how long the keeper may take to tell of an end that is seen.
const tellTime = 2 * time.Second

// exits are the ends of processes that fell to the keeper, who reaps them. Its
// methods may be called from any goroutine.
type exits struct {
	mu    sync.Mutex // guards what follows
	known map[runner.Key]syscall.WaitStatus
	more  chan struct{} // closed, and made anew, at each change
}

func newExits() *exits {
	return &exits{known: make(map[runner.Key]syscall.WaitStatus), more: make(chan struct{})}
}

// told takes the keeper's word.
func (e *exits) told(m keeper.Message) {
	k, ok := runner.ProcessOf(m.Name)
	if !ok || !m.Exited {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known[k] = syscall.WaitStatus(m.Status)
	e.changedLocked()
}

// cut lets nobody wait for a keeper that is gone.
func (e *exits) cut() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changedLocked()
}

func (e *exits) changedLocked() {
	close(e.more)
	e.more = make(chan struct{})
}

// status returns how the process of k ended, which it has, and forgets it. coming
// tells that the keeper may still say it; what it said before is known by then.
func (e *exits) status(k runner.Key, coming func() bool) (child.Exit, bool) {
	late := time.NewTimer(tellTime)
	defer late.Stop()
	for over := false; ; {
		e.mu.Lock()
		st, ok := e.known[k]
		delete(e.known, k)
		more := e.more
		e.mu.Unlock()
		if ok {
			return child.ExitOf(st), true
		}
		if over {
			return child.Exit{}, false
		}
		if over = !coming(); over {
			continue
		}
		select {
		case <-more:
		case <-late.C:
			return child.Exit{}, false
		}
	}
}
