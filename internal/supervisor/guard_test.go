package supervisor

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

const ms = time.Millisecond

// worker is a cluster worker that listens.
var worker = program{online: 40 * ms, listens: 100 * ms, stopTime: 20 * ms}

func TestStartReturnsWhenWorkersListen(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		began := time.Now()
		out := b.start("web", 4)
		if d := time.Since(began); d < 100*ms || d > 120*ms {
			t.Errorf("start took %v", d)
		}
		if len(out.Instances) != 4 || out.Instances[3].Phase != lifecycle.Running || out.Instances[3].Index != 3 || out.Instances[3].PID == 0 {
			t.Errorf("outcome %+v", out)
		}
	})
}

func TestStartOfAWorkerThatNeverListens(t *testing.T) {
	run(t, func(b *bench) {
		b.always("job", program{online: 40 * ms})
		began := time.Now()
		b.start("job", 1)
		if d := time.Since(began); d < time.Second || d > 1100*ms {
			t.Errorf("start took %v", d)
		}
	})
}

func TestStartOfAProgram(t *testing.T) {
	run(t, func(b *bench) {
		began := time.Now()
		b.start("tool", 0)
		if d := time.Since(began); d != proveRuntime+ms {
			t.Errorf("start took %v", d)
		}
		b.wantPhase(0, lifecycle.Running)
	})
}

func TestStartFailsWithTheLastWords(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", program{online: 40 * ms, refused: 50 * ms, exits: 60 * ms, code: 1, lingers: 5 * ms, log: []string{"Error: EADDRINUSE"}})
		_, err := b.sup.Start(b.ctx, request("web", 2))
		f := wantFault(t, err, fault.StartFailed, "): tcp :3000: address in use: exited with code 1 after 60ms")
		if strings.Join(f.Log, "\n") != "Error: EADDRINUSE" {
			t.Errorf("log %q", f.Log)
		}
		if n := len(b.ids()); n != 2 || !strings.HasSuffix(f.Remedy, "It is started again until you stop it: tend stop web") {
			t.Errorf("%d instances, want both kept; remedy %q", n, f.Remedy)
		}
		once := program{online: 40 * ms, exits: 60 * ms, code: 1, lingers: 5 * ms}
		b.always("once", once)
		_, err = b.sup.Start(b.ctx, request("once", 1, func(o *spec.Options) { o.Autorestart = ptr(false) }))
		if f := wantFault(t, err, fault.StartFailed, "exited with code 1"); strings.Contains(f.Remedy, "again") {
			t.Errorf("of one that is not started again: %q", f.Remedy)
		}
	})
}

func TestWhatCannotBeSpawnedIsNotKept(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", program{failed: &fault.Error{Code: fault.Denied, Field: "--cwd", Message: "permission denied", Remedy: "chmod"}})
		_, err := b.sup.Start(b.ctx, request("web", 2))
		if f := wantFault(t, err, fault.Denied, "--cwd: permission denied"); f.Remedy != "chmod" {
			t.Errorf("remedy %q", f.Remedy)
		}
		if n := len(b.ids()); n != 0 {
			t.Errorf("%d instances, want none", n)
		}
		b.always("web", worker)
		if out := b.start("web", 1); out.Instances[0].ID != 0 {
			t.Errorf("id %d", out.Instances[0].ID)
		}
	})
}

func TestBadRequestChangesNothing(t *testing.T) {
	run(t, func(b *bench) {
		req := request("web", 1)
		req.Word = "/missing/web.js"
		_, err := b.sup.Start(b.ctx, req)
		if err == nil || len(b.list()) != 0 || b.took() != "" {
			t.Errorf("error %v, %d instances", err, len(b.list()))
		}
	})
}

func TestWaitReady(t *testing.T) {
	ready := func(o *spec.Options) { o.WaitReady, o.ListenTimeout = ptr(true), ptr(3*time.Second) }
	run(t, func(b *bench) {
		b.always("web", program{online: 40 * ms, listens: 100 * ms, ready: 700 * ms})
		began := time.Now()
		b.start("web", 1, ready)
		if d := time.Since(began); d < 700*ms || d > 710*ms {
			t.Errorf("start took %v", d)
		}
		b.always("never", program{online: 40 * ms, listens: 100 * ms})
		began = time.Now()
		_, err := b.sup.Start(b.ctx, request("never", 1, ready))
		f := wantFault(t, err, fault.StartFailed, "was not ready within 3s")
		if d := time.Since(began); d < 3*time.Second || d > 3100*ms || len(f.Log) == 0 {
			t.Errorf("took %v, log %q", d, f.Log)
		}
		b.wantPhase(1, lifecycle.Running) // it stays
		if in := b.get(1); in.Reason == "" || in.PID == 0 {
			t.Errorf("%+v", in)
		}
	})
}

