package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
)

func TestStartAgain(t *testing.T) {
	run(t, func(b *bench) {
		b.start("web", 0)
		_, err := b.sup.Start(b.ctx, request("web", 0))
		if f := wantFault(t, err, fault.Conflict, "started already"); f.Remedy == "" {
			t.Error("no remedy")
		}
		req := request("web", 0)
		req.Force = true
		out, err := b.sup.Start(b.ctx, req)
		if err != nil || len(out.Instances) != 1 || out.Instances[0].ID != 1 || out.Instances[0].Index != 1 {
			t.Errorf("with force: %+v, %v", out, err)
		}
		// A known name is restarted, what of it is stopped is started.
		_, _ = b.sup.Stop(b.ctx, act("1"))
		if _, err := b.sup.Start(b.ctx, spec.Start{Word: "web"}); err != nil {
			t.Error(err)
		}
		if a, c := b.get(0), b.get(1); a.Restarts != 1 || a.Gen != 2 || c.Restarts != 0 || c.Gen != 2 {
			t.Errorf("%+v %+v", a, c)
		}
		// A known script that is stopped is started, not doubled.
		_, _ = b.sup.Stop(b.ctx, act("all"))
		b.start("web", 0)
		if n := len(b.ids()); n != 2 {
			t.Errorf("%d instances", n)
		}
	})
}

func TestTargets(t *testing.T) {
	run(t, func(b *bench) {
		b.start("api", 0, func(o *spec.Options) { o.Namespace = ptr("back") })
		b.start("echo-1", 0)
		b.start("echo-2", 0)
		for target, want := range map[string][]int{
			"all": {0, 1, 2}, "back": {0}, "/echo-[1,2]/": {1, 2}, "echo-1": {1}, "2": {2}, "api.js": {0},
		} {
			out, err := b.sup.Restart(b.ctx, act(target))
			var got []int
			for _, in := range out.Instances {
				got = append(got, in.ID)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v, %v; want %v", target, got, err, want)
			}
		}
		_, err := b.sup.Stop(b.ctx, act("nope"))
		wantFault(t, err, fault.NotFound, "stop nope")
	})
}

func TestIDsBeginAnewWhenNothingIsLeft(t *testing.T) {
	run(t, func(b *bench) {
		b.always("a", worker)
		b.start("a", 2)
		_, _ = b.sup.Delete(b.ctx, act("0"))
		if out := b.start("b", 0); out.Instances[0].ID != 2 {
			t.Errorf("id %d", out.Instances[0].ID)
		}
		_, _ = b.sup.Delete(b.ctx, act("all"))
		if out := b.start("c", 0); out.Instances[0].ID != 0 {
			t.Errorf("id %d", out.Instances[0].ID)
		}
	})
}

// TestCommandsInAnyPhase gives each command at many moments of a life that has a
// boot, a listen, a crash and a backoff in it.
func TestCommandsInAnyPhase(t *testing.T) {
	for name, command := range map[string]func(*Supervisor, context.Context, spec.Act) (event.Outcome, error){
		"stop": (*Supervisor).Stop, "delete": (*Supervisor).Delete, "restart": (*Supervisor).Restart, "reload": (*Supervisor).Reload,
	} {
		for at := time.Duration(0); at < 1300*ms; at += 13 * ms {
			run(t, func(b *bench) {
				b.gens("web",
					program{online: 40 * ms, listens: 100 * ms, exits: 300 * ms, code: 1, lingers: 50 * ms},
					program{online: 40 * ms, exits: 60 * ms, code: 1, stopTime: 30 * ms},
					program{online: 40 * ms, listens: 100 * ms, leaves: 500 * ms, deaf: true},
					program{online: 40 * ms, listens: 100 * ms, stopTime: 30 * ms})
				go func() { _, _ = b.sup.Start(b.ctx, request("web", 1)) }()
				b.wait(at + time.Nanosecond)
				_, err := command(b.sup, b.ctx, act("web"))
				switch list := b.list(); {
				case name == "delete" && (err != nil || len(list) != 0 || b.alive() != 0):
					t.Errorf("%s after %v: %v, %+v", name, at, err, list)
				case name == "stop" && (err != nil || list[0].Phase != lifecycle.Stopped || b.alive() != 0):
					t.Errorf("%s after %v: %v, %+v", name, at, err, list)
				case (name == "restart" || name == "reload") && err == nil && list[0].Phase != lifecycle.Running:
					t.Errorf("%s after %v: %+v", name, at, list)
				}
			})
		}
	}
}

