package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

// Apply makes the apps of a file what the file says. All are resolved before
// anything is changed; then they are changed side by side. It returns once each
// instance is up, and those that are too many are gone.
func (s *Supervisor) Apply(ctx context.Context, req spec.Apply) (event.Applied, error) {
	var wanted []*want
	for _, d := range req.Apps {
		a, err := s.o.Profile.ResolveDeclared(s.o.Machine, d, req.Caller)
		if err != nil {
			return event.Applied{}, err
		}
		wanted = addWant(wanted, a)
	}
	if err := checkHow(req); err != nil {
		return event.Applied{}, err
	}
	changes := []event.Change{}
	var whole *wait
	out, err := s.command(ctx, "apply", func(l *loop, w *wait) error {
		whole, w.whole = w, true
		plans, err := l.plan(wanted, req)
		if err != nil {
			return err
		}
		for _, p := range plans {
			changes = append(changes, p.change)
			if p.fewer != "" {
				w.warnings = append(w.warnings, p.fewer)
			}
			if !req.DryRun {
				l.carryOut(p, req, w)
			}
		}
		return nil
	})
	if f, ok := errors.AsType[*fault.Error](err); ok && whole != nil && f == whole.err && len(whole.others) > 0 {
		err = whole.together(*f)
	}
	return event.Applied{Changes: changes, Outcome: out}, err
}

// mostTold is how many failures of one command are told.
const mostTold = 5

// together is all that went wrong as one error, with the log of first.
func (w *wait) together(first fault.Error) error {
	var told []string
	for i, err := range append([]error{w.err}, w.others...) {
		if i == mostTold {
			told = append(told, fmt.Sprintf("%d more did not come up", len(w.others)+1-i))
			break
		}
		told = append(told, strings.TrimPrefix(err.Error(), w.op+" "))
	}
	first.Op, first.Field, first.Message, first.Err = w.op, "", strings.Join(told, "; "), nil
	return &first
}

func checkHow(req spec.Apply) error {
	switch {
	case req.How != spec.Restarting && req.How != spec.Reloading && req.How != spec.Declaring:
		return &fault.Error{Code: fault.Invalid, Field: "how", Message: fmt.Sprintf("no such way: %q", req.How), Remedy: "There are restart, reload and declare."}
	case req.Parallel < 0:
		return &fault.Error{Code: fault.Invalid, Field: "parallel", Message: "is negative"}
	}
	return nil
}

// want is what a file says of one name: a declaration for each instance.
type want struct {
	name  string
	specs []spec.App
}

// addWant notes the instances of a. Two apps of a file may have one name.
func addWant(list []*want, a spec.App) []*want {
	i := slices.IndexFunc(list, func(w *want) bool { return w.name == a.Name })
	if i < 0 {
		i = len(list)
		list = append(list, &want{name: a.Name})
	}
	for range a.Processes() {
		list[i].specs = append(list[i].specs, a)
	}
	return list
}

// plan is what is to be done about one name.
type plan struct {
	change event.Change
	specs  map[int]spec.App // of the instances that stay
	stay   []*slot
	create []spec.App
	excess []*slot
	from   map[int]spec.App // of a reload: what those that stay had before
	fewer  string           // a warning about their number
	anew   bool             // all must have ended before one can start
}

// plan says what a request means now. It changes nothing.
func (l *loop) plan(wanted []*want, req spec.Apply) (plans []*plan, err error) {
	var ids []int
	with, more := map[int]spec.App{}, []spec.App{}
	for _, w := range wanted {
		p := l.planApp(w, req)
		maps.Copy(with, p.specs)
		more = append(more, p.create...)
		plans = append(plans, p)
		for _, sl := range p.stay {
			ids = append(ids, sl.id)
		}
	}
	for _, id := range l.order {
		sl := l.slots[id]
		named := func(w *want) bool { return w.name == sl.spec.Name }
		if !slices.Contains(req.Prune, sl.spec.Origin) || sl.spec.Origin == "" || slices.ContainsFunc(wanted, named) || sl.state.Deleting {
			continue
		}
		last := len(plans) - 1
		if last < 0 || plans[last].change.Do != event.DoDelete || plans[last].change.App != sl.spec.Name {
			plans = append(plans, &plan{change: event.Change{App: sl.spec.Name, Do: event.DoDelete}})
			last++
		}
		plans[last].change.From++
		plans[last].excess = append(plans[last].excess, sl)
	}
	if err := l.depends(with, more...); err != nil {
		return nil, err
	}
	return plans, l.conflict(ids)
}

func (l *loop) planApp(w *want, req spec.Apply) *plan {
	var have []*slot
	for _, sl := range l.named(w.name) {
		if !sl.state.Deleting {
			have = append(have, sl)
		}
	}
	p := &plan{specs: map[int]spec.App{}, change: event.Change{App: w.name, Do: event.DoKeep, From: len(have), To: len(w.specs)}}
	switch n := len(w.specs); {
	case len(have) == 0:
		p.create, p.change.Do = w.specs, event.DoStart
		return p
	case req.How == spec.Declaring && len(have) < n:
		p.create = w.specs[len(have):]
	case req.How == spec.Declaring:
		have, p.excess = have[:n], have[n:]
	case len(have) != n:
		p.fewer = fmt.Sprintf("%s: the file says %d instances, and there are %d; tend apply changes that", w.name, n, len(have))
		p.change.To = len(have)
	}
	p.stay = have
	for i, sl := range have {
		a := w.specs[min(i, len(w.specs)-1)]
		if (req.How == spec.Declaring || a.PM2) && !req.UpdateEnv {
			a = a.KeepEnv(sl.spec)
		}
		a.Instances = sl.spec.Instances // the number is no part of it
		if req.How != spec.Declaring {
			a.Standby = sl.spec.Standby
		}
		p.specs[sl.id] = a
	}
	p.decide(req)
	return p
}

