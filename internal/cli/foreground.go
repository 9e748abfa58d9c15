package cli

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	Input bool                     // the one process has standard input, unless that is a terminal
}

// vigil is a guard in the foreground from its first app to its last.
type vigil struct {
	c     *command
	guard Guard
	manner
	asked   syscall.Signal // that began the end; 0 for none
	timer   *time.Timer    // looks again
	tasks   sync.WaitGroup
	seq     uint64     // of the last event
	exits   []string   // reasons that were told of while apps are started; nil afterwards
	trouble chan error // of what a signal began
}

// manner is what depends on the command.
type manner struct {
	start func(ctx context.Context, svc api.Service) error
	tell  func(ev event.Event) task                                  // of each event; what is to be done beside, nil for nothing
	look  func(snap event.Snapshot) (again time.Duration, over bool) // whether anything will run; with again, look then
	stop  func(sig syscall.Signal)                                   // the end was asked for
	code  func(snap event.Snapshot, asked syscall.Signal) int        // exit code
	hup   bool                                                       // SIGHUP reloads, where there is no terminal
}

// task is done beside the watch, until ctx ends.
type task func(ctx context.Context) error

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
	v := &vigil{c: c, guard: g, manner: m, timer: time.NewTimer(time.Hour), exits: []string{}, trouble: make(chan error, 1)}
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
	news := make(chan event.Event)
	v.tasks.Go(func() {
		defer close(news)
		_ = v.guard.Watch(ctx, "", func(ev event.Event) error {
			select {
			case news <- ev:
			case <-ctx.Done():
			}
			return ctx.Err()
		})
	})
	defer func() {
		cancel()
		v.tasks.Wait()
	}()
	if err := v.watch(ctx, signals, news); err != nil {
		return 0, err
	}
	snap, err := v.guard.List(ctx, event.Query{Specs: true})
	if err == nil && v.asked == 0 {
		code = v.code(snap, 0) // by itself; what the end makes of it does not count
	}
	if err == nil {
		err = v.guard.Kill(ctx)
	}
	if err == nil {
		snap, err = v.guard.List(ctx, event.Query{Specs: true})
	}
	if err == nil {
		v.catchUp(ctx, snap, news)
	}
	if v.asked != 0 {
		code = v.code(snap, v.asked)
	}
	return code, err
}

// catchUp tells of all that has happened before snap.
func (v *vigil) catchUp(ctx context.Context, snap event.Snapshot, news <-chan event.Event) {
	for news != nil && v.seq < snap.Seq {
		ev, ok := <-news
		if !ok {
			return
		}
		v.heard(ctx, ev)
	}
}

// heard tells of an event.
func (v *vigil) heard(ctx context.Context, ev event.Event) {
	if ev.Type == event.Exited && ev.Instance != nil && v.exits != nil {
		v.exits = append(v.exits, ev.Instance.Reason)
	}
	if v.seq = max(v.seq, ev.Seq); ev.Snapshot != nil {
		v.seq = max(v.seq, ev.Snapshot.Seq)
	}
	v.beside(ctx, v.tell(ev))
}

// watch starts the apps and returns when they have ended, or are to end.
func (v *vigil) watch(ctx context.Context, signals <-chan os.Signal, news <-chan event.Event) error {
	if ev, ok := <-news; ok { // the first: from here on all is seen
		v.heard(ctx, ev)
	}
	started := make(chan error, 1)
	v.tasks.Go(func() { started <- v.start(ctx, v.guard) })
	for over := false; !over; {
		select {
		case sig := <-signals:
			v.signal(ctx, sig)
		case ev, ok := <-news:
			if !ok {
				news = nil // it is ending
				continue
			}
			v.heard(ctx, ev)
			over = started == nil && v.ended(ctx, ev)
		case <-v.timer.C:
			over = v.ended(ctx, event.Event{})
		case err := <-started:
			started = nil
			if err != nil {
				err = v.begun(ctx, err, news)
			}
			if err != nil {
				return err
			}
			v.exits, over = nil, v.ended(ctx, event.Event{})
		case err := <-v.trouble:
			v.c.warn("%s", clean(v.c.asFault(err).Error()))
		case err := <-v.guard.Failed():
			return err
		case <-v.guard.Down():
			over, v.asked = true, cmp.Or(v.asked, syscall.SIGTERM)
		}
	}
	return nil
}