func TestStartWhileStopping(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", program{stopTime: time.Second})
		b.start("web", 0)
		b.took()
		stopped := make(chan error, 1)
		go func() { _, err := b.sup.Stop(b.ctx, act("web")); stopped <- err }()
		b.wait(500 * ms)
		b.wantPhase(0, lifecycle.Stopping)
		out, err := b.sup.Start(b.ctx, spec.Start{Word: "web"})
		if err != nil || out.Instances[0].Gen != 2 || out.Instances[0].Restarts != 0 {
			t.Errorf("%+v, %v", out, err)
		}
		if err := <-stopped; err != nil { // what it asked for has come about
			t.Error(err)
		}
		b.wantActs("terminate 0.1, spawn 0.2")
	})
}

func TestDeleteWhileStarting(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", program{online: 40 * ms, stopTime: 30 * ms})
		started := make(chan error, 1)
		go func() { _, err := b.sup.Start(b.ctx, request("web", 2)); started <- err }()
		b.wait(200 * ms)
		if _, err := b.sup.Delete(b.ctx, act("all")); err != nil {
			t.Error(err)
		}
		wantFault(t, <-started, fault.Conflict, "it was deleted meanwhile")
		if len(b.list()) != 0 || b.alive() != 0 {
			t.Errorf("%v", b.list())
		}
	})
}

func TestManyCommandsAtOnce(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 4)
		commands := []func(*Supervisor, context.Context, spec.Act) (event.Outcome, error){
			(*Supervisor).Stop, (*Supervisor).Restart, (*Supervisor).Reload, (*Supervisor).Restart, (*Supervisor).Reset,
		}
		done := make(chan error, 40)
		for i := range 40 {
			go func() {
				time.Sleep(time.Duration(i*7) * ms)
				_, err := commands[i%len(commands)](b.sup, b.ctx, act(itoa(i%4)))
				done <- err
			}()
		}
		for range 40 {
			if err := <-done; err != nil && fault.CodeOf(err) != fault.Conflict {
				t.Error(err)
			}
		}
		if _, err := b.sup.Restart(b.ctx, act("web")); err != nil || b.alive() != 4 {
			t.Errorf("%d processes, %v", b.alive(), err)
		}
	})
}

func TestCtxEndsOnlyTheWait(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		ctx, cancel := context.WithTimeout(b.ctx, 50*ms)
		defer cancel()
		_, err := b.sup.Start(ctx, request("web", 1))
		if wantFault(t, err, fault.Timeout, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		b.wait(100 * ms)
		b.wantPhase(0, lifecycle.Running)
	})
}

func TestRestartWithOptions(t *testing.T) {
	run(t, func(b *bench) {
		b.start("web", 0)
		req := act("web")
		req.Options.Env = map[string]string{"COLOR": "red"}
		req.Options.Name = ptr("site")
		out, err := b.sup.Restart(b.ctx, req)
		if err != nil || out.Instances[0].App != "site" {
			t.Errorf("%+v, %v", out, err)
		}
		if s := b.spawns[len(b.spawns)-1]; s.App.Env["COLOR"] != "red" || s.Restarts != 1 {
			t.Errorf("%+v", s)
		}
		req.Target, req.Options.Cwd = "site", ptr("/missing")
		if _, err := b.sup.Restart(b.ctx, req); err == nil || b.get(0).Gen != 2 {
			t.Errorf("bad folder: %v", err)
		}
	})
}

func TestReset(t *testing.T) {
	run(t, func(b *bench) {
		b.start("web", 0)
		_, _ = b.sup.Restart(b.ctx, act("web"))
		if _, err := b.sup.Reset(b.ctx, act("web")); err != nil || b.get(0).Restarts != 0 {
			t.Errorf("%+v, %v", b.get(0), err)
		}
	})
}

func TestScale(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("other", 0)
		b.start("web", 2)
		out, err := b.sup.Scale(b.ctx, "web", "+2")
		if err != nil || len(out.Instances) != 4 || out.Instances[3].Phase != lifecycle.Running || out.Instances[3].Index != 3 {
			t.Errorf("%+v, %v", out, err)
		}
		if _, err := b.sup.Scale(b.ctx, "web", "2"); err != nil || !slices.Equal(b.ids(), []int{0, 3, 4}) {
			t.Errorf("%v, %v", b.ids(), err)
		}
		out, err = b.sup.Scale(b.ctx, "web", "3") // reuses number 0
		if err != nil || out.Instances[2].Index != 0 || out.Instances[2].ID != 5 {
			t.Errorf("%+v, %v", out, err)
		}
		if s := b.spawns[len(b.spawns)-1]; s.App.Instances != 3 {
			t.Errorf("it is told of %d instances", s.App.Instances)
		}
		_, err = b.sup.Scale(b.ctx, "wbe", "3")
		wantFault(t, err, fault.NotFound, "scale wbe")
	})
}

