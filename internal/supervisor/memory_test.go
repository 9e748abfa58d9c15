package supervisor

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
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
	for _, outcome := range []string{"passes", "the last one fails", "its probe fails"} {
		fails, probed := outcome != "passes", outcome == "its probe fails"
		for at := time.Duration(0); at < 2*time.Second; at += 13 * ms {
			run(t, func(b *bench) {
				quick := program{online: 40 * ms, listens: 100 * ms, stopTime: 20 * ms}
				b.always("web", quick)
				b.start("web", 3)
				b.when = func(s runner.Spawn) *program {
					if probed && s.App.Env["NEW"] == "1" {
						return &program{online: 40 * ms, listens: 100 * ms, ready: 110 * ms, ails: 200 * ms, stopTime: 20 * ms}
					}
					if fails && s.App.Env["NEW"] == "1" && s.Index == 2 {
						return &program{online: 40 * ms, exits: 50 * ms, code: 1}
					}
					return nil
				}
				req := act("web")
				req.Options.Env, req.Canary, req.For = map[string]string{"NEW": "1"}, 1, 500*ms
				req.Options.DrainTimeout = ptr(50 * ms)
				if probed {
					req.Options.Probe = ptr("http://127.0.0.1:3000/")
				}
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

// Why a reload failed whose command went with the former daemon stands in the log.
func TestFailureAfterACrash(t *testing.T) {
	run(t, func(b *bench) {
		ready := program{online: 40 * ms, listens: 100 * ms, ready: 110 * ms, stopTime: 20 * ms}
		ails := ready
		ails.ails = time.Second
		b.gens("web", ready, ails)
		b.start("web", 2, func(o *spec.Options) { o.Probe = ptr("http://127.0.0.1:3000/") })
		onTrial(b, 1, "")
		b.crash()
		b.wait(time.Minute)
		want := "reload web (0): on trial: probe http://127.0.0.1:3000/: answered 500 Internal Server Error; the old process does well, and stays"
		if !slices.Contains(b.heard, want) || b.get(0).Gen != 1 {
			t.Errorf("%q, generation %d", b.heard, b.get(0).Gen)
		}
	})
}

// A trial does not end without an answer because a daemon died that waited for it.
func TestCrashAtTheEndOfATrial(t *testing.T) {
	for _, at := range []time.Duration{58 * time.Second, 60500 * ms, 61 * time.Second, 70 * time.Second} {
		run(t, func(b *bench) {
			ready := program{online: 40 * ms, listens: 100 * ms, ready: 110 * ms, stopTime: 20 * ms}
			hung := ready
			hung.hangs = 57 * time.Second
			b.gens("web", ready, hung)
			b.start("web", 2, func(o *spec.Options) { o.Probe = ptr("http://127.0.0.1:3000/") })
			onTrial(b, 1, "")
			b.wait(at)
			b.crash()
			b.wait(2 * time.Minute)
			if in := b.get(0); in.Gen != 1 || b.alive() != 2 {
				t.Errorf("after a crash at %v: %+v, %d alive", at, in, b.alive())
			}
		})
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

// A command for many instances is remembered for all of them or for none: no crash
// leaves half of an app.
func TestCrashInACommand(t *testing.T) {
	for name, do := range map[string]func(b *bench) error{
		"start": func(b *bench) error {
			n := "4"
			_, err := b.sup.Start(b.ctx, spec.Start{Word: "/srv/new.js", Options: spec.Options{Instances: &n}, Caller: spec.Caller{Cwd: "/srv"}})
			return err
		},
		"stop":   func(b *bench) error { _, err := b.sup.Stop(b.ctx, act("web")); return err },
		"delete": func(b *bench) error { _, err := b.sup.Delete(b.ctx, act("web")); return err },
		"more":   func(b *bench) error { _, err := b.sup.Scale(b.ctx, "web", "6"); return err },
		"fewer":  func(b *bench) error { _, err := b.sup.Scale(b.ctx, "web", "1"); return err },
		"reload": func(b *bench) error { _, err := b.sup.Reload(b.ctx, act("web")); return err },
	} {
		for at, over := 0, false; !over; at++ {
			run(t, func(b *bench) {
				b.always("web", worker)
				b.always("new", worker)
				b.start("web", 4)
				left := at
				b.brain.live(&left)
				go func() { _ = do(b) }()
				b.wait(time.Minute)
				over = left >= 0
				b.brain.live(nil)
				b.crash()
				b.wait(time.Minute)
				counts := map[string]int{}
				for _, in := range b.list() {
					counts[in.App+" "+in.Goal.String()+" "+in.Phase.String()]++
				}
				want := map[string][]string{
					"start":  {"web 4", "web 4, new 4"},
					"stop":   {"web 4", "web stopped 4"},
					"delete": {"web 4", ""},
					"more":   {"web 4", "web 6"},
					"fewer":  {"web 4", "web 1"},
					"reload": {"web 4"},
				}[name]
				if got := said(counts); !slices.Contains(want, got) {
					t.Errorf("%s, killed after %d changes: %q, want one of %q", name, at, got, want)
				}
			})
		}
	}
}

// said writes counts of instances by app, goal and phase.
func said(counts map[string]int) string {
	var parts []string
	for _, key := range slices.Backward(slices.Sorted(maps.Keys(counts))) {
		what := strings.TrimSuffix(strings.Replace(key, "down stopped", "stopped", 1), " up running")
		parts = append(parts, what+" "+strconv.Itoa(counts[key]))
	}
	return strings.Join(parts, ", ")
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
