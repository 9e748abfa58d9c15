package supervisor

import (
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
)

func TestReloadOneAtATime(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 3)
		b.took()
		began := time.Now()
		out, err := b.sup.Reload(b.ctx, act("web"))
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range out.Instances {
			if in.Gen != 2 || in.Restarts != 1 || in.Phase != lifecycle.Running {
				t.Errorf("%+v", in)
			}
		}
		one := func(id string) string {
			return strings.ReplaceAll("spawn #.2, unroute #.1, disconnect #.1, unroute #.1, terminate #.1", "#", id)
		}
		b.wantActs(one("0") + ", " + one("1") + ", " + one("2"))
		if d := time.Since(began); d < 3*100*ms {
			t.Errorf("took %v", d)
		}
		if s := b.spawns[len(b.spawns)-1]; s.Restarts != 1 {
			t.Errorf("told of %d restarts", s.Restarts)
		}
	})
}

func TestReloadInParallel(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 4)
		b.took()
		req := act("web")
		req.Parallel = 4
		if _, err := b.sup.Reload(b.ctx, req); err != nil {
			t.Fatal(err)
		}
		if acts := b.took(); !strings.HasPrefix(acts, "spawn 0.2, spawn 1.2, spawn 2.2, spawn 3.2, ") {
			t.Error(acts)
		}
	})
}

func TestReloadKeepsTheOldWhenTheNewDies(t *testing.T) {
	run(t, func(b *bench) {
		b.gens("web", worker, program{online: 40 * ms, exits: 50 * ms, code: 1, log: []string{"SyntaxError"}}, worker)
		b.start("web", 2)
		b.took()
		req := act("web")
		req.Options.Env = map[string]string{"NEW": "1"}
		_, err := b.sup.Reload(b.ctx, req)
		f := wantFault(t, err, fault.StartFailed, "reload web (0): exited with code 1 after 50ms; the old process stays")
		if len(f.Log) != 1 {
			t.Errorf("log %q", f.Log)
		}
		b.wantActs("spawn 0.2")
		for id := range 2 {
			if in := b.get(id); in.Gen != 1 || in.Phase != lifecycle.Running || in.Restarts != 0 {
				t.Errorf("%+v", in)
			}
		}
		// The old declaration stays, too.
		b.exit(runner.Key{ID: 0, Gen: 1}, 1, "")
		b.wait(time.Second)
		if s := b.spawns[len(b.spawns)-1]; s.App.Env["NEW"] != "" || s.Key.Gen != 3 {
			t.Errorf("%+v", s)
		}
		if _, err := b.sup.Reload(b.ctx, req); err != nil { // gen 4 of 0, gen 3 of 1... is fine after gen 2 of 1 died
			wantFault(t, err, fault.StartFailed, "web (1)")
		}
	})
}

func TestReloadKeepsTheOldWhenTheNewIsLate(t *testing.T) {
	run(t, func(b *bench) {
		b.gens("web", worker, program{online: 40 * ms, stopTime: 30 * ms}) // the old one listened, so must the new
		b.start("web", 1)
		b.took()
		_, err := b.sup.Reload(b.ctx, act("web"))
		wantFault(t, err, fault.StartFailed, "did not listen within 30s; the old process stays")
		b.wantActs("spawn 0.2, unroute 0.2, terminate 0.2")
		if in := b.get(0); in.Gen != 1 || in.Phase != lifecycle.Running || b.alive() != 1 {
			t.Errorf("%+v, %d alive", in, b.alive())
		}
	})
}

func TestReloadKillsWhatDrainsTooLong(t *testing.T) {
	run(t, func(b *bench) {
		b.gens("web", program{listens: 10 * ms, deaf: true}, worker)
		b.start("web", 1)
		b.took()
		began := time.Now()
		if _, err := b.sup.Reload(b.ctx, act("web")); err != nil {
			t.Error(err)
		}
		b.wantActs("spawn 0.2, unroute 0.1, disconnect 0.1, unroute 0.1, terminate 0.1, kill 0.1")
		if d := time.Since(began); d < 11600*ms || d > 11800*ms {
			t.Errorf("took %v", d)
		}
	})
}

