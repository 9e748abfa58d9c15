package supervisor

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
)

// A supervisor that comes after one that died goes on where that was.
func TestCrashChangesNothing(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 2)
		b.start("job", 0)
		if _, err := b.sup.Stop(b.ctx, act("job")); err != nil {
			t.Fatal(err)
		}
		before, _ := json.Marshal(b.list())
		b.took()
		b.crash()
		if now, _ := json.Marshal(b.list()); string(now) != string(before) {
			t.Errorf("now  %s\nthen %s", now, before)
		}
		b.wantActs("adopt 0.1, adopt 1.1, retain job web, release job")
		if out := b.start("more", 0); out.Instances[0].ID != 3 {
			t.Errorf("the next one has the number %d", out.Instances[0].ID)
		}
	})
}

// What ended meanwhile is known to have, and guarded as ever.
func TestCrashWhileWorkersDie(t *testing.T) {
	run(t, func(b *bench) {
		p := worker
		p.lingers = time.Minute
		b.always("web", p)
		b.start("web", 2)
		b.wait(5 * time.Second)
		b.end()
		b.exit(keyOf(0, 1), 7, "")
		b.mu.Lock()
		b.procs[keyOf(0, 1)].code = 7
		delete(b.procs, keyOf(1, 1)) // nothing of this one can be found
		b.mu.Unlock()
		b.begin()
		b.wait(time.Second)
		for id, exit := range []int{7, -1} {
			in := b.get(id)
			if in.Phase != lifecycle.Running || in.Gen != 2 || in.Restarts != 1 {
				t.Errorf("%+v", in)
			}
			if exit >= 0 && (in.LastExit == nil || in.LastExit.Code != exit) {
				t.Errorf("last exit of %d is %+v", id, in.LastExit)
			}
		}
	})
}

// A crash at any moment of a reload leaves it neither half done nor undone.
func TestCrashInAReload(t *testing.T) {
	for at := time.Duration(0); at < 400*ms; at += 7 * ms {
		run(t, func(b *bench) {
			b.always("web", worker)
			b.start("web", 3)
			go func() { _, _ = b.sup.Reload(b.ctx, act("web")) }()
			b.wait(at)
			b.crash()
			b.wait(time.Minute)
			for _, in := range b.list() {
				if in.Phase != lifecycle.Running || in.Gen != 2 || in.Restarts != 1 {
					t.Errorf("after a crash at %v: %+v", at, in)
				}
			}
			if n := b.alive(); n != 3 {
				t.Errorf("after a crash at %v there are %d processes", at, n)
			}
			if _, err := b.sup.Reload(b.ctx, act("web")); err != nil {
				t.Errorf("the next reload: %v", err)
			}
		})
	}
}

// A canary is watched on by the next daemon, and a reload that goes back goes on
// going back: in the end all have the one declaration or all have the other.
func TestCrashWithCanaries(t *testing.T) {
	for _, fails := range []bool{false, true} {
		for at := time.Duration(0); at < 2*time.Second; at += 13 * ms {
			run(t, func(b *bench) {
				quick := program{online: 40 * ms, listens: 100 * ms, stopTime: 20 * ms}
				b.always("web", quick)
				b.start("web", 3)
				b.when = func(s runner.Spawn) *program {
					if fails && s.App.Env["NEW"] == "1" && s.Index == 2 {
						return &program{online: 40 * ms, exits: 50 * ms, code: 1}
					}
					return nil
				}
				req := act("web")
				req.Options.Env, req.Canary, req.For = map[string]string{"NEW": "1"}, 1, 500*ms
				req.Options.DrainTimeout = ptr(50 * ms)
				go func() { _, _ = b.sup.Reload(b.ctx, req) }()
				b.wait(at)
				b.crash()
				b.wait(2 * time.Minute)
				if n := b.alive(); n != 3 {
					t.Errorf("after a crash at %v there are %d processes", at, n)
				}
				for _, in := range b.list() {
					if in.Phase != lifecycle.Running {
						t.Errorf("after a crash at %v: %+v", at, in)
					}
				}
				snap, err := b.sup.List(b.ctx, event.Query{})
				if err != nil || len(snap.Apps) != 1 {
					t.Fatalf("%+v, %v", snap, err)
				}
				begun := at > 0
				if got := snap.Apps[0].Spec.Env["NEW"] == "1"; begun && got == fails {
					t.Errorf("after a crash at %v the declaration is the new one: %v", at, got)
				}
				if _, err := b.sup.Reload(b.ctx, act("web")); err != nil {
					t.Errorf("the next reload: %v", err)
				}
			})
		}
	}
}

// A stop goes on, however often who does it dies.
func TestCrashInAStop(t *testing.T) {
	run(t, func(b *bench) {
		p := worker
		p.deaf = true
		b.always("web", p)
		b.start("web", 1)
		go func() { _, _ = b.sup.Stop(b.ctx, act("web")) }()
		for range 5 {
			b.wait(100 * ms)
			b.crash()
		}
		b.wait(5 * time.Second)
		b.wantPhase(0, lifecycle.Stopped)
		if b.alive() != 0 {
			t.Error("it still runs")
		}
	})
}

// What was up when the daemon ended on purpose is up again with the next one;
// stopped stays stopped.
func TestResume(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 2)
		b.start("job", 0)
		if _, err := b.sup.Stop(b.ctx, act("job")); err != nil {
			t.Fatal(err)
		}
		if err := b.sup.Shutdown(b.ctx, true); err != nil {
			t.Fatal(err)
		}
		if b.alive() != 0 {
			t.Error("something runs after the shutdown")
		}
		b.crash()
		b.wait(time.Second)
		b.wantPhase(0, lifecycle.Running)
		b.wantPhase(1, lifecycle.Running)
		b.wantPhase(2, lifecycle.Stopped)
	})
}