// begun judges a start that did not go well: it is an error if there is nothing to
// guard, else a warning, unless that is told already.
func (v *vigil) begun(ctx context.Context, err error, news <-chan event.Event) error {
	if v.asked != 0 {
		return nil
	}
	snap, lerr := v.guard.List(ctx, event.Query{Brief: true})
	if lerr != nil || len(snap.Instances) == 0 {
		return err
	}
	v.catchUp(ctx, snap, news)
	e := v.c.asFault(err)
	several := strings.Split(e.Message, "; ")
	rest := slices.DeleteFunc(slices.Clone(several), func(part string) bool {
		return slices.ContainsFunc(v.exits, func(reason string) bool { return reason != "" && strings.HasSuffix(part, reason) })
	})
	if len(rest) > 0 {
		if e.Message = strings.Join(rest, "; "); len(several) > 1 {
			e.Op = ""
		}
		v.c.warn("%s", clean(e.Error()))
	}
	return nil
}

// beside does what may take its time.
func (v *vigil) beside(ctx context.Context, do task) {
	if do == nil {
		return
	}
	v.tasks.Go(func() {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			select {
			case v.trouble <- err:
			default: // one trouble is told already
			}
		}
	})
}

// signal does what a signal asks for. The second one that ends the apps does so at once.
func (v *vigil) signal(ctx context.Context, sig os.Signal) {
	var do task
	switch {
	case sig == syscall.SIGUSR1:
		do = func(ctx context.Context) error { _, err := v.guard.Signal(ctx, "all", "SIGUSR1"); return err }
	case sig == syscall.SIGUSR2:
		do = v.guard.ReopenLogs
	case sig == syscall.SIGHUP && v.hup && !v.c.Terminal:
		do = func(ctx context.Context) error {
			_, err := v.guard.Reload(ctx, spec.Act{Target: "all"})
			return err
		}
	case v.asked == 0:
		v.asked, _ = sig.(syscall.Signal)
		v.stop(v.asked)
		do = v.guard.Kill
	default:
		do = v.guard.Hurry
	}
	v.beside(ctx, do)
}

// ended says whether nothing runs any more and nothing will.
func (v *vigil) ended(ctx context.Context, ev event.Event) bool {
	if v.asked != 0 {
		return false // it is ending
	}
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
	words, opts, err := c.wanted(o)
	if err != nil {
		return err
	}
	s, err := c.toStart(ctx, words, opts)
	if err != nil {
		return err
	}
	return c.stand(ctx, c.console(s), manner{
		start: s.start, tell: c.tellRun, look: allOver, stop: func(syscall.Signal) {}, code: exitOf, hup: true,
	})
}

// starting is what is to be started.
type starting struct {
	words     []spec.Start
	files     []spec.Apply
	names     []string // one for each app
	processes []string // one for each process that is counted
	many      bool     // more than one process
}

// toStart is what words ask for, where they are no files with opts.
func (c *command) toStart(ctx context.Context, words []string, opts spec.Options) (s starting, err error) {
	for _, word := range words {
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
	n := 1
	if o.Instances != nil {
		if given, err := strconv.Atoi(*o.Instances); err == nil && given > 0 {
			n = given
		}
	}
	s.processes = append(s.processes, slices.Repeat([]string{name}, n)...)
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
		return Console{Out: true, Stamp: logs.JSONLine, Input: !s.many}
	}
	named := s.many && !c.values.on("raw")
	widest := 0
	for i, name := range s.names {
		widest = max(widest, width(prefix(i, name)))
	}
	return Console{Input: !s.many, Stamp: func(t logs.Target) string {
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
func (c *command) tellRun(ev event.Event) task {
	in := ev.Instance
	if ev.Type != event.Exited || in == nil || in.Reason == "" || in.Phase == lifecycle.Stopping {
		return nil
	}
	what := "; it is started again"
	switch in.Phase {
	case lifecycle.Stopped:
		return nil // the exit code tells
	case lifecycle.Failed:
		what = ""
	case lifecycle.Backoff:
		what += " in " + time.Until(in.WakeAt).Round(10*time.Millisecond).String()
	}
	c.warn("%s (id %d): %s%s", clean(in.App), in.ID, clean(in.Reason), what)
	return nil
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