func TestReloadEndsWhatHasDisconnected(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 1)
		done := make(chan error, 1)
		go func() { _, err := b.sup.Reload(b.ctx, act("web")); done <- err }()
		b.wait(150 * ms)
		b.took()
		b.sup.Report(runner.Key{ID: 0, Gen: 1}, runner.Leaving{}) // it says so itself, being told to
		b.sup.Report(runner.Key{ID: 0, Gen: 1}, runner.Disconnected{})
		if err := <-done; err != nil {
			t.Error(err)
		}
		b.wantActs("unroute 0.1, terminate 0.1")
	})
}

func TestReloadOfForkModeIsARestart(t *testing.T) {
	run(t, func(b *bench) {
		b.start("tool", 0)
		b.took()
		if out, err := b.sup.Reload(b.ctx, act("tool")); err != nil || out.Instances[0].Gen != 2 {
			t.Errorf("%+v, %v", out, err)
		}
		b.wantActs("terminate 0.1, spawn 0.2")
		_, _ = b.sup.Stop(b.ctx, act("tool"))
		b.took()
		if out, err := b.sup.Reload(b.ctx, act("tool")); err != nil || out.Instances[0].Restarts != 1 {
			t.Errorf("%+v, %v", out, err)
		}
		b.wantActs("spawn 0.3")
	})
}

func TestSecondReloadIsRefused(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 2)
		done := make(chan error, 1)
		go func() { _, err := b.sup.Reload(b.ctx, act("web")); done <- err }()
		b.wait(50 * ms)
		_, err := b.sup.Reload(b.ctx, act("1"))
		wantFault(t, err, fault.Conflict, "a reload of web is going on")
		_, err = b.sup.Scale(b.ctx, "web", "4")
		wantFault(t, err, fault.Conflict, "scale web: a reload of web is going on")
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := b.sup.Reload(b.ctx, act("web")); err != nil {
			t.Error(err)
		}
	})
}

func TestStopAndDeleteDuringAReload(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 4)
		done := make(chan error, 1)
		var warnings []string
		go func() {
			out, err := b.sup.Reload(b.ctx, act("web"))
			warnings = out.Warnings
			done <- err
		}()
		b.wait(50 * ms)
		_, _ = b.sup.Delete(b.ctx, act("0")) // it is its turn
		_, _ = b.sup.Delete(b.ctx, act("2")) // its turn has not come
		_, _ = b.sup.Stop(b.ctx, act("3"))
		if err := <-done; err != nil || len(warnings) == 0 {
			t.Errorf("%q, %v", warnings, err)
		}
		if in := b.get(1); in.Gen != 2 {
			t.Errorf("%+v", in)
		}
		b.wantPhase(3, lifecycle.Stopped)
		if _, err := b.sup.Reload(b.ctx, act("1")); err != nil {
			t.Error(err)
		}
	})
}

func TestOldDiesDuringTheReload(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 1)
		b.took()
		done := make(chan error, 1)
		go func() { _, err := b.sup.Reload(b.ctx, act("web")); done <- err }()
		b.wait(50 * ms)
		b.exit(runner.Key{ID: 0, Gen: 1}, -1, "SIGSEGV")
		if err := <-done; err != nil {
			t.Error(err)
		}
		b.wantActs("spawn 0.2") // the successor took over, no third
		if in := b.get(0); in.Gen != 2 || in.Restarts != 1 || in.Phase != lifecycle.Running {
			t.Errorf("%+v", in)
		}
	})
}

func TestReloadAllGoesOnWithTheOtherApps(t *testing.T) {
	run(t, func(b *bench) {
		b.gens("bad", worker, program{exits: 10 * ms, code: 1})
		b.always("web", worker)
		b.start("bad", 2)
		b.start("web", 2)
		_, err := b.sup.Reload(b.ctx, act("all"))
		wantFault(t, err, fault.StartFailed, "bad (0)")
		for id, gen := range []uint64{1, 1, 2, 2} {
			if in := b.get(id); in.Gen != gen {
				t.Errorf("instance %d is generation %d, want %d", id, in.Gen, gen)
			}
		}
	})
}

