package supervisor

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/sys"
)

// Start starts a new app; or, where the word names what is known, restarts
// what of it runs and starts the rest. It returns once every instance is up.
func (s *Supervisor) Start(ctx context.Context, req spec.Start) (event.Outcome, error) {
	var ids []int
	if !strings.ContainsAny(req.Word, " \t\n") {
		if err := s.ask(ctx, func(l *loop) { ids = spec.Known(l.entries(), req.Word) }); err != nil {
			return event.Outcome{}, err
		}
	}
	if len(ids) > 0 {
		return s.restart(ctx, "start", ids, spec.Act{Target: req.Word, Options: req.Options, Caller: req.Caller})
	}
	app, err := s.o.Profile.Resolve(s.o.Machine, req)
	if err != nil {
		return event.Outcome{}, err
	}
	if app.PM2 && !req.Force { // it keeps what it had, and gets the options over it
		if err := s.ask(ctx, func(l *loop) { ids = l.resting(app) }); err != nil {
			return event.Outcome{}, err
		}
		if len(ids) > 0 {
			return s.restart(ctx, "start", ids, spec.Act{Target: req.Word, Options: req.Options, Caller: req.Caller})
		}
	}
	return s.command(ctx, "start", func(l *loop, w *wait) error { return l.start(w, app, req.Force) })
}

// resting are the instances that a declares, if none of them is up.
func (l *loop) resting(a spec.App) (ids []int) {
	for _, sl := range l.named(a.Name) {
		if sl.spec.Script != a.Script || sl.state.Deleting {
			continue
		}
		if sl.up() {
			return nil
		}
		ids = append(ids, sl.id)
	}
	return ids
}

// start makes the instances of a, or starts those there are if none of them runs.
func (l *loop) start(w *wait, a spec.App, force bool) error {
	var same []*slot
	for _, sl := range l.named(a.Name) {
		if sl.spec.Script == a.Script && !sl.state.Deleting {
			same = append(same, sl)
		}
	}
	if force {
		same = nil
	}
	for _, sl := range same {
		if sl.up() {
			return &fault.Error{
				Code: fault.Conflict, Op: "start " + a.Name, Field: "script", Message: "it is started already, as " + sl.label(),
				Remedy: "Restart it: tend restart " + a.Name + ". To start it a second time add -f.",
			}
		}
	}
	if err := l.depends(nil, a); err != nil {
		return during("start "+a.Name, err)
	}
	if len(same) == 0 {
		for range a.Processes() {
			sl := l.create(a)
			same = append(same, sl)
			w.fresh = append(w.fresh, sl.id)
		}
	}
	for _, sl := range same {
		w.ids = append(w.ids, sl.id)
		if !slices.Contains(w.fresh, sl.id) {
			a.Standby = sl.spec.Standby // their number stays
		}
		l.respec(sl, a)
	}
	for _, sl := range same {
		w.awaitWatch(sl)
		if a.NoAutostart && len(w.fresh) > 0 {
			continue
		}
		w.start(sl)
	}
	return nil
}

// start begins an instance and waits until it is up.
func (w *wait) start(sl *slot) {
	want := sl.state.Gen + 1
	w.l.begin(sl)
	w.awaitUp(sl, want)
}

// Restart ends the processes of target and then spawns them anew, with the
// options given. It returns once every instance is up.
func (s *Supervisor) Restart(ctx context.Context, req spec.Act) (event.Outcome, error) {
	ids, err := s.targets(ctx, "restart", req)
	if err != nil {
		return event.Outcome{}, err
	}
	return s.restart(ctx, "restart", ids, req)
}

func (s *Supervisor) restart(ctx context.Context, op string, ids []int, req spec.Act) (event.Outcome, error) {
	specs, err := s.respecs(ctx, op, ids, req)
	if err != nil {
		return event.Outcome{}, err
	}
	return s.command(ctx, op, func(l *loop, w *wait) error {
		w.warnInstances(req.Options)
		list := l.living(ids)
		for _, sl := range list {
			w.ids = append(w.ids, sl.id)
		}
		err := l.conflict(w.ids)
		if err == nil {
			err = l.dividing(list, specs)
		}
		if err == nil {
			err = l.depends(specs)
		}
		var moved []*plan
		if err == nil {
			moved, list, err = l.moving(list, specs)
		}
		if err != nil {
			return during(op+" "+req.Target, err)
		}
		l.keepMoved(moved, false)
		for _, p := range moved {
			l.beginAnew(p, w)
		}
		for _, sl := range list {
			if a, ok := specs[sl.id]; ok {
				l.respecKept(sl, a)
			}
		}
		for _, sl := range list {
			w.awaitWatch(sl)
			if p := sl.state.Phase; op == "start" && (p == lifecycle.Stopped || p == lifecycle.Failed) {
				w.start(sl)
				continue
			}
			want := sl.state.Gen + 1
			l.step(sl, lifecycle.Restart{})
			w.awaitUp(sl, want)
		}
		return nil
	})
}