func TestCrashOfAStableProcess(t *testing.T) {
	run(t, func(b *bench) {
		b.gens("web", program{online: 40 * ms, listens: 100 * ms, exits: 10 * time.Second, code: 1}, worker)
		b.start("web", 1)
		b.took()
		time.Sleep(10*time.Second - 100*ms)
		synctest.Wait()
		b.wantActs("spawn 0.2") // at once
		b.wait(time.Second)
		in := b.get(0)
		if in.Phase != lifecycle.Running || in.Restarts != 1 || in.Unstable != 0 || in.Gen != 2 || in.LastExit == nil || in.LastExit.Gen != 1 {
			t.Errorf("%+v", in)
		}
	})
}

func TestDyingAtOnceBacksOffAndFails(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", program{exits: 30 * ms, code: 3})
		_, err := b.sup.Start(b.ctx, request("web", 0))
		wantFault(t, err, fault.StartFailed, "exited with code 3")
		b.wantPhase(0, lifecycle.Backoff)
		b.wait(20 * time.Second)
		in := b.get(0)
		if in.Phase != lifecycle.Failed || in.Restarts != 15 || !strings.Contains(in.Reason, "gave up after 16 short lives") ||
			!strings.Contains(in.Reason, "exited with code 3") || in.PID != 0 || in.Goal != lifecycle.Up {
			t.Errorf("%+v", in)
		}
		if acts := b.took(); !strings.HasSuffix(acts, "release web") || strings.Count(acts, "spawn") != 16 {
			t.Error(acts)
		}
		b.always("web", program{})
		if _, err := b.sup.Restart(b.ctx, act("web")); err != nil {
			t.Error(err)
		}
		if in := b.get(0); in.Phase != lifecycle.Running || in.Restarts != 15 || in.Reason != "" {
			t.Errorf("%+v", in)
		}
	})
}

func TestFlappingAfterALongLifeFailsToo(t *testing.T) {
	run(t, func(b *bench) {
		b.gens("web", program{exits: 100 * time.Hour, code: 1}, program{exits: 30 * ms, code: 1})
		b.start("web", 0)
		b.wait(100*time.Hour + 20*time.Second)
		b.wantPhase(0, lifecycle.Failed)
	})
}

func TestStopDuringBackoff(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", program{exits: 30 * ms, code: 3})
		_, _ = b.sup.Start(b.ctx, request("web", 0, func(o *spec.Options) { o.RestartDelay = ptr(time.Hour) }))
		b.wantPhase(0, lifecycle.Backoff)
		b.took()
		if _, err := b.sup.Stop(b.ctx, act("0")); err != nil {
			t.Error(err)
		}
		b.wantPhase(0, lifecycle.Stopped)
		b.wait(2 * time.Hour)
		b.wantActs("release web")
	})
}

func TestNoAutorestart(t *testing.T) {
	once := func(o *spec.Options) { o.Autorestart = ptr(false) }
	run(t, func(b *bench) {
		b.always("job", program{exits: 30 * ms})
		out := b.start("job", 0, once)
		if len(out.Warnings) != 1 || !strings.Contains(out.Warnings[0], "exited with code 0") {
			t.Errorf("warnings %q", out.Warnings)
		}
		b.wantPhase(0, lifecycle.Stopped)
		b.always("bad", program{exits: 30 * ms, code: 1})
		_, err := b.sup.Start(b.ctx, request("bad", 0, once))
		wantFault(t, err, fault.StartFailed, "exited with code 1")
		b.wantPhase(1, lifecycle.Stopped)
		b.wait(time.Minute)
		if in := b.get(1); in.Restarts != 0 {
			t.Errorf("%+v", in)
		}
	})
}

