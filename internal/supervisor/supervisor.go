// Package supervisor is the shell around internal/lifecycle: one loop owns the
// state of every app, performs what the core decides and publishes what
// happened. It satisfies api.Service except for Ping, Logs, Flush and Kill,
// which the daemon adds.
//
// What a process must do to count as up, and so for a start to return:
//
//   - with wait-ready: say "ready" within the listen timeout;
//   - a cluster worker: listen. One whose instance was never seen to listen is
//     also up when it has stayed up for a second after its runtime came online;
//   - a program in fork mode: stay up for 300 ms after exec, 500 ms for Node and
//     Bun, or say "ready" before that.
//
// A process that is alive but late (not ready within the listen timeout) fails
// the command that waits for it, and stays; a successor in a reload is ended.
package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/wire"
)

// Runner is the edge: what turns decisions into processes. Spawn to Release
// return at once and report what came of it through [Supervisor.Report]; they
// are called by the loop. The others are called by whoever asks and may block.
type Runner interface {
	Spawn(s runner.Spawn)
	Adopt(s runner.Spawn) bool
	Retain(apps []string) []runner.Key
	Terminate(k runner.Key)
	Kill(k runner.Key)
	Route(k runner.Key)
	Unroute(k runner.Key)
	Disconnect(k runner.Key)
	Release(app string)
	Rename(from, to string)
	Listen(app string, addresses []string)

	Signal(k runner.Key, sig syscall.Signal) error
	WriteLine(k runner.Key, line string) error
	Send(k runner.Key, message []byte) error
	Probe(k runner.Key) error
	Told(k runner.Key) map[string]json.RawMessage
	Tail(k runner.Key, n int) []string
	Usage(pids []int) []event.Usage
	Asleep(pids []int) []bool
}

// Memory is what outlives this process. Put and Delete are called by the loop,
// before it acts on what it has decided; when they return, it is remembered.
type Memory interface {
	Found() map[string]json.RawMessage // what a former daemon put there
	Put(key string, value []byte)
	Delete(key string)
	Together(fn func())             // what fn puts and deletes is remembered as one, or not at all; it may be nested
	Sync(ctx context.Context) error // it outlives the machine, too
}

// Options are the parts a supervisor is built from.
type Options struct {
	Runner   Runner
	Machine  spec.Machine
	Profile  spec.Profile // what apps are where nothing is said
	MaxBoots int          // how many Node and Bun processes boot at once; 0 means twice Machine.CPUs()
	Memory   Memory       // nil for none
	Watcher  Watcher      // nil for none: then no files are watched
	Recent   *Recent      // nil for none: who watches again has missed what came meanwhile

	WeighEvery time.Duration // how often processes are weighed that have a limit; 0 means 30 s

	// Log is told what could not be restored, and what failed with nobody left to be
	// told; nil ignores.
	Log func(format string, args ...any)
}

// Supervisor guards apps. Its methods may be called from any goroutine; they
// are answered while Run runs.
type Supervisor struct {
	o     Options
	inbox *inbox
	bus   event.Bus
	over  chan struct{} // closed by Run when it ends
}

// New returns a supervisor of no apps.
func New(o Options) *Supervisor {
	if o.MaxBoots <= 0 {
		o.MaxBoots = 2 * max(1, o.Machine.CPUs())
	}
	if o.Memory == nil {
		o.Memory = forgetful{}
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	return &Supervisor{o: o, inbox: newInbox(), over: make(chan struct{})}
}

// Run is the loop. It ends when ctx does and leaves the processes as they are:
// call [Supervisor.Shutdown] before that, to end them. Run it once.
func (s *Supervisor) Run(ctx context.Context) error {
	defer s.bus.Close()
	defer close(s.over)
	l := newLoop(s.o, &s.bus, s.inbox)
	l.restore()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		for fn := range s.inbox.all() {
			fn(l)
		}
		l.tick(time.Now())
		timer.Stop()
		if at := l.wakeAt(); !at.IsZero() {
			timer.Reset(time.Until(at))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.inbox.wake:
		case <-timer.C:
		}
	}
}

// Freeze stops the loop when it has decided on all that it was told, until thaw is
// called, which is never nil.
func (s *Supervisor) Freeze(ctx context.Context) (thaw func(), err error) {
	frozen, goOn := make(chan struct{}), make(chan struct{})
	s.inbox.put(func(*loop) {
		close(frozen)
		<-goOn
	})
	return sync.OnceFunc(func() { close(goOn) }), s.wait(ctx, frozen)
}

// Report takes one fact from the runner. It never blocks. When it returns, a
// message outlives this process (see [Recent]).
func (s *Supervisor) Report(k runner.Key, r runner.Report) {
	m, ok := r.(runner.Message)
	if !ok || describes(wire.Topic(m.Data)) {
		s.inbox.put(func(l *loop) { l.report(k, r) })
		return
	}
	s.o.Recent.put(k, m.Data, func(end uint64) { // the loop gets them in the order in which they are kept
		s.inbox.put(func(l *loop) {
			l.told.said = end
			l.report(k, r)
		})
	})
}

// List returns all state, as far as q asks for it. CPU and memory are sampled
// by the caller's goroutine.
func (s *Supervisor) List(ctx context.Context, q event.Query) (event.Snapshot, error) {
	var snap event.Snapshot
	if err := s.ask(ctx, func(l *loop) {
		if snap = l.moment(); !q.Brief && !q.Table {
			snap.Apps = l.declared()
		}
		if q.Specs {
			for i := range snap.Instances {
				a := l.slots[snap.Instances[i].ID].spec
				snap.Instances[i].Spec = &a
			}
		}
	}); err != nil {
		return event.Snapshot{}, err
	}
	if !q.Table {
		s.addMetrics(snap.Instances)
	}
	if q.Usage {
		s.measure(snap.Instances)
	}
	return snap, nil
}

