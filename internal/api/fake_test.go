package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

// fake is a service that answers from a fixed state and notes what it was asked.
type fake struct {
	mu    sync.Mutex // guards calls
	calls []string

	begun chan struct{} // Start of "slow" is under way
	hold  chan struct{} // it waits for this
	seen  chan error    // what it, or a follow, ended with
}

func newFake() *fake {
	return &fake{begun: make(chan struct{}, 4), hold: make(chan struct{}), seen: make(chan error, 4)}
}

func (f *fake) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

// asked returns what was asked since the last call.
func (f *fake) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

var birth = time.Date(2026, 11, 22, 10, 30, 0, 123456789, time.UTC)

func sampleInstance() event.Instance {
	return event.Instance{
		ID: 3, App: "web", Namespace: "default", Index: 1, Mode: spec.Cluster, Goal: lifecycle.Up,
		Phase: lifecycle.Running, Gen: 7, PID: 4242, CreatedAt: birth, StartedAt: birth, Restarts: 6, Unstable: 1,
		LastExit: &event.Exit{Gen: 6, PID: 4100, Code: -1, Signal: "SIGKILL", Core: true, At: birth},
		OutFile:  "/var/log/web-out.log", ErrorFile: "/var/log/web-error.log",
		Usage: &event.Usage{CPU: 12.5, RSS: 48 << 20},
	}
}

func sampleSnapshot() event.Snapshot {
	uid := 33
	return event.Snapshot{
		Seq: 99, At: birth,
		Apps: []event.App{{Listening: []string{"tcp [::]:3000"}, Spec: spec.App{
			Name: "web", Namespace: "default", Script: "/srv/a.js", Interpreter: "/usr/bin/node", Runtime: spec.Node,
			Mode: spec.Cluster, Scheduler: spec.RoundRobin, Instances: 4, Cwd: "/srv", Env: map[string]string{"A": "ü\n"},
			UID: &uid, KillTimeout: 1600 * time.Millisecond, StopExitCodes: []int{0, 143}, TreeKill: true,
		}}},
		Instances: []event.Instance{sampleInstance()},
	}
}

func sampleInfo() event.Info {
	return event.Info{Version: "1.2.3", API: api.Version, PID: 10, KeeperPID: 9, Home: "/h", StartedAt: birth}
}

func outcome() event.Outcome {
	return event.Outcome{Instances: []event.Instance{sampleInstance()}, Warnings: []string{"port 80 needs root"}}
}

func applied() event.Applied {
	return event.Applied{Outcome: outcome(), Changes: []event.Change{{
		App: "web", Do: event.DoReload, From: 2, To: 4,
		Fields: []spec.Difference{{Field: "kill_timeout", Old: "1.6s", New: "3s"}, {Field: "env.B", New: "<ü>"}},
	}}}
}

func startFailed() error {
	return &fault.Error{
		Code: fault.StartFailed, Op: "start web", Message: "it ended with exit status 1",
		Remedy: "See its log.", Log: []string{"Error: no such module", "    at <b>&x"},
	}
}

func (f *fake) Ping(context.Context) (event.Info, error) { f.note("ping"); return sampleInfo(), nil }

func (f *fake) List(_ context.Context, q event.Query) (event.Snapshot, error) {
	f.note("list %v %v %v", q.Usage, q.Brief, q.Specs)
	return sampleSnapshot(), nil
}

func (f *fake) Jlist(_ context.Context, form api.Form) (json.RawMessage, error) {
	f.note("jlist %s", form)
	return json.RawMessage("[ {} ]\n"), nil
}

func (f *fake) Start(ctx context.Context, req spec.Start) (event.Outcome, error) {
	data, _ := json.Marshal(req)
	f.note("start %s", data)
	switch req.Word {
	case "bad":
		return event.Outcome{}, startFailed()
	case "wrapped":
		return event.Outcome{}, fmt.Errorf("start %s: %w", req.Word, &fault.Error{
			Code: fault.NotFound, Field: "script", Message: "no such file", Err: errors.New("stat: gone"),
		})
	case "bug":
		return event.Outcome{}, errors.New("nobody thought of this")
	case "slow":
		f.begun <- struct{}{}
		select {
		case <-f.hold:
		case <-ctx.Done():
			f.seen <- ctx.Err()
			return event.Outcome{}, ctx.Err()
		}
	}
	return outcome(), nil
}

