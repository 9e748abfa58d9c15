package supervisor

import (
	"sync"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
)

// trialPause is between two probes of what is on trial, at most: a short trial has
// several, too.
const trialPause = time.Second

// trial is an instance whose successor is on trial beside its old process.
type trial struct {
	id         int
	tried, old runner.Key
	err, oldIs error // what came of their probes
}

// onTrial are those that answer a probe each for itself.
func (l *loop) onTrial(r *roll) (list []trial) {
	for _, id := range r.core.In(lifecycle.OnTrial) {
		if sl := l.slots[id]; sl != nil && runner.Probes(sl.app()) {
			list = append(list, trial{id: id, tried: runner.Key{ID: id, Gen: r.turns[id].New}, old: sl.key()})
		}
	}
	return list
}

// probeAt is when to probe next, zero for never.
func (l *loop) probeAt(r *roll, now time.Time) time.Time {
	switch {
	case len(l.onTrial(r)) == 0:
		r.probeAt = time.Time{}
	case r.probeAt.IsZero():
		r.probeAt = now.Add(min(trialPause, max(r.core.For/4, 10*time.Millisecond)))
	}
	return r.probeAt
}

// probe asks those on trial, and what they would replace, beside the loop.
func (l *loop) probe(r *roll) {
	list := l.onTrial(r)
	r.core.Probing, r.probeAt = true, time.Time{}
	var wg sync.WaitGroup
	ask := func(k runner.Key, err *error) {
		wg.Go(func() { *err = l.o.Runner.Probe(k) })
	}
	for i := range list {
		ask(list[i].tried, &list[i].err)
		ask(list[i].old, &list[i].oldIs)
	}
	go func() { // ends with the probes, which have a time limit
		wg.Wait()
		l.inbox.put(func(l *loop) { l.probed(r, list) })
	}()
}

// probed compares. What the old process cannot do either is not the new one's fault.
// All that was asked counts before the watch may end.
func (l *loop) probed(r *roll, list []trial) {
	for _, t := range list {
		sl := l.slots[t.id]
		if sl == nil || l.rolls[r.app] != r || r.stage(t.id) != lifecycle.OnTrial {
			continue
		}
		ev := lifecycle.RollEvent{ID: t.id, Stage: lifecycle.OnTrial}
		if t.err != nil && t.oldIs == nil {
			ev.Reason = "probe " + sl.app().Probe + ": " + t.err.Error() + "; the old process does well"
		}
		if ev.Reason != "" || r.slot(t.id).Failed > 0 {
			l.roll(r, ev)
		}
	}
	r.core.Probing = false
	if l.rolls[r.app] == r && due(r.core.Until, time.Now()) {
		l.roll(r, lifecycle.RollEvent{})
	}
}

// failTrial says why a roll ends early that its probes have ended.
func (l *loop) failTrial(r *roll) {
	for _, s := range r.core.Slots {
		if sl := l.slots[s.ID]; sl != nil && s.Stage == lifecycle.Rejecting && s.Failed > 0 && s.Trouble == r.core.Reason {
			r.err = &fault.Error{
				Code: fault.StartFailed, Op: r.w.op + " " + sl.label(), Message: "on trial: " + r.core.Reason + ", and stays",
				Remedy: "See more of its output: tend logs " + itoa(sl.id) + " --lines 200",
			}
			r.w.tail = &runner.Key{ID: s.ID, Gen: r.turns[s.ID].New}
			return
		}
	}
}
