package supervisor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

const file = "/srv/ecosystem.config.js"

// declared is an app of file, a program of its own or n workers.
func declared(app string, n int, change ...func(*spec.Options)) spec.Declared {
	req := request(app, n, change...)
	req.Options.Name = ptr(app)
	return spec.Declared{Word: req.Word, Options: req.Options, Origin: file}
}

// apply asks for the apps of file, and returns what became of them in short.
func (b *bench) apply(how spec.How, apps ...spec.Declared) string {
	b.t.Helper()
	out, err := b.sup.Apply(b.ctx, ask(how, apps...))
	if err != nil {
		b.t.Fatal(err)
	}
	return brief(out)
}

func ask(how spec.How, apps ...spec.Declared) spec.Apply {
	req := spec.Apply{Apps: apps, How: how, Caller: spec.Caller{Cwd: "/srv", Env: []string{"PATH=/usr/bin", "LANG=C"}}}
	if how == spec.Declaring {
		req.Prune = []string{file}
	}
	return req
}

func brief(out event.Applied) string {
	var list []string
	for _, c := range out.Changes {
		s := fmt.Sprintf("%s %s %d→%d", c.Do, c.App, c.From, c.To)
		for _, d := range c.Fields {
			s += fmt.Sprintf(" %s:%s→%s", d.Field, d.Old, d.New)
		}
		list = append(list, s)
	}
	return strings.Join(list, "; ")
}

func env(kv ...string) func(*spec.Options) {
	return func(o *spec.Options) {
		o.Env = map[string]string{}
		for _, kv := range kv {
			key, value, _ := strings.Cut(kv, "=")
			o.Env[key] = value
		}
	}
}

func (b *bench) wantChanges(got, want string) {
	b.t.Helper()
	if got != want {
		b.t.Errorf("changes:\n got %s\nwant %s", got, want)
	}
}

func TestApplyDoesTheLeastThatDoesIt(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.wantChanges(b.apply(spec.Declaring, declared("web", 2, env("A=1", "B=1")), declared("mail", 0)), "start web 0→2; start mail 0→1")
		b.took()

		// What is so already is left alone.
		b.wantChanges(b.apply(spec.Declaring, declared("web", 2, env("A=1", "B=1")), declared("mail", 0)), "keep web 2→2; keep mail 1→1")
		b.wantActs("")

		// What only tend goes by needs no new process.
		calm := func(o *spec.Options) { env("A=1", "B=1")(o); o.MaxRestarts = ptr(3) }
		b.wantChanges(b.apply(spec.Declaring, declared("web", 2, calm), declared("mail", 0)), "update web 2→2 max_restarts:16→3; keep mail 1→1")
		b.wantActs("")

		// Nor does another number of them, in either direction.
		b.wantChanges(b.apply(spec.Declaring, declared("web", 3, calm), declared("mail", 0)), "scale web 2→3; keep mail 1→1")
		b.wantActs("spawn 3.1")
		b.wantChanges(b.apply(spec.Declaring, declared("web", 2, calm), declared("mail", 0)), "scale web 3→2; keep mail 1→1")
		b.wantActs("unroute 3.1, disconnect 3.1, unroute 3.1, terminate 3.1")

		// A variable that left the file leaves the app; others stay as they were.
		b.wantChanges(b.apply(spec.Declaring, declared("web", 2, env("A=2")), declared("mail", 0)),
			"reload web 2→2 max_restarts:3→16 env.A:1→2 env.B:1→; keep mail 1→1")
		b.took()
		last := b.spawns[len(b.spawns)-1].App
		if _, there := last.Env["B"]; there || last.Env["A"] != "2" || last.Env["LANG"] != "C" || last.Origin != file {
			t.Errorf("spawned with %v from %s", last.Env, last.Origin)
		}

		// What is down comes up.
		_, _ = b.sup.Stop(b.ctx, act("mail"))
		b.wantChanges(b.apply(spec.Declaring, declared("web", 2, env("A=2")), declared("mail", 0)), "keep web 2→2; start mail 1→1")
		b.wantPhase(2, lifecycle.Running)
	})
}

