package cli

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/logs"
	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/sys"
)

// Guard guards apps in this process.
type Guard interface {
	api.Service
	Hurry(ctx context.Context) error // a Kill that goes on kills what is left
	Down() <-chan struct{}           // closed when a Kill, whosever, is complete
	Failed() <-chan error            // tells of a part that broke
	Close(ctx context.Context) error // lets go of everything
}

// Console is how a guard shows what its apps write.
type Console struct {
	Stamp func(logs.Target) string // what stands before each line; nil: lines as they are
	Out   bool                     // standard error goes to standard output, too
}

// vigil is a guard in the foreground from its first app to its last.
type vigil struct {
	c     *command
	guard Guard
	manner
	asked   syscall.Signal // that began the end; 0 for none
	timer   *time.Timer    // looks again
	trouble chan error     // of what a signal began
}

// manner is what depends on the command.
type manner struct {
	start func(ctx context.Context, svc api.Service) error
	tell  func(ev event.Event)                                       // of each event until the end is asked for
	look  func(snap event.Snapshot) (again time.Duration, over bool) // whether anything will run; with again, look then
	stop  func(sig syscall.Signal)                                   // the end was asked for
	code  func(snap event.Snapshot, asked syscall.Signal) int        // exit code
}

// exitCode ends the program with another code than 0 or 1.
type exitCode int

func (exitCode) Error() string { return "told by the exit code" }

// stand starts apps and returns when they have ended.
func (c *command) stand(ctx context.Context, show Console, m manner) error {
	if c.Guard == nil || c.Notify == nil {
		return &fault.Error{Code: fault.Unsupported, Message: "nothing can be guarded here"}
	}
	signals, deaf := c.Notify()
	defer deaf()
	g, err := c.Guard(ctx, show)
	if err != nil {
		return err
	}
	v := &vigil{c: c, guard: g, manner: m, timer: time.NewTimer(time.Hour), trouble: make(chan error, 1)}
	defer v.timer.Stop()
	code, err := v.run(ctx, signals)
	if cerr := g.Close(context.WithoutCancel(ctx)); cerr != nil {
		c.warn("%s", clean(cerr.Error()))
	}
	if err == nil && code != 0 {
		err = exitCode(code)
	}
	return err
}

func (v *vigil) run(ctx context.Context, signals <-chan os.Signal) (code int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	news, watched := make(chan event.Event), make(chan struct{})
	go func() { // ends with ctx
		defer close(watched)
		_ = v.guard.Watch(ctx, func(ev event.Event) error {
			select {
			case news <- ev:
			case <-ctx.Done():
			}
			return ctx.Err()
		})
	}()
	defer func() { cancel(); <-watched }()
	started := make(chan error, 1)
	go func() { started <- v.start(ctx, v.guard) }() // at the latest, the end of the apps ends it
	for over := false; !over; {
		select {
		case sig := <-signals:
			v.signal(ctx, sig)
		case ev := <-news:
			if v.asked == 0 {
				v.tell(ev)
			}
			over = started == nil && v.asked == 0 && v.ended(ctx, ev)
		case <-v.timer.C:
			over = v.asked == 0 && v.ended(ctx, event.Event{})
		case err := <-started:
			started = nil
			if over = v.asked == 0 && v.ended(ctx, event.Event{}); err != nil && v.asked == 0 {
				if snap, lerr := v.guard.List(ctx, event.Query{Brief: true}); lerr != nil || len(snap.Instances) == 0 {
					return 0, err
				}
				if !over { // it is started again
					v.c.warn("%s", clean(v.c.asFault(err).Error()))
				}
			}
		case err := <-v.trouble:
			v.c.warn("%s", clean(v.c.asFault(err).Error()))
		case err := <-v.guard.Failed():
			return 0, err
		case <-v.guard.Down():
			over, v.asked = true, cmp.Or(v.asked, syscall.SIGTERM)
		}
	}
	snap, err := v.guard.List(ctx, event.Query{Specs: true})
	if err == nil {
		err = v.guard.Kill(ctx)
	}
	return v.code(snap, v.asked), err
}

// signal does what a signal asks for. The second one that ends the apps does so at once.
func (v *vigil) signal(ctx context.Context, sig os.Signal) {
	beside := func(do func() error) {
		go func() { // ends with the guard
			if err := do(); err != nil {
				select {
				case v.trouble <- err:
				default:
				}
			}
		}()
	}
	switch {
	case sig == syscall.SIGUSR1:
		beside(func() error { _, err := v.guard.Signal(ctx, "all", "SIGUSR1"); return err })
	case sig == syscall.SIGUSR2:
		beside(func() error { return v.guard.ReopenLogs(ctx) })
	case sig == syscall.SIGHUP && !v.c.Terminal:
		beside(func() error {
			_, err := v.guard.Reload(ctx, spec.Act{Target: "all"})
			return err
		})
	case v.asked == 0:
		v.asked, _ = sig.(syscall.Signal)
		v.stop(v.asked)
		beside(func() error { return v.guard.Kill(ctx) })
	default:
		beside(func() error { return v.guard.Hurry(ctx) })
	}
}

// ended says whether nothing runs any more and nothing will.
func (v *vigil) ended(ctx context.Context, ev event.Event) bool {
	if in := ev.Instance; in != nil && in.Phase != lifecycle.Stopped && in.Phase != lifecycle.Failed && ev.Type != event.Deleted {
		return false
	}
	snap, err := v.guard.List(ctx, event.Query{Brief: true})
	if err != nil {
		return false // it is ending
	}
	again, over := v.look(snap)
	if again > 0 {
		v.timer.Reset(again)
	}
	return over
}

