package supervisor

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
)

// prompt answers every order at once.
type prompt struct {
	*edge
	spawned chan time.Time // when told to spawn; may be nil
}

func (e *prompt) Spawn(s runner.Spawn) {
	if e.spawned != nil {
		e.spawned <- time.Now()
	}
	e.report(s.Key, runner.Spawned{PID: s.Key.ID + 1})
	e.report(s.Key, runner.Online{})
	e.report(s.Key, runner.Listening{Address: "tcp :3000"})
}

func (e *prompt) Terminate(k runner.Key) {
	e.report(k, runner.Exited{})
	e.report(k, runner.Gone{})
}

func (e *prompt) Unroute(runner.Key) {}
func (e *prompt) Release(string)     {}

// crowd is a supervisor of 100 apps with 4 instances each, in real time.
func crowd(b *testing.B, spawned chan time.Time) *Supervisor {
	e := &prompt{edge: &edge{}}
	sup := New(Options{Runner: e, Machine: machine{}, Profile: spec.Profile{LogDir: "/logs"}, MaxBoots: 64})
	e.sup.Store(sup)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sup.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-done })
	for i := range 100 {
		if _, err := sup.Start(ctx, request(fmt.Sprint("app", i), 4)); err != nil {
			b.Fatal(err)
		}
	}
	e.spawned = spawned
	return sup
}

func BenchmarkList400(b *testing.B) {
	sup := crowd(b, nil)
	for b.Loop() {
		if _, err := sup.List(b.Context(), event.Query{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStopAndStart400(b *testing.B) {
	sup := crowd(b, nil)
	for b.Loop() {
		if _, err := sup.Stop(b.Context(), spec.Act{Target: "all"}); err != nil {
			b.Fatal(err)
		}
		if _, err := sup.Restart(b.Context(), spec.Act{Target: "all"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCrashToSpawn is the supervisor's part of the way from an exit to the
// next exec, with 400 instances around.
func BenchmarkCrashToSpawn(b *testing.B) {
	spawned := make(chan time.Time, 1)
	sup := crowd(b, spawned)
	// Every life of the benchmark is short, which must not count here.
	_ = sup.ask(b.Context(), func(l *loop) { l.slots[0].spec.MinUptime = 0 })
	gen := uint64(1)
	for b.Loop() {
		k := runner.Key{ID: 0, Gen: gen}
		sup.Report(k, runner.Exited{})
		<-spawned
		sup.Report(k, runner.Gone{})
		gen++
	}
}
