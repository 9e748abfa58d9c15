package supervisor

import (
	"context"
	"fmt"
	"slices"
	"time"

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
	from  map[int]spec.App // what instances had that have got one of specs
	past  bool             // specs are the newest of the app's past
	down  map[int]bool     // instances that were not wanted when the reload was given: it starts them
	turns map[int]rollTurn // of the instances that it has begun with
	w     *wait
	alone bool   // who gave the command went with a former daemon
	err   error  // the first failure
	then  func() // is done when it went well

	probeAt time.Time // when those on trial are asked next, zero while nobody is to be
}

// Reload replaces the processes of target by a new generation, app by app side
// by side, within an app Parallel at a time. A new worker is up before the old
// one drains; what is not in cluster mode is restarted, and so are all at once that
// get another mode. Where a new process does not come up the old one stays and
// the roll ends there; those that have got another declaration go back to theirs.
// With Canary, so many serve beside the old ones first, For a while.
func (s *Supervisor) Reload(ctx context.Context, req spec.Act) (event.Outcome, error) {
	ids, err := s.targets(ctx, "reload", req)
	if err != nil {
		return event.Outcome{}, err
	}
	specs, err := s.respecs(ctx, "reload", ids, req)
	if err != nil {
		return event.Outcome{}, err
	}
	return s.roll(ctx, "reload", ids, req, func(*loop) (map[int]spec.App, error) { return specs, nil })
}

// Rollback is [Supervisor.Reload] to the declaration that the app had before the
// last change of it that went well. Each takes it one change further back.
func (s *Supervisor) Rollback(ctx context.Context, req spec.Act) (event.Outcome, error) {
	ids, err := s.targets(ctx, "rollback", req)
	if err == nil {
		err = s.ask(ctx, func(l *loop) { ids = l.siblings(ids) })
	}
	if err != nil {
		return event.Outcome{}, err
	}
	return s.roll(ctx, "rollback", ids, req, func(l *loop) (map[int]spec.App, error) {
		specs := map[int]spec.App{}
		for _, sl := range l.living(ids) {
			a, ok := l.past.newest(sl.spec.Name)
			if !ok {
				return nil, &fault.Error{
					Code: fault.NotFound, Message: "no earlier declaration of " + sl.spec.Name + " is known",
					Remedy: "It is kept from the first restart or reload on that changes one.",
				}
			}
			specs[sl.id] = a
		}
		return specs, nil
	})
}

// siblings are all instances of the apps of ids: an app goes back as a whole.
func (l *loop) siblings(ids []int) (all []int) {
	for _, id := range l.order {
		for _, sl := range l.living(ids) {
			if l.slots[id].spec.Name == sl.spec.Name {
				all = append(all, id)
				break
			}
		}
	}
	return all
}

// roll reloads ids to what declared returns.
func (s *Supervisor) roll(
	ctx context.Context, op string, ids []int, req spec.Act, declared func(*loop) (map[int]spec.App, error),
) (event.Outcome, error) {
	var moved []*plan
	out, err := s.command(ctx, op, func(l *loop, w *wait) error {
		w.whole = true
		w.warnInstances(req.Options)
		list := l.living(ids)
		for _, sl := range list {
			w.ids = append(w.ids, sl.id)
		}
		err := l.conflict(w.ids)
		if err == nil {
			err = rollable(list, req)
		}
		var specs map[int]spec.App
		if err == nil {
			specs, err = declared(l)
		}
		if err == nil {
			moved, list, err = l.moving(list, specs)
		}
		if err == nil && len(moved) > 0 && req.Canary > 0 {
			err = &fault.Error{Code: fault.Invalid, Field: "canary", Message: "old and new cannot have the same sockets", Remedy: "Leave --canary out."}
		}
		if err != nil {
			return during(op+" "+req.Target, err)
		}
		for _, p := range moved {
			l.beginAnew(p, w)
		}
		w.warnings = append(w.warnings, unprobed(list, req)...)
		for _, r := range l.rollsOf(w, list, req) {
			r.specs, r.past, r.core.Back = specs, op == "rollback", len(specs) > 0
			l.roll(r, lifecycle.RollEvent{})
		}
		return nil
	})
	if len(moved) == 0 {
		return out, err
	}
	if err != nil {
		return out, s.takeBack(ctx, moved, err)
	}
	return out, s.ask(ctx, func(l *loop) { l.keepMoved(moved, op == "rollback") })
}

