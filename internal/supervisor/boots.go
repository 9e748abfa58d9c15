package supervisor

import (
	"slices"
	"time"

	"github.com/tendproc/tend/internal/runner"
)

// How long a process counts as booting: to load its program it needs a CPU.
const (
	bootSpawn  = 10 * time.Second       // at most, from its spawn
	bootForked = 200 * time.Millisecond // after exec, in fork mode, where nothing tells that it runs
	bootOnline = 300 * time.Millisecond // after its runtime came online
)

// boots caps how many processes of a costly runtime boot at once. More at a
// time than there are CPUs come up no sooner, and starve what serves already.
type boots struct {
	max   int
	until map[runner.Key]time.Time // those that boot, and when they count no longer
	queue []bootWait
}

type bootWait struct {
	spawn  runner.Spawn
	urgent bool
}

// add queues a spawn: behind all, or behind the urgent ones only.
func (b *boots) add(s runner.Spawn, urgent bool) {
	at := len(b.queue)
	if urgent {
		if i := slices.IndexFunc(b.queue, func(w bootWait) bool { return !w.urgent }); i >= 0 {
			at = i
		}
	}
	b.queue = slices.Insert(b.queue, at, bootWait{s, urgent})
}

// cancel takes a spawn from the queue; false if it is not there.
func (b *boots) cancel(k runner.Key) bool {
	n := len(b.queue)
	b.queue = slices.DeleteFunc(b.queue, func(w bootWait) bool { return w.spawn.Key == k })
	return len(b.queue) < n
}

// next returns what may be spawned now.
func (b *boots) next(now time.Time) (spawns []runner.Spawn) {
	for k, at := range b.until {
		if due(at, now) {
			delete(b.until, k)
		}
	}
	for len(b.queue) > 0 && len(b.until) < b.max {
		s := b.queue[0].spawn
		b.queue = slices.Delete(b.queue, 0, 1)
		b.until[s.Key] = now.Add(bootSpawn)
		spawns = append(spawns, s)
	}
	return spawns
}

// ends says that k counts as booting for d longer; 0 for no longer.
func (b *boots) ends(k runner.Key, d time.Duration) {
	if at, ok := b.until[k]; ok {
		if end := time.Now().Add(d); end.Before(at) {
			b.until[k] = end
		}
	}
}

// wakeAt is when the next one no longer counts, if anything waits for that.
func (b *boots) wakeAt() (at time.Time) {
	if len(b.queue) == 0 {
		return at
	}
	for _, t := range b.until {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	return at
}