func TestApplyKeepsTheCallersEnvironment(t *testing.T) {
	run(t, func(b *bench) {
		b.apply(spec.Declaring, declared("web", 0, env("A=1", "LANG=de")))
		req := ask(spec.Declaring, declared("web", 0, env("A=1", "LANG=de")))
		req.Caller.Env = []string{"PATH=/usr/bin", "LANG=fr", "SHLVL=2"}
		out, err := b.sup.Apply(b.ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		b.wantChanges(brief(out), "keep web 1→1")
		// What the file no longer covers shows again, as the caller has it now.
		req.Apps = []spec.Declared{declared("web", 0, env("A=1"))}
		if out, err = b.sup.Apply(b.ctx, req); err != nil {
			t.Fatal(err)
		}
		b.wantChanges(brief(out), "reload web 1→1 env.LANG:de→fr")
		req.UpdateEnv = true
		if out, err = b.sup.Apply(b.ctx, req); err != nil {
			t.Fatal(err)
		}
		b.wantChanges(brief(out), "reload web 1→1 env.SHLVL:→2")
	})
}

func TestApplyDeletesOnlyWhatCameFromTheFile(t *testing.T) {
	run(t, func(b *bench) {
		b.start("byhand", 0)
		b.always("b", worker)
		other := declared("other", 0)
		other.Origin = "/srv/other.yml"
		b.apply(spec.Declaring, declared("a", 0), declared("b", 2), other)
		b.crash() // what is remembered knows it too
		req := ask(spec.Declaring, declared("a", 0))
		req.DryRun = true
		b.took()
		out, err := b.sup.Apply(b.ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		b.wantChanges(brief(out), "keep a 1→1; delete b 2→0")
		b.wantActs("")
		req.DryRun = false
		if _, err = b.sup.Apply(b.ctx, req); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, in := range b.list() {
			names = append(names, in.App)
		}
		if got := strings.Join(names, " "); got != "byhand a other" {
			t.Errorf("left are %s", got)
		}
	})
}

func TestApplyRestartsAndReloads(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.wantChanges(b.apply(spec.Restarting, declared("web", 2), declared("mail", 0)), "start web 0→2; start mail 0→1")
		b.took()
		b.apply(spec.Restarting, declared("web", 2), declared("mail", 0))
		for id := range 3 {
			if in := b.get(id); in.Gen != 2 || in.Restarts != 1 {
				t.Errorf("%+v", in)
			}
		}
		b.took()
		// The number of instances stays, and that is told; the environment is the caller's.
		req := ask(spec.Reloading, declared("web", 4, env("A=1")))
		req.Caller.Env = append(req.Caller.Env, "NEW=1")
		out, err := b.sup.Apply(b.ctx, req)
		if err != nil || len(out.Warnings) != 1 || !strings.Contains(out.Warnings[0], "the file says 4 instances, and there are 2") {
			t.Errorf("%+v, %v", out, err)
		}
		b.wantChanges(brief(out), "reload web 2→2 env.A:→1 env.NEW:→1")
		b.wantActs("spawn 0.3, unroute 0.2, disconnect 0.2, unroute 0.2, terminate 0.2, spawn 1.3, unroute 1.2, disconnect 1.2, unroute 1.2, terminate 1.2")
		// What is stopped is started, and does not count as a restart.
		_, _ = b.sup.Stop(b.ctx, act("mail"))
		b.wantChanges(b.apply(spec.Restarting, declared("mail", 0)), "start mail 1→1")
		if in := b.get(2); in.Restarts != 1 || in.Phase != lifecycle.Running {
			t.Errorf("%+v", in)
		}
	})
}

// The daemon's socket and a program's own would be in each other's way.
func TestApplyOfAnotherModeEndsAllFirst(t *testing.T) {
	run(t, func(b *bench) {
		b.gens("web", worker, program{stopTime: 20 * ms})
		fork := func(o *spec.Options) { o.Mode = ptr("fork") }
		b.apply(spec.Declaring, declared("web", 3))
		b.took()
		b.wantChanges(b.apply(spec.Declaring, declared("web", 2, fork)), "restart web 3→2 mode:cluster→fork scheduler:rr→")
		acts := b.took()
		if i, j := strings.LastIndex(acts, "terminate"), strings.Index(acts, "release web"); i < 0 || j < i || strings.Index(acts, "spawn") < j {
			t.Errorf("actions %s", acts)
		}
		b.gens("web", worker, worker, program{listens: 10 * ms, stopTime: time.Second})
		b.wantChanges(b.apply(spec.Reloading, declared("web", 2)), "restart web 2→2 mode:fork→cluster scheduler:→rr")
		if acts := b.took(); !strings.HasPrefix(acts, "terminate 0.2, terminate 1.2, release web, spawn 0.3, spawn 1.3") {
			t.Errorf("actions %s", acts)
		}
		for id := range 2 {
			b.wantPhase(id, lifecycle.Running)
		}
		// Who starts it meanwhile has the last word.
		done := make(chan error, 1)
		go func() {
			_, err := b.sup.Apply(b.ctx, ask(spec.Restarting, declared("web", 2, fork)))
			done <- err
		}()
		b.wait(100 * ms)
		if _, err := b.sup.Start(b.ctx, spec.Start{Word: "web"}); err != nil {
			t.Error(err)
		}
		wantFault(t, <-done, fault.Conflict, "meanwhile")
	})
}