// runRun guards apps in the foreground.
func runRun(ctx context.Context, c *command, o operands) error {
	s, err := c.toStart(ctx, o)
	if err != nil {
		return err
	}
	return c.stand(ctx, c.console(s), manner{
		start: s.start, tell: c.tellRun, look: allOver, stop: func(syscall.Signal) {}, code: exitOf,
	})
}

// starting is what is to be started.
type starting struct {
	words []spec.Start
	files []spec.Apply
	names []string // one for each app
	many  bool     // more than one process
}

// toStart is what the operands ask for.
func (c *command) toStart(ctx context.Context, o operands) (s starting, err error) {
	if len(o.args) == 0 {
		word, err := c.theFile(o)
		if err != nil {
			return s, err
		}
		o.args = []string{word}
	}
	opts, err := c.declared(o)
	if err != nil {
		return s, err
	}

	for _, word := range o.args {
		if !spec.IsConfig(word) {
			s.words = append(s.words, spec.Start{Word: word, Options: opts, Force: c.values.on("force"), Caller: c.caller()})
			s.add(opts, word)
			continue
		}
		f, err := c.read(ctx, word)
		if err != nil {
			return s, err
		}
		req, err := c.asked(f, spec.Restarting)
		if err != nil {
			return s, err
		}
		s.files = append(s.files, req)
		for _, d := range f.Apps {
			s.add(d.Options, d.Word)
		}
	}
	return s, nil
}

// add notes an app.
func (s *starting) add(o spec.Options, word string) {
	name := filepath.Base(word)
	if name = strings.TrimSuffix(name, filepath.Ext(name)); o.Name != nil {
		name = *o.Name
	}
	s.names = append(s.names, name)
	s.many = s.many || len(s.names) > 1 || o.Instances != nil && *o.Instances != "1"
}

// start starts everything. The first that can never come up ends it. What is there to
// be warned of does not matter where all can be seen.
func (s starting) start(ctx context.Context, svc api.Service) error {
	var late error
	for _, req := range s.files {
		_, err := svc.Apply(ctx, req)
		if late = cmp.Or(late, err); err != nil && fault.CodeOf(err) != fault.StartFailed {
			return err
		}
	}
	for _, req := range s.words {
		_, err := svc.Start(ctx, req)
		if late = cmp.Or(late, err); err != nil && fault.CodeOf(err) != fault.StartFailed {
			return err
		}
	}
	return late
}

// console is how the output of s is shown: as it is where one process writes it, else
// with the process before each line.
func (c *command) console(s starting) Console {
	if c.values.on("json") {
		return Console{Out: true, Stamp: logs.JSONLine}
	}
	named := s.many && !c.values.on("raw")
	widest := 0
	for i, name := range s.names {
		widest = max(widest, width(prefix(i, name)))
	}
	return Console{Stamp: func(t logs.Target) string {
		var format string
		if named {
			head := pad(cell{prefix(t.ID, t.App), ""}, max(min(widest, 30), width(prefix(t.ID, t.App))), false, c.paint) + " | "
			format = logs.Literal(c.paint(palette[t.ID%len(palette)], head))
		}
		if t.Stamp != "" && !strings.HasPrefix(t.Stamp, "\x00") {
			format += t.Stamp + "[: ]"
		}
		if format == "" {
			return ""
		}
		return logs.HeadStamp(format)
	}}
}

// tellRun tells of processes that are started again.
func (c *command) tellRun(ev event.Event) {
	in := ev.Instance
	if ev.Type != event.Exited || in == nil || in.Reason == "" || in.Phase == lifecycle.Stopping {
		return
	}
	what := "; it is started again"
	switch in.Phase {
	case lifecycle.Stopped:
		return // the exit code tells
	case lifecycle.Failed:
		what = ""
	case lifecycle.Backoff:
		what += " in " + time.Until(in.WakeAt).Round(10*time.Millisecond).String()
	}
	c.warn("%s (id %d): %s%s", clean(in.App), in.ID, clean(in.Reason), what)
}

// allOver says that every app has ended by itself, and for good. What was stopped by
// a command may be started by another.
func allOver(snap event.Snapshot) (again time.Duration, over bool) {
	for _, in := range snap.Instances {
		ended := in.Phase == lifecycle.Stopped || in.Phase == lifecycle.Failed
		if in.Goal == lifecycle.Down || !ended || in.Watch || !in.CronAt.IsZero() {
			return 0, false
		}
	}
	return 0, true
}

// exitOf is the exit code of the first app that did not end well. One that died by
// the signal with which it was asked to end has done as it was told.
func exitOf(snap event.Snapshot, asked syscall.Signal) int {
	list := slices.Clone(snap.Instances)
	slices.SortStableFunc(list, func(a, b event.Instance) int { return endedAt(a).Compare(endedAt(b)) })
	for _, in := range list {
		e := in.LastExit
		switch {
		case e == nil:
		case asked != 0 && in.Spec != nil && e.Signal == in.Spec.StopSignal:
			continue
		case e.Signal != "":
			sig, err := sys.ParseSignal(e.Signal)
			if err == nil {
				return 128 + int(sig)
			}
		case e.Code > 0:
			return e.Code
		}
		if in.Phase == lifecycle.Failed || in.Held {
			return exitFailed
		}
	}
	return exitOK
}

func endedAt(in event.Instance) time.Time {
	if in.LastExit == nil {
		return time.Time{}
	}
	return in.LastExit.At
}
