// Package supervisor is the shell around internal/lifecycle: one loop owns the
// state of every app, performs what the core decides and publishes what
// happened. It satisfies api.Service except for Ping, Logs, Flush and Kill,
// which the daemon adds.
package supervisor

import (
	"context"
	"syscall"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
)

// Runner is the edge: what turns decisions into processes. Spawn to Release
// return at once and report what came of it through [Supervisor.Report]; they
// are called by the loop. The others are called by whoever asks and may block.
type Runner interface {
	Spawn(s runner.Spawn)
	Terminate(k runner.Key)
	Kill(k runner.Key)
	Unroute(k runner.Key)
	Disconnect(k runner.Key)
	Release(app string)

	Signal(k runner.Key, sig syscall.Signal) error
	WriteLine(k runner.Key, line string) error
	Send(k runner.Key, message []byte) error
	Tail(k runner.Key, n int) []string
	Usage(pids []int) []event.Usage
}

// Journal is told every event in order, with the state that the instance is in
// after it, so that a successor can take up from there. Record is called by
// the loop and must not block.
type Journal interface {
	Record(ev event.Event, state lifecycle.State)
}

// Options are the parts a supervisor is built from.
type Options struct {
	Runner   Runner
	Machine  spec.Machine
	LogDir   string  // where logs go by default
	MaxBoots int     // how many Node and Bun processes boot at once; 0 means Machine.CPUs()
	Journal  Journal // nil for none
}

// Supervisor guards apps. Its methods may be called from any goroutine; they
// are answered while Run runs.
type Supervisor struct {
	o Options
}

// New returns a supervisor of no apps.
func New(o Options) *Supervisor { return &Supervisor{o: o} }

// Run is the loop. It ends when ctx does and leaves the processes as they are:
// [Supervisor.Shutdown] before it, to end them.
func (s *Supervisor) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Report takes one fact from the runner. It never blocks.
func (s *Supervisor) Report(k runner.Key, r runner.Report) {}

// Shutdown stops every instance, refuses further commands, and returns when all
// processes are gone.
func (s *Supervisor) Shutdown(ctx context.Context) error { return nil }

func (s *Supervisor) List(ctx context.Context, usage bool) (event.Snapshot, error) {
	return event.Snapshot{}, later
}

func (s *Supervisor) Start(ctx context.Context, req spec.Start) (event.Outcome, error) {
	return event.Outcome{}, later
}

func (s *Supervisor) Restart(ctx context.Context, req spec.Act) (event.Outcome, error) {
	return event.Outcome{}, later
}

func (s *Supervisor) Reload(ctx context.Context, req spec.Act) (event.Outcome, error) {
	return event.Outcome{}, later
}

func (s *Supervisor) Stop(ctx context.Context, req spec.Act) (event.Outcome, error) {
	return event.Outcome{}, later
}

func (s *Supervisor) Delete(ctx context.Context, req spec.Act) (event.Outcome, error) {
	return event.Outcome{}, later
}

func (s *Supervisor) Reset(ctx context.Context, req spec.Act) (event.Outcome, error) {
	return event.Outcome{}, later
}

func (s *Supervisor) Scale(ctx context.Context, app, number string) (event.Outcome, error) {
	return event.Outcome{}, later
}

func (s *Supervisor) Signal(ctx context.Context, target, signal string) (event.Outcome, error) {
	return event.Outcome{}, later
}

func (s *Supervisor) WriteLine(ctx context.Context, id int, line string) error { return later }

func (s *Supervisor) Watch(ctx context.Context, fn func(event.Event) error) error { return later }

// Match returns the instances that target names, by id. cwd is where a script's
// relative path starts.
func (s *Supervisor) Match(ctx context.Context, target string) ([]event.Instance, error) {
	return nil, later
}

var later = &fault.Error{Code: fault.Unsupported, Message: "not built yet"}