// onTrial starts a reload with a canary and waits until that is on trial.
func onTrial(b *bench, canary int, env string) <-chan error {
	b.t.Helper()
	req := act("web")
	req.Canary, req.For = canary, time.Minute
	if env != "" {
		req.Options.Env = map[string]string{"NEW": env}
	}
	done := make(chan error, 1)
	go func() { _, err := b.sup.Reload(b.ctx, req); done <- err }()
	b.wait(time.Second)
	return done
}

func TestCanaryPasses(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 3)
		b.took()
		began := time.Now()
		done := onTrial(b, 1, "1")
		b.wantActs("spawn 0.2")
		if in := b.get(0); in.Gen != 1 || in.Phase != lifecycle.Running || b.alive() != 4 {
			t.Errorf("%+v, %d alive", in, b.alive())
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d < time.Minute || d > time.Minute+31*time.Second { // each drains for 10 s
			t.Errorf("took %v", d)
		}
		b.wantActs("unroute 0.1, disconnect 0.1, unroute 0.1, terminate 0.1, " +
			"spawn 1.2, unroute 1.1, disconnect 1.1, unroute 1.1, terminate 1.1, spawn 2.2, unroute 2.1, disconnect 2.1, unroute 2.1, terminate 2.1")
	})
}

func TestCanaryFails(t *testing.T) {
	run(t, func(b *bench) {
		b.gens("web", worker, program{listens: 10 * ms, exits: 20 * time.Second, code: 3, log: []string{"out of luck"}}, worker)
		b.start("web", 2)
		b.took()
		began := time.Now()
		f := wantFault(t, <-onTrial(b, 1, "1"), fault.StartFailed,
			"reload web (0): on trial it exited with code 3 after 20s; the old process stays")
		if len(f.Log) != 1 {
			t.Errorf("log %q", f.Log)
		}
		if d := time.Since(began); d > 30*time.Second {
			t.Errorf("took %v", d)
		}
		b.wantActs("spawn 0.2")
		for id := range 2 {
			if in := b.get(id); in.Gen != 1 || in.Phase != lifecycle.Running || in.Restarts != 0 {
				t.Errorf("%+v", in)
			}
		}
		// It is over: another reload may follow, and has the old declaration.
		if _, err := b.sup.Reload(b.ctx, act("web")); err != nil {
			t.Fatal(err)
		}
		if s := b.spawns[len(b.spawns)-1]; s.App.Env["NEW"] != "" {
			t.Errorf("%+v", s)
		}
	})
}

