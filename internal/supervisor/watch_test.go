package supervisor

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/watch"
)

// lookout pretends to watch files.
type lookout struct {
	sup func() *Supervisor

	mu       sync.Mutex // guards what follows
	requests map[int]watch.Request
	broken   error
	slow     time.Duration // until it has begun
}

func (o *lookout) Watch(r watch.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.requests == nil {
		o.requests = map[int]watch.Request{}
	}
	o.requests[r.Key.ID] = r
	err := o.broken
	time.AfterFunc(max(o.slow, time.Millisecond), func() { o.sup().FilesReport(r.Key, watch.Began{Err: err}) })
}

func (o *lookout) Unwatch(id int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.requests, id)
}

func (o *lookout) request(id int) (watch.Request, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.requests[id]
	return r, ok
}

// change tells that files changed, by the newest watch of id.
func (b *bench) change(id int, paths ...string) {
	b.t.Helper()
	r, ok := b.lookout.request(id)
	if !ok {
		b.t.Fatalf("%d is not watched", id)
	}
	b.sup.FilesReport(r.Key, watch.Changed{Paths: paths})
	b.wait(0)
}

func withWatch(o *spec.Options) { o.Watch = ptr(true) }

func TestWatchIsDeclared(t *testing.T) {
	run(t, func(b *bench) {
		want := func(what string, on bool) {
			t.Helper()
			if _, ok := b.lookout.request(0); ok != on || b.get(0).Watch != on {
				t.Errorf("%s: watched %v, shown %v", what, ok, b.get(0).Watch)
			}
		}
		do := func(req spec.Act, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		toggle := act("web")
		toggle.Options.ToggleWatch = true
		restart := func(req spec.Act) { _, err := b.sup.Restart(b.ctx, req); do(req, err) }
		b.start("web", 0, withWatch)
		want("start", true)
		restart(act("web"))
		want("restart", true)
		_, err := b.sup.Stop(b.ctx, act("web"))
		do(toggle, err)
		want("stop", false)
		restart(act("web"))
		want("start again", false)
		restart(toggle)
		want("turn on", true)
		restart(toggle)
		want("turn off", false)
		_, err = b.sup.Stop(b.ctx, act("web"))
		do(toggle, err)
		restart(toggle)
		want("turn on what is stopped", true)
		r, _ := b.lookout.request(0)
		if r.Cwd != "/srv" || !slices.Contains(r.Avoid, "/logs/web-out.log") || !r.Since.IsZero() {
			t.Errorf("%+v", r)
		}
	})
}

// Watching is turned on and off while the process goes on.
func TestAnnotateTurnsWatching(t *testing.T) {
	run(t, func(b *bench) {
		b.start("web", 0)
		gen := b.get(0).Gen
		for i, step := range []struct {
			change func(*spec.Options)
			on     bool
		}{
			{withWatch, true},
			{withWatch, true},
			{func(o *spec.Options) { o.ToggleWatch = true }, false},
			{func(o *spec.Options) { o.ToggleWatch = true }, true},
			{func(o *spec.Options) { o.Watch = ptr(false) }, false},
			{func(o *spec.Options) { o.Shown = map[string]any{"a": 1} }, false},
		} {
			req := act("web")
			step.change(&req.Options)
			if _, err := b.sup.Annotate(b.ctx, req); err != nil {
				t.Fatal(err)
			}
			in := b.get(0)
			if _, ok := b.lookout.request(0); ok != step.on || in.Watch != step.on || in.Gen != gen {
				t.Errorf("step %d: watched %v, %+v", i, ok, in)
			}
		}
		req := act("web")
		withWatch(&req.Options)
		if _, err := b.sup.Annotate(b.ctx, req); err != nil {
			t.Fatal(err)
		}
		b.crash()
		if in := b.get(0); !in.Watch {
			t.Error("the next daemon does not watch")
		}
	})
}

func TestChangedFilesReplace(t *testing.T) {
	run(t, func(b *bench) {
		var events []event.Event
		go func() {
			_ = b.sup.Watch(b.ctx, "", func(ev event.Event) error {
				if ev.Type == event.FilesChanged {
					events = append(events, ev)
				}
				return nil
			})
		}()
		b.always("web", worker)
		b.start("web", 1, withWatch)
		b.start("job", 0, withWatch)
		b.took()
		b.change(0, "/srv/src/a.js", "/etc/x")
		b.wait(50 * ms)
		b.change(0, "/srv/src/a.js") // again, before the successor is up: that one may have read the old file
		b.wait(time.Second)
		b.change(1, "/srv/b.js")
		b.wait(time.Second)
		b.wantActs("spawn 0.2, unroute 0.2, terminate 0.2, spawn 0.3, unroute 0.1, disconnect 0.1, terminate 1.1, spawn 1.2")
		if len(events) != 3 || strings.Join(events[0].Files, " ") != "src/a.js /etc/x" || events[2].Instance.App != "job" {
			t.Errorf("%+v", events)
		}
		for id := range 2 {
			if in := b.get(id); in.Phase != lifecycle.Running || in.Restarts != 1 {
				t.Errorf("%+v", in)
			}
		}
	})
}

// What was given up is tried again when its files change; what was stopped is not.
func TestChangeMendsWhatFailed(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", program{failed: &fault.Error{Code: fault.NotFound, Message: "gone"}})
		b.start("other", 0)
		b.gens("web", program{}, program{failed: &fault.Error{Code: fault.NotFound, Message: "gone"}}, program{})
		b.start("web", 0, withWatch)
		b.exit(keyOf(1, 1), 1, "")
		b.wait(time.Second)
		b.wantPhase(1, lifecycle.Failed)
		b.change(1, "/srv/a.js")
		b.wait(time.Second)
		b.wantPhase(1, lifecycle.Running)
		old, _ := b.lookout.request(1)
		if _, err := b.sup.Stop(b.ctx, act("web")); err != nil {
			t.Fatal(err)
		}
		b.sup.FilesReport(old.Key, watch.Changed{Paths: []string{"/srv/a.js"}})
		b.wait(time.Second)
		b.wantPhase(1, lifecycle.Stopped)
	})
}

