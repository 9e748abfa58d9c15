package supervisor

import (
	"slices"
	"time"

	"github.com/tendproc/tend/internal/runner"
)

// How long a process counts as booting: to load its program it needs a CPU.
const (
	bootSpawn  = 10 * time.Second       // at most, from its spawn
	bootForked = 200 * time.Millisecond // at most, after exec, in fork mode, where nothing tells that it runs
	bootOnline = 300 * time.Millisecond // at most, after its runtime came online
	bootLook   = 5 * time.Millisecond   // between two looks whether it sleeps, while another waits for its turn
)

// boots caps how many processes of a costly runtime boot at once. Many more at a
// time than there are CPUs come up no sooner, and starve what serves already; with
// two for each CPU none is idle while a boot waits for its disk, or to be seen asleep,
// and beside other work they get a share.
//
// What runs counts until it was asleep at two looks in a row: it waits for work
// then, or for another program. It is looked at only while others wait.
type boots struct {
	max    int
	until  map[runner.Key]*booting
	queue  []bootWait
	lookAt time.Time // zero while nobody needs to know
	busy   bool      // a look is under way
}

type booting struct {
	end    time.Time // when it counts no longer
	pid    int       // 0 until it runs
	asleep bool      // at the last look
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
	for k, p := range b.until {
		if due(p.end, now) {
			delete(b.until, k)
		}
	}
	for len(b.queue) > 0 && len(b.until) < b.max {
		s := b.queue[0].spawn
		b.queue = slices.Delete(b.queue, 0, 1)
		b.until[s.Key] = &booting{end: now.Add(bootSpawn)}
		spawns = append(spawns, s)
	}
	return spawns
}

// ends says that k counts as booting no longer.
func (b *boots) ends(k runner.Key) { delete(b.until, k) }

// runs says that k, with this pid, counts for d longer at most.
func (b *boots) runs(k runner.Key, pid int, d time.Duration) {
	if p := b.until[k]; p != nil {
		p.pid = pid
		if end := time.Now().Add(d); end.Before(p.end) {
			p.end = end
		}
	}
}

// look returns those that run, if it is time to look at them.
func (b *boots) look(now time.Time) (list []weighed) {
	if len(b.queue) > 0 && !b.busy {
		for k, p := range b.until {
			if p.pid > 0 {
				list = append(list, weighed{k, p.pid})
			}
		}
	}
	switch {
	case len(list) == 0:
		b.lookAt = time.Time{}
	case b.lookAt.IsZero():
		b.lookAt = now.Add(bootLook)
	case due(b.lookAt, now):
		b.lookAt, b.busy = time.Time{}, true
		return list
	}
	return nil
}

// seen takes what a look told.
func (b *boots) seen(list []weighed, asleep []bool) {
	b.busy = false
	for i, w := range list {
		p := b.until[w.key]
		switch {
		case p == nil:
		case asleep[i] && p.asleep:
			delete(b.until, w.key)
		default:
			p.asleep = asleep[i]
		}
	}
}

// wakeAt is when the next one no longer counts, or is looked at, if anything
// waits for that.
func (b *boots) wakeAt() time.Time {
	if len(b.queue) == 0 {
		return time.Time{}
	}
	at := b.lookAt
	for _, p := range b.until {
		if at.IsZero() || p.end.Before(at) {
			at = p.end
		}
	}
	return at
}

// boot spawns what has its turn, and has looked, beside the loop, whether those
// before it are done: that reads /proc.
func (l *loop) boot(now time.Time) {
	for _, s := range l.boots.next(now) {
		l.o.Runner.Spawn(s)
	}
	list := l.boots.look(now)
	if list == nil {
		return
	}
	go func() { // ends with the reading
		pids := make([]int, len(list))
		for i, w := range list {
			pids[i] = w.pid
		}
		asleep := l.o.Runner.Asleep(pids)
		l.inbox.put(func(l *loop) { l.boots.seen(list, asleep) })
	}()
}