// A canary that is worse than what it would replace, by what both answer, goes. What the
// old process cannot do either is not held against it, nor is a single failure.
func TestCanaryIsProbed(t *testing.T) {
	probed := func(o *spec.Options) { o.Probe = ptr("http://127.0.0.1:3000/") }
	ready := program{online: 40 * ms, listens: 100 * ms, ready: 110 * ms, stopTime: 20 * ms}
	with := func(ails time.Duration) program {
		p := ready
		p.ails = ails
		return p
	}
	for name, tt := range map[string]struct {
		old, tried program
		fails      bool
		within     time.Duration
	}{
		"both do well":        {old: ready, tried: ready},
		"the new one fails":   {old: ready, tried: with(10 * time.Second), fails: true, within: 24 * time.Second},
		"it fails at the end": {old: ready, tried: with(59 * time.Second), fails: true, within: 72 * time.Second},
		"it hangs at the end": {old: ready, tried: program{online: 40 * ms, listens: 100 * ms, ready: 110 * ms, stopTime: 20 * ms, hangs: 57 * time.Second}, fails: true, within: 77 * time.Second},
		"both fail":           {old: with(ms), tried: with(10 * time.Second)},
		"the old one fails":   {old: with(ms), tried: ready},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(b *bench) {
				b.gens("web", tt.old, tt.tried, ready)
				b.start("web", 2, probed)
				began := time.Now()
				err := <-onTrial(b, 1, "")
				if !tt.fails {
					if err != nil || b.get(0).Gen != 2 {
						t.Fatalf("%v, %+v", err, b.get(0))
					}
					return
				}
				trouble := "answered 500 Internal Server Error"
				if tt.tried.hangs > 0 {
					trouble = "it does not answer"
				}
				f := wantFault(t, err, fault.StartFailed, "reload web (0): on trial: probe http://127.0.0.1:3000/: "+trouble+"; the old process does well, and stays")
				if d := time.Since(began); d > tt.within { // it drains for 10 s
					t.Errorf("took %v", d)
				}
				if len(f.Log) == 0 {
					t.Error("no last words")
				}
				if in := b.get(0); in.Gen != 1 || in.Phase != lifecycle.Running || b.alive() != 2 {
					t.Errorf("%+v, %d alive", in, b.alive())
				}
				b.took()
				b.wait(time.Minute)
				if acts := b.took(); acts != "" {
					t.Errorf("after the end: %s", acts)
				}
			})
		})
	}
}

// The one that fails is named, though another has just failed once.
func TestTheCanaryThatFailsIsNamed(t *testing.T) {
	run(t, func(b *bench) {
		quick := program{online: 40 * ms, listens: 100 * ms, ready: 110 * ms, stopTime: 20 * ms}
		b.always("web", quick)
		b.start("web", 2, func(o *spec.Options) { o.Probe = ptr("http://127.0.0.1:3000/") })
		b.when = func(s runner.Spawn) *program {
			p := quick
			if p.ails = 8 * time.Second; s.Index == 1 {
				p.ails, p.hangs = 0, 9*time.Second
			}
			return &p
		}
		wantFault(t, <-onTrial(b, 2, "1"), fault.StartFailed, "reload web (0): on trial: probe http://127.0.0.1:3000/: answered 500 Internal Server Error; the old process does well, and stays")
	})
}

// Once a worker has listened, those after it are to listen too before they are probed.
func TestWhoListensIsTold(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", program{online: 40 * ms, listens: 100 * ms, ready: 110 * ms, stopTime: 20 * ms})
		b.start("web", 1, func(o *spec.Options) { o.Probe = ptr("exec:true") })
		if _, err := b.sup.Reload(b.ctx, act("web")); err != nil {
			t.Fatal(err)
		}
		b.wait(time.Minute)
		if len(b.spawns) != 2 || b.spawns[0].Listens || !b.spawns[1].Listens {
			t.Errorf("%d spawns: %v, then %v", len(b.spawns), b.spawns[0].Listens, b.spawns[len(b.spawns)-1].Listens)
		}
	})
}

// Processes that share a socket are not asked by it, and that is said.
func TestCanaryThatCannotBeProbed(t *testing.T) {
	run(t, func(b *bench) {
		b.always("tool", program{ready: 10 * ms, ails: 20 * ms})
		b.start("tool", 0, func(o *spec.Options) { o.Overlap, o.Probe = ptr(true), ptr("tcp://127.0.0.1:3000") })
		req := act("tool")
		req.Canary, req.For = 1, time.Minute
		out, err := b.sup.Reload(b.ctx, req)
		if err != nil || len(out.Warnings) != 1 || !strings.Contains(out.Warnings[0], "$MAINPID") {
			t.Errorf("%v, %q", err, out.Warnings)
		}
	})
}