func TestStopExitCodes(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", program{exits: 5 * time.Second, code: 7})
		b.start("web", 0, func(o *spec.Options) { o.StopExitCodes = &[]int{7} })
		b.wait(time.Minute)
		if in := b.get(0); in.Phase != lifecycle.Stopped || in.Restarts != 0 || !strings.Contains(in.Reason, "code 7") {
			t.Errorf("%+v", in)
		}
	})
}

func TestLeavingStartsTheSuccessorFirst(t *testing.T) {
	run(t, func(b *bench) {
		b.gens("web", program{online: 40 * ms, listens: 100 * ms, leaves: 5 * time.Second, exits: 9 * time.Second}, worker)
		b.start("web", 1)
		b.took()
		b.wait(6 * time.Second)
		b.wantActs("unroute 0.1, spawn 0.2")
		if in := b.get(0); in.Phase != lifecycle.Running || in.Gen != 2 || in.Restarts != 1 {
			t.Errorf("%+v", in)
		}
		if b.alive() != 2 {
			t.Errorf("%d processes", b.alive())
		}
		b.wait(4 * time.Second)
		b.wantActs("")
		if b.alive() != 1 {
			t.Errorf("%d processes", b.alive())
		}
	})
}

func TestDeafProcessIsKilledAfterItsGrace(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", program{deaf: true})
		b.start("web", 0)
		began := time.Now()
		b.took()
		if _, err := b.sup.Stop(b.ctx, act("web")); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d < 1600*ms || d > 1610*ms {
			t.Errorf("stop took %v", d)
		}
		b.wantActs("terminate 0.1, kill 0.1, release web")
		if in := b.get(0); in.Phase != lifecycle.Stopped || in.LastExit.Signal != "SIGKILL" || in.Goal != lifecycle.Down {
			t.Errorf("%+v", in)
		}
	})
}

func TestStopWaitsForTheWholeTree(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", program{lingers: time.Second})
		b.start("web", 0)
		began := time.Now()
		_, _ = b.sup.Stop(b.ctx, act("web"))
		if d := time.Since(began); d != time.Second {
			t.Errorf("stop took %v", d)
		}
	})
}

func TestIdleIsAsleep(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 4)
		var at time.Time
		_ = b.sup.ask(b.ctx, func(l *loop) { at = l.wakeAt() })
		if !at.IsZero() {
			t.Errorf("wakes at %v", at)
		}
	})
}

func TestBootsAreCapped(t *testing.T) {
	run(t, func(b *bench) {
		_ = b.sup.ask(b.ctx, func(l *loop) { l.boots.max = 2 })
		b.always("web", worker)
		began := time.Now()
		b.start("web", 8)
		if d := time.Since(began); d < 400*ms || d > 500*ms {
			t.Errorf("start took %v, want four rounds of 100 ms", d)
		}
		b.always("lib", worker)
		go func() { _, _ = b.sup.Start(b.ctx, request("lib", 8)) }()
		b.wait(50 * ms)
		if _, err := b.sup.Delete(b.ctx, act("lib")); err != nil { // most still wait for their turn
			t.Error(err)
		}
		if n := len(b.ids()); n != 8 {
			t.Errorf("%d instances", n)
		}
	})
}

// What sleeps has loaded its program: the next one boots, and nobody looks any
// more once none waits.
func TestBootsEndWhenTheySleep(t *testing.T) {
	for _, c := range []struct {
		what        string
		p           program
		least, most time.Duration // for the last of 10 to be spawned, two at a time
	}{
		{"busy", program{}, 4 * bootForked, 4*bootForked + 20*ms},
		{"asleep", program{sleeps: 40 * ms}, 4 * 40 * ms, 4 * (40*ms + 3*bootLook)},
	} {
		run(t, func(b *bench) {
			_ = b.sup.ask(b.ctx, func(l *loop) { l.boots.max = 2 })
			b.always("job", c.p)
			began := time.Now()
			b.start("job", 10, func(o *spec.Options) { o.Mode = ptr("fork") })
			d := time.Since(began) - proveRuntime
			if d < c.least || d > c.most {
				t.Errorf("%s: the last one was spawned after %v, want %v to %v", c.what, d, c.least, c.most)
			}
			var at time.Time
			_ = b.sup.ask(b.ctx, func(l *loop) { at = l.wakeAt() })
			if !at.IsZero() {
				t.Errorf("%s: wakes at %v", c.what, at)
			}
		})
	}
}