func TestSignalAndWriteLine(t *testing.T) {
	run(t, func(b *bench) {
		b.start("web", 0)
		b.took()
		if _, err := b.sup.Signal(b.ctx, "web", "SIGUSR2"); err != nil {
			t.Error(err)
		}
		if err := b.sup.WriteLine(b.ctx, 0, "hello"); err != nil {
			t.Error(err)
		}
		b.wantActs("signal 0.1 12, write 0.1 hello")
		_, _ = b.sup.Stop(b.ctx, act("web"))
		_, err := b.sup.Signal(b.ctx, "web", "USR2")
		wantFault(t, err, fault.NotRunning, "no process of it is running")
		wantFault(t, b.sup.WriteLine(b.ctx, 0, "hello"), fault.NotRunning, "not running")
		wantFault(t, b.sup.WriteLine(b.ctx, 9, "hello"), fault.NotFound, "no instance 9")
		_, err = b.sup.Signal(b.ctx, "web", "SIGNOPE")
		wantFault(t, err, fault.Invalid, "")
	})
}

func TestListSamplesUsageOnlyWhenAsked(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 2)
		snap, _ := b.sup.List(b.ctx, event.Query{Usage: true})
		if u := snap.Instances[1].Usage; u == nil || u.RSS != 2001 {
			t.Errorf("%+v", snap.Instances[1])
		}
		if l := snap.Apps[0].Listening; len(l) != 1 || l[0] != "tcp :3000" || snap.Apps[0].Spec.Instances != 2 {
			t.Errorf("%+v", snap.Apps[0])
		}
		if b.get(0).Usage != nil {
			t.Error("sampled")
		}
		snap, _ = b.sup.List(b.ctx, event.Query{Brief: true})
		if len(snap.Instances) != 2 || snap.Apps == nil || len(snap.Apps) != 0 {
			t.Errorf("brief: %+v", snap)
		}
	})
}

func TestWatchTellsAll(t *testing.T) {
	run(t, func(b *bench) {
		b.start("old", 0)
		var got []string
		state := map[int]event.Instance{}
		stop := errors.New("enough")
		done := make(chan error, 1)
		go func() {
			done <- b.sup.Watch(b.ctx, "", func(ev event.Event) error {
				if ev.Type == event.Begin {
					for _, in := range ev.Snapshot.Instances {
						state[in.ID] = in
					}
					got = append(got, fmt.Sprint("begin ", len(state)))
					return nil
				}
				state[ev.Instance.ID] = *ev.Instance
				got = append(got, fmt.Sprintf("%s %d %v", ev.Type, ev.Instance.ID, ev.Instance.Phase))
				if ev.Type == event.Deleted {
					return stop
				}
				return nil
			})
		}()
		synctest.Wait()
		b.always("web", program{listens: 10 * ms})
		b.start("web", 1)
		b.sup.Report(keyOf(1, 1), messageOf(`{"hello":1}`))
		_, _ = b.sup.Delete(b.ctx, act("web"))
		if err := <-done; err != stop {
			t.Error(err)
		}
		want := []string{
			"begin 1", "created 1 stopped", "changed 1 starting", "changed 1 starting", "listened 1 running",
			"message 1 running", "changed 1 stopping", "exited 1 stopping", "deleted 1 stopped",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
		if state[0] != b.get(0) {
			t.Errorf("watched %+v", state[0])
		}
	})
}

func TestNewsOfAnOlderLifeIsDropped(t *testing.T) {
	run(t, func(b *bench) {
		b.start("web", 0)
		_, _ = b.sup.Restart(b.ctx, act("web"))
		before := b.get(0)
		b.sup.Report(keyOf(0, 1), exitedOf(9))
		b.sup.Report(keyOf(7, 1), exitedOf(9))
		if now := b.get(0); now != before {
			t.Errorf("%+v, was %+v", now, before)
		}
	})
}

func TestShutdownRefusesCommands(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 2)
		if err := b.sup.Shutdown(b.ctx, false); err != nil || b.alive() != 0 {
			t.Errorf("%d left, %v", b.alive(), err)
		}
		_, err := b.sup.Start(b.ctx, request("more", 0))
		wantFault(t, err, fault.Unavailable, "ending")
	})
}

func TestManyApps(t *testing.T) {
	run(t, func(b *bench) {
		for i := range 100 {
			name := fmt.Sprint("app", i)
			b.always(name, program{online: 10 * ms, listens: 20 * ms})
			b.start(name, 4)
		}
		if n := len(b.list()); n != 400 {
			t.Errorf("%d instances", n)
		}
		if _, err := b.sup.Stop(b.ctx, act("all")); err != nil || b.alive() != 0 {
			t.Errorf("%d left, %v", b.alive(), err)
		}
	})
}

func keyOf(id int, gen uint64) runner.Key { return runner.Key{ID: id, Gen: gen} }

func messageOf(text string) runner.Report { return runner.Message{Data: []byte(text)} }

func exitedOf(code int) runner.Report { return runner.Exited{Exit: event.Exit{Code: code}} }