// decide says what becomes of the instances that stay: the most that one of them
// needs.
func (p *plan) decide(req spec.Apply) {
	replaces, down, all := false, false, true
	for i, sl := range p.stay {
		a := p.specs[sl.id]
		diff := sl.spec.Diff(a)
		if i == 0 || len(p.change.Fields) == 0 {
			p.change.Fields = diff
		}
		replaces = replaces || sl.spec.Replaces(a)
		p.anew = p.anew || sl.up() && elsewise(sl.spec, a)
		down, all = down || !sl.up() && !a.NoAutostart, all && !sl.up()
	}
	do := &p.change.Do
	switch {
	case req.How == spec.Restarting && all:
		*do = event.DoStart
	case req.How == spec.Restarting || p.anew:
		*do = event.DoRestart
	case req.How == spec.Reloading:
		*do = event.DoReload
	case replaces:
		*do = event.DoReload
	case down:
		*do = event.DoStart
	case len(p.change.Fields) > 0:
		*do = event.DoUpdate
	case len(p.create)+len(p.excess) > 0:
		*do = event.DoScale
	}
}

// elsewise says that processes of a and of b cannot have the same sockets at once:
// the daemon holds those of a cluster, a program in fork mode its own, and with
// reuseport each worker has one.
func elsewise(a, b spec.App) bool {
	return a.Mode != b.Mode || (a.Scheduler == spec.ReusePort) != (b.Scheduler == spec.ReusePort)
}

// carryOut does what was planned, and lets w wait for it.
func (l *loop) carryOut(p *plan, req spec.Apply, w *wait) {
	for _, sl := range p.stay {
		w.ids = append(w.ids, sl.id)
	}
	if p.anew {
		l.beginAnew(p, w)
		return
	}
	switch p.change.Do {
	case event.DoReload:
		for _, r := range l.rollsOf(w, p.stay, spec.Act{Parallel: req.Parallel}) {
			r.specs, r.core.Back = p.specs, true
			r.then = func() { l.scaleTo(p, w) }
			l.roll(r, lifecycle.RollEvent{})
		}
		return
	case event.DoRestart, event.DoStart: // of apps that are there, start only those that are down
		for _, sl := range p.stay {
			l.respecKept(sl, p.specs[sl.id])
		}
		for _, sl := range p.stay {
			switch {
			case p.change.Do == event.DoStart && (sl.up() || sl.spec.NoAutostart):
				continue
			case sl.idle():
				w.start(sl)
				continue
			}
			next := sl.state.Gen + 1
			l.step(sl, lifecycle.Restart{})
			w.awaitUp(sl, next)
		}
	default:
		for _, sl := range p.stay {
			l.respecKept(sl, p.specs[sl.id])
			l.remember(sl)
			l.tell(sl, event.Changed)
		}
	}
	l.scaleTo(p, w)
}

// beginAnew ends all processes of an app, and then starts it as declared.
func (l *loop) beginAnew(p *plan, w *wait) {
	w.pending++
	left := 1
	ended := func() {
		if left--; left > 0 {
			return
		}
		for _, sl := range p.stay {
			if sl.deleted || sl.state.Goal == lifecycle.Up {
				w.finish(&fault.Error{Code: fault.Conflict, Op: w.op + " " + sl.label(), Message: "it was started again or deleted meanwhile", Remedy: "Give the command once more."})
				return
			}
		}
		for _, sl := range p.stay {
			l.respecKept(sl, p.specs[sl.id])
		}
		for _, sl := range p.stay {
			next := sl.state.Gen + 1
			l.step(sl, lifecycle.Start{})
			w.awaitUp(sl, next)
		}
		p.excess = nil
		l.scaleTo(p, w)
		w.finish(nil)
	}
	for _, sl := range slices.Concat(p.stay, p.excess) {
		left++
		if slices.Contains(p.excess, sl) {
			l.step(sl, lifecycle.Delete{Drain: true})
		} else {
			l.step(sl, lifecycle.Stop{})
		}
		sl.await(func(sl *slot) bool {
			over := sl.deleted || sl.idle() || sl.state.Goal == lifecycle.Up
			if over {
				l.pending = append(l.pending, ended)
			}
			return over
		})
	}
	ended()
}

// scaleTo makes the instances that are missing, and deletes those that are too many.
func (l *loop) scaleTo(p *plan, w *wait) {
	var fresh []*slot
	for _, a := range p.create {
		sl := l.create(a)
		fresh = append(fresh, sl)
		w.ids = append(w.ids, sl.id)
		l.respec(sl, a)
	}
	for _, sl := range fresh {
		if !sl.spec.NoAutostart {
			w.start(sl)
		}
		w.awaitWatch(sl)
	}
	for _, sl := range p.excess {
		l.step(sl, lifecycle.Delete{Drain: p.change.To > 0})
		w.awaitGone(sl)
	}
}