// Of two canaries one dies: the other finishes what it has begun, and goes.
func TestOneOfTwoCanariesFails(t *testing.T) {
	run(t, func(b *bench) {
		b.gens("web", worker, program{listens: 10 * ms, exits: 20 * time.Second, code: 3}, program{listens: 10 * ms, stopTime: 50 * ms})
		b.start("web", 2)
		b.took()
		req := act("web")
		req.Canary, req.For, req.Parallel = 2, time.Minute, 2
		_, err := b.sup.Reload(b.ctx, req)
		if err == nil || b.alive() != 2 {
			t.Errorf("%v, %d alive", err, b.alive())
		}
		for id := range 2 {
			if in := b.get(id); in.Gen != 1 || in.Phase != lifecycle.Running {
				t.Errorf("%+v", in)
			}
		}
	})
}

func TestCanaryStoppedMeanwhile(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 2)
		done := onTrial(b, 1, "")
		if _, err := b.sup.Stop(b.ctx, act("web")); err != nil {
			t.Fatal(err)
		}
		<-done
		if b.alive() != 0 {
			t.Errorf("%d alive", b.alive())
		}
		if _, err := b.sup.Reload(b.ctx, act("web")); err != nil { // no reload is going on
			t.Error(err)
		}
	})
}

// What was replaced by another declaration goes back when a later one fails.
func TestReloadGoesBack(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 3)
		b.took()
		b.when = func(s runner.Spawn) *program {
			if s.App.Env["NEW"] == "1" && s.Index == 2 {
				return &program{online: 40 * ms, exits: 50 * ms, code: 1}
			}
			return nil
		}
		req := act("web")
		req.Options.Env = map[string]string{"NEW": "1"}
		_, err := b.sup.Reload(b.ctx, req)
		wantFault(t, err, fault.StartFailed, "reload web (2): exited with code 1 after 50ms; the old process stays; 2 that had been replaced went back")
		last := map[int]string{}
		for _, s := range b.spawns {
			if s.Key.ID < 2 || s.Key.Gen != 2 {
				last[s.Key.ID] = s.App.Env["NEW"]
			}
		}
		for id := range 3 {
			if in := b.get(id); in.Phase != lifecycle.Running || last[id] != "" {
				t.Errorf("%d has %q: %+v", id, last[id], in)
			}
		}
	})
}

// What serves for a moment and then dies is not rolled out to the rest.
func TestReloadStopsWhereTheReplacedDie(t *testing.T) {
	for _, respec := range []bool{false, true} {
		run(t, func(b *bench) {
			b.gens("web", worker, program{online: 40 * ms, listens: 100 * ms, exits: 300 * ms, code: 7, log: []string{"out of luck"}}, worker)
			b.start("web", 3)
			req := act("web")
			message := "reload web (0): exited with code 7 after 300ms, after it had replaced the old process"
			if respec {
				req.Options.Env = map[string]string{"NEW": "1"}
				message += "; 1 that had been replaced went back"
			}
			_, err := b.sup.Reload(b.ctx, req)
			if f := wantFault(t, err, fault.StartFailed, message); len(f.Log) != 1 {
				t.Errorf("log %q", f.Log)
			}
			b.wait(time.Minute)
			for id := range 3 {
				if in := b.get(id); in.Phase != lifecycle.Running || id == 2 && in.Gen != 1 {
					t.Errorf("%+v", in)
				}
			}
			for _, s := range b.spawns[len(b.spawns)-1:] {
				if s.App.Env["NEW"] != "" {
					t.Errorf("the last one that was started is of the new declaration: %+v", s.Key)
				}
			}
		})
	}
}

func TestRollback(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 2)
		_, err := b.sup.Rollback(b.ctx, act("web"))
		wantFault(t, err, fault.NotFound, "rollback web: no earlier declaration of web is known")
		set := func(value string, do func() error) {
			t.Helper()
			if err := do(); err != nil {
				t.Fatal(err)
			}
			for _, s := range b.spawns[len(b.spawns)-2:] {
				if s.App.Env["NEW"] != value {
					t.Errorf("%v spawned with %q, want %q", s.Key, s.App.Env["NEW"], value)
				}
			}
		}
		with := func(value string) func() error {
			return func() error {
				req := act("web")
				req.Options.Env = map[string]string{"NEW": value}
				_, err := b.sup.Reload(b.ctx, req)
				return err
			}
		}
		back := func() error { _, err := b.sup.Rollback(b.ctx, act("web")); return err }
		set("1", with("1"))
		set("2", with("2"))
		set("2", func() error { _, err := b.sup.Reload(b.ctx, act("web")); return err }) // changes nothing
		set("1", back)
		set("", back)
		_, err = b.sup.Rollback(b.ctx, act("web"))
		wantFault(t, err, fault.NotFound, "rollback web: no earlier")
		set("3", func() error {
			req := act("web")
			req.Options.Env = map[string]string{"NEW": "3"}
			_, err := b.sup.Restart(b.ctx, req)
			return err
		})
		set("", back)
	})
}

