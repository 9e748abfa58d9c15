package supervisor

import (
	"testing"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
)

func needing(words ...string) func(*spec.Options) {
	return func(o *spec.Options) { o.DependsOn = &words }
}

// began starts app beside the test; what came of it is told on the channel.
func (b *bench) began(app string, n int, change ...func(*spec.Options)) chan error {
	done := make(chan error, 1)
	go func() {
		_, err := b.sup.Start(b.ctx, request(app, n, change...))
		done <- err
	}()
	b.wait(0)
	return done
}

func TestStartWaitsForDependencies(t *testing.T) {
	slow := program{online: 2 * time.Second, listens: 3 * time.Second}
	for until, want := range map[string]time.Duration{"started": 2 * ms, "ready": 3 * time.Second} {
		run(t, func(b *bench) {
			b.always("db", slow)
			b.always("api", worker)
			begin := time.Now()
			db := b.began("db", 1)
			api := b.began("api", 2, needing("db:"+until))
			in := b.get(1)
			if until == "ready" && (!in.Held || in.Reason != "waits for db" || in.Goal != lifecycle.Up || in.PID != 0) {
				t.Errorf("%+v", in)
			}
			if err := <-api; err != nil {
				t.Error(err)
			}
			if took := b.get(2).StartedAt.Sub(begin); took < want || took > want+200*ms {
				t.Errorf("%s: begun after %v, want %v", until, took, want)
			}
			if err := <-db; err != nil {
				t.Error(err)
			}
			// Restarts, reloads and crashes are no starts.
			if _, err := b.sup.Stop(b.ctx, act("db")); err != nil {
				t.Error(err)
			}
			b.exit(keyOf(1, 1), 1, "")
			b.wait(time.Second)
			if _, err := b.sup.Restart(b.ctx, act("api")); err != nil {
				t.Error(err)
			}
			b.wantPhase(1, lifecycle.Running)
		})
	}
}