// addMetrics adds those that Node apps told: in words they are more than all the rest.
func (s *Supervisor) addMetrics(list []event.Instance) {
	for i := range list {
		in := &list[i]
		told := s.o.Runner.Told(runner.Key{ID: in.ID, Gen: in.Gen})
		if len(told) == 0 {
			continue
		}
		var said event.Said
		if in.Said != nil {
			said = *in.Said
		}
		maps.Copy(told, said.Monitor) // what the program tells itself counts
		said.Monitor = told
		in.Said = &said
	}
}

func (s *Supervisor) measure(list []event.Instance) {
	var pids, at []int
	for i := range list {
		if pid := list[i].PID; pid > 0 {
			pids, at = append(pids, pid), append(at, i)
		}
	}
	if len(pids) == 0 {
		return
	}
	for i, u := range s.o.Runner.Usage(pids) {
		list[at[i]].Usage = &u
	}
}

// Watch calls fn with a Begin event and then with each event in order, until
// ctx ends or fn returns an error, which it returns. After a cursor that an event
// of an earlier Watch had, of this daemon or a former one, it begins with the
// messages that came since.
func (s *Supervisor) Watch(ctx context.Context, after string, fn func(event.Event) error) error {
	if after != "" && !isCursor(after) {
		return &fault.Error{
			Code: fault.Invalid, Op: "watch", Field: "after", Message: "no cursor: " + strconv.Quote(after),
			Remedy: "Give the cursor of an event as it was, or none.",
		}
	}
	err := s.bus.Watch(ctx, after, func(ctx context.Context, after string, join func()) (st event.Start, err error) {
		err = s.ask(ctx, func(l *loop) {
			st = l.missed(after)
			join()
		})
		return st, err
	}, fn)
	if errors.Is(err, event.ErrClosed) {
		return ending()
	}
	return err
}

// Match returns the instances that target names, by id.
func (s *Supervisor) Match(ctx context.Context, target string) ([]event.Instance, error) {
	var list []event.Instance
	var err error
	if err := s.ask(ctx, func(l *loop) {
		var ids []int
		if ids, err = l.match(target, ""); err == nil {
			list = l.views(ids)
		}
	}); err != nil {
		return nil, err
	}
	return list, err
}

// Signal sends a signal to the main process of every live instance of target.
func (s *Supervisor) Signal(ctx context.Context, target, signal string) (event.Outcome, error) {
	sig, err := parseSignal(signal)
	if err != nil {
		return event.Outcome{}, err
	}
	list, err := s.Match(ctx, target)
	if err != nil {
		return event.Outcome{}, during("send "+signal+" to "+target, err)
	}
	var out event.Outcome
	for _, in := range list {
		if in.PID == 0 {
			continue
		}
		if err := s.o.Runner.Signal(runner.Key{ID: in.ID, Gen: in.Gen}, sig); err != nil {
			return out, during("send "+signal+" to "+label(in), err)
		}
		out.Instances = append(out.Instances, in)
	}
	if len(out.Instances) == 0 {
		return out, &fault.Error{
			Code: fault.NotRunning, Op: "send " + signal + " to " + target, Message: "no process of it is running",
			Remedy: "Start it first: tend start " + target,
		}
	}
	return out, nil
}

// WriteLine writes line and a newline to the standard input of instance id.
func (s *Supervisor) WriteLine(ctx context.Context, id int, line string) error {
	in, err := s.live(ctx, "send", id)
	if err != nil {
		return err
	}
	return during("send to "+label(in), s.o.Runner.WriteLine(runner.Key{ID: id, Gen: in.Gen}, line))
}

// live is an instance that has a process.
func (s *Supervisor) live(ctx context.Context, op string, id int) (in event.Instance, err error) {
	var ok bool
	if err := s.ask(ctx, func(l *loop) {
		if sl := l.slots[id]; sl != nil {
			in, ok = sl.view, true
		}
	}); err != nil {
		return in, err
	}
	switch {
	case !ok:
		return in, &fault.Error{Code: fault.NotFound, Op: op, Message: "no instance " + itoa(id), Remedy: "tend ls shows what there is."}
	case in.PID == 0:
		return in, &fault.Error{
			Code: fault.NotRunning, Op: op + " to " + label(in), Message: "it is not running",
			Remedy: "Start it first: tend start " + itoa(id),
		}
	}
	return in, nil
}

// ask runs fn in the loop and returns when it has run. After an error, fn may
// still run later: what it writes must not be read.
func (s *Supervisor) ask(ctx context.Context, fn func(l *loop)) error {
	done := make(chan struct{})
	s.inbox.put(func(l *loop) { defer close(done); fn(l) })
	return s.wait(ctx, done)
}

// wait returns when done is closed; with an error when ctx or the loop ends first.
func (s *Supervisor) wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return &fault.Error{
			Code: fault.Timeout, Message: "stopped waiting", Err: ctx.Err(),
			Remedy: "The command goes on in the daemon; tend ls shows how far it is.",
		}
	case <-s.over:
		select {
		case <-done:
			return nil
		default:
			return ending()
		}
	}
}

func ending() error {
	return &fault.Error{Code: fault.Unavailable, Message: "the daemon is ending"}
}