// dividing refuses to give another name to a part of an app whose processes share
// sockets: two apps cannot have them.
func (l *loop) dividing(list []*slot, specs map[int]spec.App) error {
	for _, sl := range list {
		a, ok := specs[sl.id]
		if !ok || a.Name == sl.spec.Name || len(a.Listen) == 0 {
			continue
		}
		for _, other := range l.named(sl.spec.Name) {
			if _, too := specs[other.id]; !too {
				return &fault.Error{
					Code: fault.Invalid, Field: "--name", Message: "the instances of " + sl.spec.Name + " share their sockets, so they need one name",
					Remedy: "Rename all of them: tend restart " + sl.spec.Name + " --name " + a.Name,
				}
			}
		}
	}
	return nil
}

// Stop ends the processes of target, and the watch of their files. It returns once
// nothing of them is left.
func (s *Supervisor) Stop(ctx context.Context, req spec.Act) (event.Outcome, error) {
	return s.each(ctx, "stop", req, func(l *loop, w *wait, sl *slot) {
		if a := sl.spec; a.Watch.On {
			a.Watch.On = false
			l.respec(sl, a)
		}
		l.step(sl, lifecycle.Stop{})
		w.awaitGone(sl)
	})
}

// Delete ends the processes of target and forgets the instances.
func (s *Supervisor) Delete(ctx context.Context, req spec.Act) (event.Outcome, error) {
	return s.each(ctx, "delete", req, func(l *loop, w *wait, sl *slot) {
		l.step(sl, lifecycle.Delete{})
		w.awaitGone(sl)
	})
}

// Reset sets the counters of restarts to zero.
func (s *Supervisor) Reset(ctx context.Context, req spec.Act) (event.Outcome, error) {
	return s.each(ctx, "reset", req, func(l *loop, _ *wait, sl *slot) { l.step(sl, lifecycle.Reset{}) })
}

// Annotate lays Options.Shown over the declarations of target, and turns Options.Watch
// on or off, or with ToggleWatch the other way round; the processes go on.
func (s *Supervisor) Annotate(ctx context.Context, req spec.Act) (event.Outcome, error) {
	return s.each(ctx, "annotate", req, func(l *loop, w *wait, sl *slot) {
		sl.spec = sl.spec.Annotated(req.Options.Shown)
		if on := req.Options.Watch; on != nil || req.Options.ToggleWatch {
			sl.spec.Watch.On = on != nil && *on || on == nil && !sl.spec.Watch.On
			l.watch(sl, time.Now())
			w.awaitWatch(sl)
		}
		sl.specKept = false
		l.remember(sl)
		l.tell(sl, event.Changed)
	})
}

// Shutdown stops every instance, those first on which none depends, refuses further commands, and returns when all
// processes are gone. Run goes on until its context ends. With resume the next
// daemon starts again what was up; else it begins with nothing.
func (s *Supervisor) Shutdown(ctx context.Context, resume bool) error {
	err := s.close(ctx, resume, func(l *loop, sl *slot) { l.step(sl, lifecycle.Stop{}) })
	if err == nil && !resume {
		err = s.ask(ctx, (*loop).unrememberAll)
	}
	return errors.Join(err, s.o.Memory.Sync(ctx))
}

// Leave is Shutdown where nobody comes after: cluster workers finish what they have
// begun, but whoever connects from now on is refused and not kept waiting. What has
// ended stays on the list.
func (s *Supervisor) Leave(ctx context.Context) error {
	return s.close(ctx, false, func(l *loop, sl *slot) {
		l.o.Runner.Release(sl.spec.Name)
		l.step(sl, lifecycle.Stop{Drain: true})
	})
}

// Hurry has a Shutdown or Leave that goes on kill what is left.
func (s *Supervisor) Hurry(ctx context.Context) error {
	return s.ask(ctx, func(l *loop) {
		l.last.closing = true
		for _, sl := range l.living(slices.Clone(l.order)) {
			l.step(sl, lifecycle.Stop{})
			for _, life := range sl.state.Lives {
				l.o.Runner.Kill(runner.Key{ID: sl.id, Gen: life.Gen})
			}
		}
	})
}