func TestStartWaitsForCompletion(t *testing.T) {
	run(t, func(b *bench) {
		once := func(o *spec.Options) { o.Autorestart = ptr(false) }
		b.gens("migrate", program{exits: 5 * time.Second}, program{exits: 5 * time.Second, code: 3})
		b.start("migrate", 0, once)
		api := b.began("api", 0, needing("migrate:completed"))
		b.wait(4 * time.Second)
		if in := b.get(1); !in.Held {
			t.Errorf("%+v", in)
		}
		if err := <-api; err != nil {
			t.Error(err)
		}
		for _, target := range []string{"api", "migrate"} {
			if _, err := b.sup.Stop(b.ctx, act(target)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.sup.Restart(b.ctx, act("migrate")); err != nil {
			t.Fatal(err)
		}
		_, err := b.sup.Start(b.ctx, spec.Start{Word: "api", Caller: act("").Caller})
		wantFault(t, err, fault.StartFailed, "migrate exited with code 3")
		b.wantPhase(1, lifecycle.Failed)
	})
}

func TestDependenciesThatCannotBeHad(t *testing.T) {
	run(t, func(b *bench) {
		_, err := b.sup.Start(b.ctx, request("api", 0, needing("db")))
		wantFault(t, err, fault.NotFound, "--depends-on: there is no app db")
		if n := len(b.list()); n > 0 {
			t.Errorf("%d instances", n)
		}
		b.start("db", 0)
		_, err = b.sup.Start(b.ctx, request("done", 0, needing("db:completed")))
		wantFault(t, err, fault.StartFailed, "db is started again whenever it ends")
		if _, err := b.sup.Stop(b.ctx, act("db")); err != nil {
			t.Fatal(err)
		}
		_, err = b.sup.Start(b.ctx, request("api", 0, needing("db")))
		if f := wantFault(t, err, fault.StartFailed, "db is stopped"); f.Remedy != "Start it first: tend start db" {
			t.Errorf("%q", f.Remedy)
		}
		req := act("db")
		req.Options.DependsOn = &[]string{"api"}
		_, err = b.sup.Restart(b.ctx, req)
		wantFault(t, err, fault.Invalid, "depends on itself: api → db → api")
		b.wantPhase(0, lifecycle.Stopped)
	})
}

// One command starts both, whatever their order; and the next daemon does.
func TestTogether(t *testing.T) {
	run(t, func(b *bench) {
		b.start("db", 0)
		b.start("api", 0, needing("db"))
		for _, order := range []string{"api", "db"} {
			if _, err := b.sup.Stop(b.ctx, act(order)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.sup.Start(b.ctx, spec.Start{Word: "default", Caller: act("").Caller}); err != nil {
			t.Fatal(err)
		}
		if err := b.sup.Shutdown(b.ctx, true); err != nil {
			t.Fatal(err)
		}
		b.took()
		b.crash()
		b.wait(2 * time.Second)
		if db, api := b.get(0), b.get(1); db.Phase != lifecycle.Running || api.Phase != lifecycle.Running || api.StartedAt.Sub(db.StartedAt) < 100*ms {
			t.Errorf("%+v\n%+v", db, api)
		}
	})
}

// A start that waits goes on to wait after a crash.
func TestHeldSurvivesACrash(t *testing.T) {
	run(t, func(b *bench) {
		b.always("db", program{listens: 5 * time.Second})
		b.began("db", 1)
		b.began("api", 0, needing("db"))
		b.wait(ms)
		b.crash()
		if in := b.get(1); !in.Held {
			t.Errorf("%+v", in)
		}
		b.sup.Report(keyOf(0, 1), runner.Listening{Address: "tcp :3000"})
		b.wait(time.Second)
		b.wantPhase(1, lifecycle.Running)
	})
}

func TestShutdownGoesBackwards(t *testing.T) {
	run(t, func(b *bench) {
		b.always("api", program{stopTime: time.Second})
		b.start("db", 0)
		b.start("cache", 0, needing("db"))
		b.start("api", 0, needing("db", "cache"))
		b.took()
		if err := b.sup.Shutdown(b.ctx, false); err != nil {
			t.Fatal(err)
		}
		b.wantActs("terminate 2.1, release api, terminate 1.1, release cache, terminate 0.1, release db")
	})
}

// What is not to be started is known, and started by hand.
func TestNoAutostart(t *testing.T) {
	run(t, func(b *bench) {
		out := b.start("web", 0, func(o *spec.Options) { o.Autostart = ptr(false) })
		if len(out.Instances) != 1 || out.Instances[0].Phase != lifecycle.Stopped || b.took() != "" {
			t.Errorf("%+v", out)
		}
		if _, err := b.sup.Start(b.ctx, spec.Start{Word: "web", Caller: act("").Caller}); err != nil {
			t.Fatal(err)
		}
		b.wantPhase(0, lifecycle.Running)
	})
}

// A file may declare apps in any order; a circle in it changes nothing; what is
// not to be started stays down.
func TestApplyStartsInOrder(t *testing.T) {
	run(t, func(b *bench) {
		b.apply(spec.Declaring, declared("api", 0, needing("db")), declared("db", 0), declared("later", 0, func(o *spec.Options) { o.Autostart = ptr(false) }))
		api, db := b.get(0), b.get(1)
		if api.Phase != lifecycle.Running || db.Phase != lifecycle.Running || !api.StartedAt.After(db.StartedAt) {
			t.Errorf("%+v\n%+v", api, db)
		}
		b.wantPhase(2, lifecycle.Stopped)
		b.took()
		_, err := b.sup.Apply(b.ctx, ask(spec.Declaring, declared("api", 0, needing("db")), declared("db", 0, needing("more")), declared("more", 0, needing("api"))))
		wantFault(t, err, fault.Invalid, "depends on itself: api → db → more → api")
		b.wantActs("")
		if n := len(b.list()); n != 3 {
			t.Errorf("%d instances", n)
		}
	})
}