// rollable refuses what makes no sense for one of list.
func rollable(list []*slot, req spec.Act) error {
	switch {
	case req.Parallel < 0:
		return &fault.Error{Code: fault.Invalid, Field: "parallel", Message: "is negative"}
	case req.Canary < 0:
		return &fault.Error{Code: fault.Invalid, Field: "canary", Message: "is negative"}
	case req.For < 0 || req.For > 0 && req.Canary == 0:
		return &fault.Error{Code: fault.Invalid, Field: "for", Message: "says how long canaries are watched, and there are none", Remedy: "Add --canary 1."}
	}
	for _, sl := range list {
		if req.Canary > 0 && !sl.spec.Overlaps() {
			return &fault.Error{
				Code: fault.Invalid, Field: "canary", Message: sl.spec.Name + " is in fork mode, where old and new cannot serve side by side",
				Remedy: "Leave --canary out, start it as a cluster, or give it its sockets with --listen.",
			}
		}
	}
	return nil
}

// unprobed names the apps whose canaries cannot be probed one by one.
func unprobed(list []*slot, req spec.Act) (warnings []string) {
	for _, sl := range list {
		if a := sl.spec; req.Canary > 0 && a.Probe != "" && !runner.Probes(a) {
			warnings = append(warnings, a.Name+": who connects to "+a.Probe+" may be served by any of its processes, so the canary is not probed; --probe exec:… can be, by $MAINPID")
		}
	}
	return slices.Compact(warnings)
}

// rollsOf makes a roll of each app in list.
func (l *loop) rollsOf(w *wait, list []*slot, req spec.Act) (rolls []*roll) {
	for _, sl := range list {
		name := sl.spec.Name
		r := l.rolls[name]
		if r == nil {
			r = &roll{
				app: name, core: lifecycle.Roll{Parallel: req.Parallel, Canary: req.Canary, For: req.For},
				down: map[int]bool{}, turns: map[int]rollTurn{}, from: map[int]spec.App{}, w: w,
			}
			l.rolls[name] = r
			rolls = append(rolls, r)
			w.pending++
		}
		r.down[sl.id] = sl.state.Goal == lifecycle.Down
		r.core.Slots = append(r.core.Slots, lifecycle.RollSlot{ID: sl.id})
	}
	for _, r := range rolls {
		l.spareStandby(&r.core)
	}
	return rolls
}

// spareStandby has no worker on standby tried: one on trial serves, and would go on
// serving beside as many as are to.
func (l *loop) spareStandby(r *lifecycle.Roll) {
	if r.Canary == 0 {
		return
	}
	waits := func(s lifecycle.RollSlot) bool {
		c := l.slots[s.ID].state.Current()
		return c != nil && c.Waits
	}
	last := slices.DeleteFunc(slices.Clone(r.Slots), func(s lifecycle.RollSlot) bool { return !waits(s) })
	r.Slots = append(slices.DeleteFunc(r.Slots, waits), last...)
	r.Canary = min(r.Canary, len(r.Slots)-len(last))
}

// roll takes a roll one step further.
func (l *loop) roll(r *roll, ev lifecycle.RollEvent) {
	var next []lifecycle.RollAction
	r.core, next = lifecycle.Rollout(r.core, ev, time.Now())
	if r.core.Reason != "" && r.err == nil {
		l.failTrial(r)
	}
	l.rememberRoll(r)
	for _, a := range next {
		sl := l.slots[a.ID]
		if sl == nil || sl.state.Goal == lifecycle.Down && !r.down[a.ID] { // since then
			r.w.warnings = append(r.w.warnings, r.w.op+" "+itoa(a.ID)+": it was stopped or deleted meanwhile")
			l.roll(r, lifecycle.RollEvent{ID: a.ID, Stage: lifecycle.Left})
			continue
		}
		l.turn(r, sl, a.Do)
	}
	if r.core.Finished && l.rolls[r.app] == r {
		delete(l.rolls, r.app)
		l.o.Memory.Delete(rollKey(r.app))
		l.keepRolled(r)
		err := r.verdict()
		if err == nil && r.then != nil {
			r.then()
		}
		if err != nil && r.alone {
			l.o.Log("%v", err)
		}
		r.w.finish(err)
	}
}

