package runner

import (
	"sync"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/procs"
)

// usage measures process trees, each sample against the one before.
type usage struct {
	mu      sync.Mutex
	sampler procs.Sampler // guarded by mu
}

func (u *usage) sample(pids []int) []event.Usage {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := make([]event.Usage, len(pids))
	for i, s := range u.sampler.Sample(pids) {
		list[i] = event.Usage{CPU: s.CPU, RSS: s.RSS}
	}
	return list
}
