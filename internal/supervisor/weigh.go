package supervisor

import (
	"cmp"
	"fmt"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
)

// weighEvery is how often processes are weighed whose apps have a limit, as PM2
// does. Without such an app nothing is.
const weighEvery = 30 * time.Second

// weighed is a process on the scales.
type weighed struct {
	key runner.Key
	pid int
}

// limited are the processes that must be weighed.
func (l *loop) limited() (list []weighed) {
	for _, id := range l.order {
		sl := l.slots[id]
		if c := sl.state.Current(); sl.spec.MaxMemory > 0 && c != nil && c.PID > 0 && sl.state.Phase == lifecycle.Running {
			list = append(list, weighed{runner.Key{ID: id, Gen: c.Gen}, c.PID})
		}
	}
	return list
}

// weighAt is when to weigh next, zero for never.
func (l *loop) weighAt(now time.Time) time.Time {
	switch {
	case l.scales.busy || len(l.limited()) == 0:
		l.scales.next = time.Time{}
	case l.scales.next.IsZero():
		l.scales.next = now.Add(cmp.Or(l.o.WeighEvery, weighEvery))
	}
	return l.scales.next
}

// scales is the state of weighing.
type scales struct {
	next time.Time
	busy bool // a reading of /proc is under way
}

// weigh asks for what is due, beside the loop: it reads /proc.
func (l *loop) weigh(now time.Time) {
	if !due(l.scales.next, now) {
		return
	}
	l.scales = scales{busy: true}
	list := l.limited()
	go func() { // ends with the reading
		pids := make([]int, len(list))
		for i, w := range list {
			pids[i] = w.pid
		}
		usage := l.o.Runner.Usage(pids)
		l.inbox.put(func(l *loop) { l.found(list, usage) })
	}()
}

// found recycles what is too heavy.
func (l *loop) found(list []weighed, usage []event.Usage) {
	l.scales.busy = false
	for i, w := range list {
		sl := l.slots[w.key.ID]
		if sl == nil || sl.key() != w.key || sl.spec.MaxMemory == 0 || usage[i].RSS <= sl.spec.MaxMemory {
			continue
		}
		l.o.Log("%s uses %s, more than %s: it is replaced", sl.label(), megabytes(usage[i].RSS), megabytes(sl.spec.MaxMemory))
		l.step(sl, lifecycle.Recycle{})
	}
}

func megabytes(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/(1<<20)) }