// The command waits until files are watched, and says what cannot be.
func TestWatchThatCannotBegin(t *testing.T) {
	run(t, func(b *bench) {
		b.lookout.broken = &fault.Error{Code: fault.Unsupported, Field: "--watch", Message: "no more watches", Remedy: "Allow more."}
		b.lookout.slow = time.Minute
		begin := time.Now()
		out := b.start("web", 0, withWatch)
		if len(out.Warnings) != 1 || out.Warnings[0] != "web (0): --watch: no more watches. Allow more." || time.Since(begin) < time.Minute {
			t.Errorf("%v after %v", out.Warnings, time.Since(begin))
		}
	})
}

// The next supervisor goes on with it, from when the process was spawned.
func TestWatchSurvivesACrash(t *testing.T) {
	run(t, func(b *bench) {
		b.start("web", 0, withWatch)
		spawned := b.get(0).StartedAt
		b.wait(time.Hour)
		b.lookout.Unwatch(0)
		b.crash()
		if r, ok := b.lookout.request(0); !ok || !r.Since.Equal(spawned) {
			t.Errorf("watched %v since %v, want %v", ok, r.Since, spawned)
		}
	})
}

func TestCronRestarts(t *testing.T) {
	run(t, func(b *bench) {
		b.start("web", 0, func(o *spec.Options) { o.Cron = ptr("0 0 * * * *") })
		b.start("job", 0, func(o *spec.Options) { o.Cron, o.Autorestart = ptr("@every 1m"), ptr(false) })
		b.wait(59 * time.Minute)
		if in := b.get(0); in.Restarts > 1 || in.CronAt.IsZero() {
			t.Errorf("%+v", in)
		}
		before := b.get(0).Restarts
		b.crash()
		b.wait(time.Hour)
		if in := b.get(0); in.Restarts != before+1 {
			t.Errorf("%+v", in)
		}
		if in := b.get(1); in.Gen != 1 { // it is still at its first run
			t.Errorf("%+v", in)
		}
	})
}