func TestReloadRefusesWhatMakesNoSense(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 1)
		b.start("tool", 0)
		for want, change := range map[string]func(*spec.Act){
			"parallel: is negative": func(a *spec.Act) { a.Parallel = -1 },
			"canary: is negative":   func(a *spec.Act) { a.Canary = -1 },
			"for: says how long canaries are watched, and there are none": func(a *spec.Act) { a.For = time.Second },
			"canary: tool is in fork mode":                                func(a *spec.Act) { a.Target, a.Canary = "all", 1 },
		} {
			req := act("web")
			change(&req)
			_, err := b.sup.Reload(b.ctx, req)
			wantFault(t, err, fault.Invalid, want)
		}
	})
}

// While a reload goes on, nothing else changes what the app is.
func TestRestartDuringAReload(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 2)
		done := onTrial(b, 1, "1")
		req := act("web")
		req.Options.Env = map[string]string{"NEW": "2"}
		_, err := b.sup.Restart(b.ctx, req)
		wantFault(t, err, fault.Conflict, "restart web: a reload of web is going on")
		if err := <-done; err != nil {
			t.Error(err)
		}
		for id := range 2 {
			if in := b.get(id); in.App != "web" || in.Gen != 2 {
				t.Errorf("%+v", in)
			}
		}
	})
}

// What was stopped before its turn has not gone back, and can still.
func TestRollbackOfWhatIsStopped(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 2)
		change := act("web")
		change.Options.Env = map[string]string{"NEW": "1"}
		if _, err := b.sup.Reload(b.ctx, change); err != nil {
			t.Fatal(err)
		}
		req := act("0") // any of them means the app
		req.Canary, req.For = 1, time.Minute
		done := make(chan error, 1)
		go func() { _, err := b.sup.Rollback(b.ctx, req); done <- err }()
		b.wait(time.Second)
		if _, err := b.sup.Stop(b.ctx, act("web")); err != nil {
			t.Fatal(err)
		}
		wantFault(t, <-done, fault.Conflict, "rollback web: it was stopped or deleted meanwhile")
		if _, err := b.sup.Rollback(b.ctx, act("0")); err != nil {
			t.Fatal(err)
		}
		for _, s := range b.spawns[len(b.spawns)-2:] {
			if s.App.Env["NEW"] != "" {
				t.Errorf("%v is spawned with %q", s.Key, s.App.Env["NEW"])
			}
		}
	})
}

// Processes that share sockets share their app's name.
func TestAPartIsNotRenamed(t *testing.T) {
	run(t, func(b *bench) {
		listen := []string{"3000"}
		change := act("tool")
		change.Options.Listen = &listen
		b.start("tool", 0)
		if _, err := b.sup.Scale(b.ctx, "tool", "2"); err != nil {
			t.Fatal(err)
		}
		if _, err := b.sup.Restart(b.ctx, change); err != nil {
			t.Fatal(err)
		}
		name := "other"
		one := act("0")
		one.Options.Name = &name
		_, err := b.sup.Restart(b.ctx, one)
		wantFault(t, err, fault.Invalid, "the instances of tool share their sockets")
		all := act("tool")
		all.Options.Name = &name
		if _, err := b.sup.Restart(b.ctx, all); err != nil {
			t.Error(err)
		}
	})
}