// close ends every instance by stop, those first on which none depends, and refuses
// further commands.
func (s *Supervisor) close(ctx context.Context, resume bool, stop func(*loop, *slot)) error {
	var layers [][]int
	err := s.ask(ctx, func(l *loop) {
		l.last.closing = true
		if resume {
			l.rememberUp()
		}
		layers = l.layers()
	})
	for i := 0; err == nil && i < len(layers); i++ {
		_, err = s.command(ctx, "stop", func(l *loop, w *wait) error {
			for _, sl := range l.living(layers[i]) {
				stop(l, sl)
				w.awaitGone(sl)
			}
			return nil
		})
	}
	return err
}

// each does fn to every instance of req's target and waits for what fn says.
func (s *Supervisor) each(ctx context.Context, op string, req spec.Act, fn func(l *loop, w *wait, sl *slot)) (event.Outcome, error) {
	return s.command(ctx, op, func(l *loop, w *wait) error {
		ids, err := l.match(req.Target, req.Caller.Cwd)
		if err != nil {
			return during(op+" "+req.Target, err)
		}
		w.ids = ids
		for _, sl := range l.living(ids) {
			fn(l, w, sl)
		}
		return nil
	})
}

// command runs fn in the loop and waits until what fn put into its wait is
// complete. When fn returns an error it has changed nothing.
func (s *Supervisor) command(ctx context.Context, op string, fn func(l *loop, w *wait) error) (event.Outcome, error) {
	w := &wait{op: op, done: make(chan struct{})}
	s.inbox.put(func(l *loop) {
		w.l = l
		w.pending++ // itself, until fn has put everything in
		err := l.open()
		if err == nil || op == "stop" || op == "delete" {
			// What is done before it is remembered bears it: a process that nobody
			// remembers is ended, one that ended unbidden is started again.
			l.o.Memory.Together(func() { err = fn(l, w) })
		}
		w.finish(err)
	})
	if err := s.wait(ctx, w.done); err != nil {
		return event.Outcome{}, during(op, err)
	}
	if w.err == nil {
		if err := s.o.Memory.Sync(ctx); err != nil {
			w.out.Warnings = append(w.out.Warnings, err.Error()+"; if the machine stops now, this is forgotten")
		}
		return w.out, nil
	}
	if f, ok := errors.AsType[*fault.Error](w.err); ok && w.tail != nil && len(f.Log) == 0 {
		f.Log = s.o.Runner.Tail(*w.tail, tailLines)
	}
	if len(w.fresh) > 0 && final(w.err) {
		return event.Outcome{}, s.undo(ctx, w)
	}
	return w.out, w.err
}

// undo deletes what a command created that could never have come up, and
// returns the command's error.
func (s *Supervisor) undo(ctx context.Context, w *wait) error {
	_, err := s.command(ctx, "delete", func(l *loop, u *wait) error {
		for _, sl := range l.living(w.fresh) {
			l.step(sl, lifecycle.Delete{})
			u.awaitGone(sl)
		}
		return nil
	})
	return errors.Join(w.err, err)
}

// targets returns the ids that a command names.
func (s *Supervisor) targets(ctx context.Context, op string, req spec.Act) (ids []int, err error) {
	var unknown error
	if err := s.ask(ctx, func(l *loop) { ids, unknown = l.match(req.Target, req.Caller.Cwd) }); err != nil {
		return nil, err
	}
	return ids, during(op+" "+req.Target, unknown)
}

// respecs returns the declarations of ids with the options of req over them,
// none if there are no options. It asks the machine, so it runs beside the loop.
func (s *Supervisor) respecs(ctx context.Context, op string, ids []int, req spec.Act) (map[int]spec.App, error) {
	if reflect.ValueOf(req.Options).IsZero() {
		return nil, nil
	}
	var specs map[int]spec.App
	if err := s.ask(ctx, func(l *loop) { specs = l.specs(ids) }); err != nil {
		return nil, err
	}
	for id, a := range specs {
		with, err := a.With(s.o.Machine, req.Options, req.Caller)
		if err != nil {
			return nil, during(op+" "+req.Target, err)
		}
		specs[id] = with
	}
	return specs, nil
}

func (w *wait) warnInstances(o spec.Options) {
	if o.Instances != nil {
		w.warnings = append(w.warnings, "the number of instances stays; change it with tend scale")
	}
}

// living returns the slots of ids that still exist.
func (l *loop) living(ids []int) (list []*slot) {
	for _, id := range ids {
		if sl := l.slots[id]; sl != nil {
			list = append(list, sl)
		}
	}
	return list
}

func parseSignal(text string) (syscall.Signal, error) {
	sig, err := sys.ParseSignal(text)
	if err != nil {
		return 0, &fault.Error{
			Code: fault.Invalid, Op: "send signal", Field: "signal", Message: err.Error(),
			Remedy: "Give a name such as SIGUSR2, or a number.",
		}
	}
	return sig, nil
}
