package supervisor

import (
	"context"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
)

// roll is a reload of the instances of one app that is going on.
type roll struct {
	app   string
	core  lifecycle.Roll
	specs map[int]spec.App // of the new generations, nil for the old ones
	down  map[int]bool     // instances that were not wanted when the reload was given: it starts them
	turns map[int]rollTurn // of the instances that it has begun with
	w     *wait
	err   error // the first failure
}

// Reload replaces the processes of target by a new generation, app by app side
// by side, within an app Parallel at a time. A new worker is up before the old
// one drains; what is not in cluster mode is restarted. Where a new process
// does not come up the old one stays and the roll ends there.
func (s *Supervisor) Reload(ctx context.Context, req spec.Act) (event.Outcome, error) {
	ids, err := s.targets(ctx, "reload", req)
	if err != nil {
		return event.Outcome{}, err
	}
	specs, err := s.respecs(ctx, "reload", ids, req)
	if err != nil {
		return event.Outcome{}, err
	}
	return s.command(ctx, "reload", func(l *loop, w *wait) error {
		w.whole = true
		w.warnInstances(req.Options)
		list := l.living(ids)
		for _, sl := range list {
			w.ids = append(w.ids, sl.id)
		}
		if err := l.conflict(w.ids); err != nil {
			return during("reload "+req.Target, err)
		}
		for _, r := range l.rollsOf(w, list, req.Parallel) {
			r.specs = specs
			l.roll(r, lifecycle.RollEvent{})
		}
		return nil
	})
}

// rollsOf makes a roll of each app in list.
func (l *loop) rollsOf(w *wait, list []*slot, parallel int) (rolls []*roll) {
	for _, sl := range list {
		name := sl.spec.Name
		r := l.rolls[name]
		if r == nil {
			r = &roll{app: name, core: lifecycle.Roll{Parallel: parallel}, down: map[int]bool{}, turns: map[int]rollTurn{}, w: w}
			l.rolls[name] = r
			rolls = append(rolls, r)
			w.pending++
		}
		r.down[sl.id] = sl.state.Goal == lifecycle.Down
		r.core.Slots = append(r.core.Slots, lifecycle.RollSlot{ID: sl.id})
	}
	return rolls
}

// roll takes a roll one step further.
func (l *loop) roll(r *roll, ev lifecycle.RollEvent) {
	var next []int
	r.core, next = lifecycle.Rollout(r.core, ev)
	l.rememberRoll(r)
	for _, id := range next {
		sl := l.slots[id]
		if sl == nil || sl.state.Goal == lifecycle.Down && !r.down[id] { // since then
			r.w.warnings = append(r.w.warnings, "reload "+itoa(id)+": it was stopped or deleted meanwhile")
			l.roll(r, lifecycle.RollEvent{ID: id, Stage: lifecycle.Left})
			continue
		}
		l.replace(r, sl)
	}
	if r.core.Finished && l.rolls[r.app] == r {
		delete(l.rolls, r.app)
		l.o.Memory.Delete(rollKey(r.app))
		r.w.finish(r.err)
	}
}

// replace begins with one instance and watches what becomes of it.
func (l *loop) replace(r *roll, sl *slot) {
	turn := rollTurn{Old: sl.key().Gen, New: sl.state.Gen + 1}
	if a, ok := r.specs[sl.id]; ok {
		sl.next, sl.nextGen, sl.specKept = &a, turn.New, false
	}
	r.turns[sl.id] = turn
	l.rememberRoll(r)
	l.step(sl, lifecycle.Reload{})
	l.watchTurn(r, sl, turn)
}

// watchTurn waits for what becomes of an instance that is being replaced.
func (l *loop) watchTurn(r *roll, sl *slot, turn rollTurn) {
	old, c := turn.Old, coming{want: turn.New}
	sl.await(func(sl *slot) bool {
		ev := lifecycle.RollEvent{ID: sl.id}
		switch c.look(sl) {
		case undecided:
			return false
		case up, finished:
			if life := sl.state.Find(old); life != nil && !life.Leaves() {
				return false // drains, which has an end
			}
			ev.Stage = lifecycle.Replaced
		case failed:
			ev.Stage, ev.Reason = lifecycle.Kept, c.failure.Reason
			r.fail(sl, c)
		case left:
			ev.Stage = lifecycle.Left
			r.w.warnings = append(r.w.warnings, leftFault("reload", sl).Error())
		}
		sl.next, sl.specKept = nil, false
		if !sl.deleted {
			l.remember(sl)
		}
		l.roll(r, ev)
		return true
	})
}

// fail notes why the roll ends early.
func (r *roll) fail(sl *slot, c coming) {
	if r.err != nil {
		return
	}
	r.err = c.fault("reload", sl)
	if f, ok := r.err.(*fault.Error); ok && sl.state.Phase == lifecycle.Running && !c.alive {
		f.Message += "; the old process stays"
	}
	if c.alive && r.w.tail == nil {
		r.w.tail = &runner.Key{ID: sl.id, Gen: c.failure.Gen}
	}
}