func (f *fake) act(verb string, req spec.Act) (event.Outcome, error) {
	data, _ := json.Marshal(req)
	f.note("%s %s", verb, data)
	if req.Target == "nobody" {
		return event.Outcome{}, &fault.Error{Code: fault.NotFound, Op: verb, Field: "target", Message: "nobody is there"}
	}
	return outcome(), nil
}

func (f *fake) Restart(_ context.Context, req spec.Act) (event.Outcome, error) {
	return f.act("restart", req)
}

func (f *fake) Reload(_ context.Context, req spec.Act) (event.Outcome, error) {
	return f.act("reload", req)
}

func (f *fake) Rollback(_ context.Context, req spec.Act) (event.Outcome, error) {
	return f.act("rollback", req)
}

func (f *fake) Stop(_ context.Context, req spec.Act) (event.Outcome, error) {
	return f.act("stop", req)
}

func (f *fake) Delete(_ context.Context, req spec.Act) (event.Outcome, error) {
	return f.act("delete", req)
}

func (f *fake) Reset(_ context.Context, req spec.Act) (event.Outcome, error) {
	return f.act("reset", req)
}

func (f *fake) Apply(_ context.Context, req spec.Apply) (event.Applied, error) {
	data, _ := json.Marshal(req)
	f.note("apply %s", data)
	return applied(), nil
}

func (f *fake) Annotate(_ context.Context, req spec.Act) (event.Outcome, error) {
	return f.act("annotate", req)
}

func (f *fake) ReopenLogs(context.Context) error { f.note("reopen"); return nil }

func (f *fake) Scale(_ context.Context, app, number string) (event.Outcome, error) {
	f.note("scale %s %s", app, number)
	return outcome(), nil
}

func (f *fake) Signal(_ context.Context, target, signal string) (event.Outcome, error) {
	f.note("signal %s %s", target, signal)
	return outcome(), nil
}

func (f *fake) WriteLine(_ context.Context, id int, line string) error {
	f.note("write %d %q", id, line)
	if id == 404 {
		return &fault.Error{Code: fault.NotRunning, Message: "no process"}
	}
	return nil
}

func (f *fake) Message(_ context.Context, id int, message json.RawMessage) error {
	f.note("message %d %s", id, message)
	if id == 404 {
		return &fault.Error{Code: fault.NotRunning, Message: "no process"}
	}
	return nil
}

func (f *fake) Watch(ctx context.Context, _ string, fn func(event.Event) error) error {
	f.note("watch")
	snapshot, in := sampleSnapshot(), sampleInstance()
	for _, e := range []event.Event{
		{Seq: 99, At: birth, Type: event.Begin, Snapshot: &snapshot},
		{Seq: 100, At: birth, Type: event.Changed, Instance: &in},
		{Seq: 101, At: birth, Type: event.Message, Instance: &in, Message: json.RawMessage(`{"a":[1,"<>"]}`)},
	} {
		if err := fn(e); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func (f *fake) Logs(ctx context.Context, req api.LogsRequest, fn func(event.LogLine) error) error {
	f.note("logs %+v", req)
	if req.Target == "nobody" {
		return &fault.Error{Code: fault.NotFound, Message: "nobody is there"}
	}
	for i := range req.Lines {
		if err := fn(event.LogLine{ID: 3, App: "web", Stream: "out", Text: fmt.Sprintf("line %d <ü>", i)}); err != nil {
			return err
		}
	}
	if req.Target == "broken" {
		return &fault.Error{Code: fault.Internal, Message: "the disk is gone"}
	}
	if !req.Follow {
		return nil
	}
	<-ctx.Done()
	f.seen <- ctx.Err()
	return ctx.Err()
}

func (f *fake) Flush(_ context.Context, target string) error { f.note("flush %q", target); return nil }

func (f *fake) Profile(_ context.Context, req api.ProfileRequest) (api.Profile, error) {
	f.note("profile %s %v", req.Kind, req.For)
	return api.Profile{Data: []byte("\x1f\x8b<")}, nil
}

func (f *fake) Upgrade(_ context.Context, path string) error {
	f.note("upgrade %q", path)
	return &fault.Error{Code: fault.Unsupported, Message: "that is no tend"}
}
func (f *fake) Kill(context.Context) error { f.note("kill"); return nil }

var _ api.Service = (*fake)(nil)

func TestFakeItself(t *testing.T) {
	f := newFake()
	contract(t, f, f)
}