// turn does what is to be done to one instance, and watches what becomes of it.
func (l *loop) turn(r *roll, sl *slot, do lifecycle.RollVerb) {
	switch do {
	case lifecycle.DoReplace:
		l.replace(r, sl, r.specs, false)
		l.watchTurn(r, sl, lifecycle.Replaced, lifecycle.Kept)
	case lifecycle.DoTry:
		l.replace(r, sl, r.specs, true)
		l.watchTrial(r, sl)
	case lifecycle.DoPromote:
		l.step(sl, lifecycle.Promote{})
		l.watchTurn(r, sl, lifecycle.Replaced, lifecycle.Kept)
	case lifecycle.DoReject:
		l.step(sl, lifecycle.Reject{})
		l.watchReject(r, sl)
	case lifecycle.DoReturn:
		l.replace(r, sl, r.from, false)
		l.watchTurn(r, sl, lifecycle.Returned, lifecycle.Stuck)
	}
}

// replace begins with one instance.
func (l *loop) replace(r *roll, sl *slot, specs map[int]spec.App, trial bool) {
	turn := rollTurn{Old: sl.key().Gen, New: sl.state.Gen + 1}
	if a, ok := specs[sl.id]; ok {
		if _, ok := r.from[sl.id]; !ok {
			r.from[sl.id] = sl.spec
		}
		sl.next, sl.nextGen, sl.specKept = &a, turn.New, false
	}
	r.turns[sl.id] = turn
	l.rememberRoll(r)
	l.step(sl, lifecycle.Reload{Trial: trial})
}

// watchTurn waits for what becomes of an instance that is being replaced.
func (l *loop) watchTurn(r *roll, sl *slot, done, failedAs lifecycle.RollStage) {
	turn := r.turns[sl.id]
	old, c, short := turn.Old, coming{want: turn.New}, &shortLife{gen: turn.New}
	sl.await(func(sl *slot) bool {
		ev := lifecycle.RollEvent{ID: sl.id}
		if done == lifecycle.Replaced && short.over(sl) {
			l.turned(r, sl, r.shortLived(sl, short))
			return true
		}
		switch c.look(sl) {
		case undecided:
			return false
		case up, finished:
			if life := sl.state.Find(old); life != nil && !life.Leaves() {
				return false // drains, which has an end
			}
			ev.Stage = done
			if done == lifecycle.Replaced {
				defer l.watchReplaced(r, sl, short)
			}
		case failed:
			ev.Stage, ev.Reason = failedAs, c.failure.Reason
			r.fail(sl, c)
		case left:
			ev.Stage = lifecycle.Left
			r.w.warnings = append(r.w.warnings, leftFault(r.w.op, sl).Error())
		}
		l.turned(r, sl, ev)
		return true
	})
}

// watchReplaced ends the roll where what has replaced an instance lives shortly: the
// others would fare no better.
func (l *loop) watchReplaced(r *roll, sl *slot, short *shortLife) {
	sl.await(func(sl *slot) bool {
		if l.rolls[r.app] != r || r.stage(sl.id) != lifecycle.Replaced {
			return true
		}
		if !short.over(sl) {
			return false
		}
		l.roll(r, r.shortLived(sl, short))
		return true
	})
}

// shortLived is what a roll is told of an instance whose new process is over so soon.
func (r *roll) shortLived(sl *slot, short *shortLife) lifecycle.RollEvent {
	reason := short.reason + ", after it had replaced the old process"
	r.fail(sl, coming{failure: lifecycle.Failure{Gen: short.gen, Reason: reason}, replaced: true})
	return lifecycle.RollEvent{ID: sl.id, Stage: lifecycle.Replaced, Reason: reason}
}

// shortLife is that of a generation that has served, and ended soon.
type shortLife struct {
	gen    uint64
	served bool
	reason string // how it ended; "" while it has not
}

// over says that it was one, and that its last lines are known.
func (s *shortLife) over(sl *slot) bool {
	life := sl.state.Find(s.gen)
	switch {
	case life != nil && life.Role == lifecycle.Current && life.Stage == lifecycle.Serving:
		s.served = true
	case s.served && s.reason == "" && sl.lastExit != nil && sl.lastExit.Gen == s.gen && sl.state.Unstable > 0:
		s.reason = sl.state.Reason
	}
	return s.reason != "" && life == nil
}