func TestApplyOfTwoAppsWithOneName(t *testing.T) {
	run(t, func(b *bench) {
		two := func(second string) []spec.Declared {
			a, c := declared("web", 0), declared("web", 0)
			a.Options.Args, c.Options.Args = &[]string{"a"}, &[]string{second}
			return []spec.Declared{a, c}
		}
		b.wantChanges(b.apply(spec.Declaring, two("b")...), "start web 0→2")
		if x, y := b.spawns[0].App.Args, b.spawns[1].App.Args; x[0] != "a" || y[0] != "b" {
			t.Errorf("arguments %v, %v", x, y)
		}
		b.wantChanges(b.apply(spec.Declaring, two("b")...), "keep web 2→2")
		b.wantChanges(b.apply(spec.Declaring, two("c")...), `reload web 2→2 args:["b"]→["c"]`)
	})
}

func TestApplyChangesNothingUnlessAllCanBeResolved(t *testing.T) {
	run(t, func(b *bench) {
		missing := declared("web", 0)
		missing.Word = "/missing/web.js"
		_, err := b.sup.Apply(b.ctx, ask(spec.Declaring, declared("a", 0), missing))
		if f := wantFault(t, err, fault.NotFound, "web: script: script not found"); f.Remedy == "" {
			t.Error("no remedy")
		}
		slow := declared("a", 0, func(o *spec.Options) { o.Cwd = ptr("/missing") })
		_, err = b.sup.Apply(b.ctx, ask(spec.Declaring, slow))
		wantFault(t, err, fault.Invalid, "a: cwd: ")
		_, err = b.sup.Apply(b.ctx, ask("shake", declared("a", 0)))
		wantFault(t, err, fault.Invalid, `how: no such way: "shake"`)
		if n := len(b.list()); n != 0 {
			t.Errorf("%d instances", n)
		}
	})
}

func TestApplyTellsWhatDidNotComeUp(t *testing.T) {
	run(t, func(b *bench) {
		b.always("bad", program{exits: 10 * ms, code: 1})
		b.always("worse", program{exits: 20 * ms, code: 1})
		b.always("web", worker)
		_, err := b.sup.Apply(b.ctx, ask(spec.Restarting, declared("bad", 0), declared("web", 1), declared("worse", 0)))
		wantFault(t, err, fault.StartFailed, "apply: bad (0): exited with code 1 after 10ms; worse (2): exited with code 1 after 20ms")
		b.wantPhase(1, lifecycle.Running) // the others are there nevertheless
	})
}

func TestApplyGoesBackWhereTheNewDies(t *testing.T) {
	run(t, func(b *bench) {
		bad := program{online: 40 * ms, exits: 50 * ms, code: 1}
		b.gens("web", worker, bad, bad, worker)
		b.apply(spec.Declaring, declared("web", 2, env("A=1")))
		_, err := b.sup.Apply(b.ctx, ask(spec.Declaring, declared("web", 2, env("A=2"))))
		wantFault(t, err, fault.StartFailed, "the old process stays")
		// Nor are there more of what does not come up.
		b.took()
		_, err = b.sup.Apply(b.ctx, ask(spec.Declaring, declared("web", 3, env("A=3"))))
		wantFault(t, err, fault.StartFailed, "the old process stays")
		b.wantActs("spawn 0.3")
		b.wantChanges(b.apply(spec.Declaring, declared("web", 2, env("A=1"))), "keep web 2→2")
		b.took()
		b.wantChanges(b.apply(spec.Declaring, declared("web", 1, env("A=4"))), "reload web 2→1 env.A:1→4")
		b.wantActs("spawn 0.4, unroute 0.1, disconnect 0.1, unroute 0.1, terminate 0.1, unroute 1.1, disconnect 1.1, unroute 1.1, terminate 1.1")
	})
}

func TestInstancesDeclaredOtherwiseAreListed(t *testing.T) {
	run(t, func(b *bench) {
		second := declared("web", 0)
		second.Options.Args = &[]string{"b"}
		b.always("mail", worker)
		b.apply(spec.Declaring, declared("web", 0), second, declared("mail", 2))
		snap, err := b.sup.List(b.ctx, event.Query{})
		if err != nil || len(snap.Apps) != 2 || len(snap.Apps[0].Variants) != 1 || len(snap.Apps[1].Variants) != 0 {
			t.Fatalf("%+v, %v", snap.Apps, err)
		}
		if web := snap.Apps[0]; len(web.Of(0).Args) != 0 || web.Of(1).Args[0] != "b" {
			t.Errorf("%+v", web)
		}
	})
}