// watchTrial waits for a successor to be on trial, and for its end there.
func (l *loop) watchTrial(r *roll, sl *slot) {
	turn := r.turns[sl.id]
	sl.await(func(sl *slot) bool {
		stage := r.stage(sl.id)
		if stage != lifecycle.Trying && stage != lifecycle.OnTrial {
			return true
		}
		ev := lifecycle.RollEvent{ID: sl.id}
		life, current := sl.state.Find(turn.New), sl.state.Current()
		switch {
		case sl.deleted || sl.state.Goal == lifecycle.Down:
			ev.Stage = lifecycle.Left
			r.w.warnings = append(r.w.warnings, leftFault(r.w.op, sl).Error())
		case current != nil && current.Gen == turn.New: // the old one ended by itself
			if sl.state.Phase != lifecycle.Running {
				return false
			}
			ev.Stage = lifecycle.Replaced
		case life == nil && sl.state.Failure.Gen == turn.New:
			ev.Stage, ev.Reason = lifecycle.Kept, sl.state.Failure.Reason
			r.fail(sl, coming{want: turn.New, failure: sl.state.Failure})
		case life == nil: // restarted meanwhile
			ev.Stage = lifecycle.Left
		case stage == lifecycle.Trying && life.Stage == lifecycle.Serving:
			l.roll(r, lifecycle.RollEvent{ID: sl.id, Stage: lifecycle.OnTrial})
			return r.stage(sl.id) != lifecycle.OnTrial
		default:
			return false
		}
		l.turned(r, sl, ev)
		return true
	})
}

// watchReject waits for the end of a successor that was on trial.
func (l *loop) watchReject(r *roll, sl *slot) {
	turn := r.turns[sl.id]
	sl.await(func(sl *slot) bool {
		if !sl.deleted && sl.state.Find(turn.New) != nil {
			return false
		}
		l.turned(r, sl, lifecycle.RollEvent{ID: sl.id, Stage: lifecycle.Kept})
		return true
	})
}

// turned ends the turn of an instance.
func (l *loop) turned(r *roll, sl *slot, ev lifecycle.RollEvent) {
	sl.next, sl.specKept = nil, false
	if !sl.deleted {
		l.remember(sl)
	}
	l.roll(r, ev)
}

// slot is what the roll knows of an instance.
func (r *roll) slot(id int) lifecycle.RollSlot {
	for _, s := range r.core.Slots {
		if s.ID == id {
			return s
		}
	}
	return lifecycle.RollSlot{ID: id, Stage: lifecycle.Left}
}

func (r *roll) stage(id int) lifecycle.RollStage { return r.slot(id).Stage }

// fail notes why the roll ends early.
func (r *roll) fail(sl *slot, c coming) {
	if r.err != nil {
		return
	}
	r.err = c.fault(r.w.op, sl)
	f, ok := r.err.(*fault.Error)
	if ok && r.stage(sl.id) == lifecycle.OnTrial {
		f.Message = "on trial it " + f.Message
	}
	if ok && sl.state.Phase == lifecycle.Running && !c.alive && !c.replaced {
		f.Message += "; the old process stays"
	}
	if c.alive && r.w.tail == nil {
		r.w.tail = &runner.Key{ID: sl.id, Gen: c.failure.Gen}
	}
}

// verdict is the error of a roll that is over, with what became of those that were
// replaced before.
func (r *roll) verdict() error {
	if n := len(r.core.Slots); r.err == nil && n > 0 && len(r.core.In(lifecycle.Left)) == n {
		return &fault.Error{Code: fault.Conflict, Op: r.w.op + " " + r.app, Message: "it was stopped or deleted meanwhile"}
	}
	f, ok := r.err.(*fault.Error)
	if !ok {
		return r.err
	}
	g := *f
	if n := len(r.core.In(lifecycle.Returned)); n > 0 {
		g.Message += fmt.Sprintf("; %d that had been replaced went back", n)
	}
	if n := len(r.core.In(lifecycle.Stuck)); n > 0 {
		g.Message += fmt.Sprintf("; %d could not go back and keep the new declaration", n)
	}
	return &g
}

// rollWake is when the next watch of canaries ends, or they are probed, zero for never.
func (l *loop) rollWake() (at time.Time) {
	now := time.Now()
	for _, r := range l.rolls {
		if r.core.Probing {
			continue // see probed
		}
		for _, u := range []time.Time{r.core.Until, l.probeAt(r, now)} {
			if !u.IsZero() && (at.IsZero() || u.Before(at)) {
				at = u
			}
		}
	}
	return at
}

// tickRolls ends the watches whose time has come, and probes.
func (l *loop) tickRolls(now time.Time) {
	for _, r := range l.rolls {
		switch {
		case r.core.Probing:
		case due(r.core.Until, now):
			l.roll(r, lifecycle.RollEvent{})
		case due(r.probeAt, now):
			l.probe(r)
		}
	}
}
