package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
)

// fakeService answers from a fixed list and writes what it was asked to a log.
type fakeService struct {
	snap  event.Snapshot
	asked io.Writer

	pid     int // of the daemon, when it is not 100
	version string
}

// fakeDaemon is a home with a daemon that runs, or not.
type fakeDaemon struct {
	svc  *fakeService
	down bool
}

var _ api.Service = (*fakeService)(nil)

func (d fakeDaemon) Home() string { return "/home/ann/.local/state/tend" }

func (d fakeDaemon) Foreground() error { return nil }

func (d fakeDaemon) Ending(event.Info) func(context.Context) { return func(context.Context) {} }

func (d fakeDaemon) Connect(context.Context) (api.Service, error) {
	if d.down {
		return nil, &fault.Error{Code: fault.Unavailable, Message: "no daemon answers"}
	}
	return d.svc, nil
}

func (d fakeDaemon) Ensure(context.Context) (api.Service, error) {
	if d.down {
		fmt.Fprintln(d.svc.asked, "> a daemon is started")
	}
	return d.svc, nil
}

var fakeNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fakeSnapshot() event.Snapshot {
	web := spec.App{
		Name: "web", Namespace: "default", Script: "/srv/web/app.js", Interpreter: "/usr/bin/node", Runtime: spec.Node,
		InterpreterArgs: []string{"--enable-source-maps"}, Args: []string{"--port", "80", "a b"},
		Mode: spec.Cluster, Scheduler: spec.RoundRobin, Instances: 2, Numbered: true, Cwd: "/srv/web",
		Env:     map[string]string{"PATH": "/usr/bin", "HOME": "/home/ann", "EVIL": "a\x1b[31mb\nc"},
		OutFile: "/l/web-out.log", ErrorFile: "/l/web-error.log", Autorestart: true, MaxRestarts: 16,
		MinUptime: time.Second, StopSignal: "SIGINT", KillTimeout: 1600 * time.Millisecond, TreeKill: true,
		ListenTimeout: 30 * time.Second, InstanceVar: "NODE_APP_INSTANCE", Version: "1.2.3",
	}
	mail := web
	mail.Name, mail.Namespace, mail.Version = "postbote-für-münchen", "jobs", ""
	mail.Script, mail.Interpreter, mail.Runtime, mail.Mode, mail.Scheduler = "npm run mail", "/bin/bash", spec.Other, spec.Fork, ""
	mail.Shell, mail.Numbered, mail.Instances, mail.Args, mail.InterpreterArgs = true, false, 1, nil, nil
	mail.RestartDelay, mail.StopExitCodes, mail.StopSignal = 2*time.Second, []int{0, 3}, "SIGTERM"
	created := fakeNow.Add(-30 * time.Hour)
	in := func(id int, app spec.App, phase lifecycle.Phase, pid int) event.Instance {
		i := event.Instance{
			ID: id, App: app.Name, Namespace: app.Namespace, Mode: app.Mode, Goal: lifecycle.Up, Phase: phase, Gen: 1,
			PID: pid, CreatedAt: created, Version: app.Version,
		}
		i.OutFile, i.ErrorFile = app.LogPaths(id)
		if pid > 0 {
			i.StartedAt, i.Usage = fakeNow.Add(-time.Duration(pid)*time.Second), &event.Usage{CPU: float64(pid%7) / 3, RSS: uint64(pid) * 31337}
		}
		return i
	}
	list := []event.Instance{
		in(0, web, lifecycle.Running, 4321), in(1, web, lifecycle.Starting, 4399),
		in(2, mail, lifecycle.Failed, 0), in(3, mail, lifecycle.Backoff, 0), in(4, mail, lifecycle.Stopped, 0),
	}
	list[1].Index = 1
	list[0].Restarts = 12
	list[2].Reason = "16 short lives in a row; the last ended with exit code 1"
	list[2].LastExit = &event.Exit{Gen: 16, PID: 99, Code: 1, At: fakeNow.Add(-time.Minute)}
	list[3].WakeAt = fakeNow.Add(1500 * time.Millisecond)
	list[3].LastExit = &event.Exit{Gen: 3, PID: 98, Code: -1, Signal: "SIGSEGV", Core: true, At: fakeNow.Add(-time.Hour)}
	list[4].Goal = lifecycle.Down
	return event.Snapshot{
		Seq: 7, At: fakeNow, Instances: list,
		Apps: []event.App{{Spec: web, Listening: []string{"tcp [::]:80", "unix /run/web.sock"}}, {Spec: mail}},
	}
}

// note writes a request, without the caller but for its folder.
func (f *fakeService) note(verb string, args ...any) {
	fmt.Fprint(f.asked, "> ", verb)
	for _, arg := range args {
		switch a := arg.(type) {
		case spec.Start:
			a.Caller.Env = nil
			arg = a
		case spec.Act:
			a.Caller.Env = nil
			arg = a
		}
		text, err := json.Marshal(arg)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(f.asked, " %s", text)
	}
	fmt.Fprintln(f.asked)
}

// outcome finds what a target names, or fails as the daemon does.
func (f *fakeService) outcome(verb, target string) (out event.Outcome, err error) {
	var list []spec.Entry
	for _, in := range f.snap.Instances {
		list = append(list, spec.Entry{ID: in.ID, Name: in.App, Namespace: in.Namespace})
	}
	ids, err := spec.Select(list, target, "/srv")
	for _, id := range ids {
		out.Instances = append(out.Instances, f.snap.Instances[id])
	}
	return out, err
}

// Apply starts what is not there, and keeps the rest but for one made-up change.
func (f *fakeService) Apply(_ context.Context, req spec.Apply) (out event.Applied, err error) {
	req.Caller.Env = nil
	f.note("apply", req)
	for _, d := range req.Apps {
		c := event.Change{App: *d.Options.Name, Do: event.DoStart, To: 1}
		for _, in := range f.snap.Instances {
			if in.App == c.App {
				out.Instances = append(out.Instances, in)
				c.From, c.Do = c.From+1, event.DoReload
				c.Fields = []spec.Difference{{Field: "kill_timeout", Old: "1.6s", New: "3s"}, {Field: "env.A", New: "1"}, {Field: "env.OLD", Old: "x"}}
			}
		}
		out.Changes = append(out.Changes, c)
	}
	for range req.Prune {
		out.Changes = append(out.Changes, event.Change{App: "former", Do: event.DoDelete, From: 2})
	}
	return out, nil
}

func (f *fakeService) Ping(context.Context) (event.Info, error) {
	info := event.Info{Version: "1.0.0", API: 1, PID: 100, KeeperPID: 99, Home: "/home/ann", StartedAt: fakeNow}
	if f.pid != 0 {
		info.PID, info.StartedAt = f.pid, fakeNow.Add(time.Second)
	}
	info.Version = cmp.Or(f.version, info.Version)
	return info, nil
}

func (f *fakeService) Upgrade(_ context.Context, path string) error {
	f.note("upgrade", path)
	switch path {
	case "/new/tend":
		f.pid, f.version = 100, "1.1.0"
	case "/srv/dies":
		f.pid = 200
	default:
		return &fault.Error{Code: fault.Unsupported, Field: "program", Message: "not a tend that can take over from this one"}
	}
	return &fault.Error{Code: fault.Unavailable, Message: "the daemon ended before it answered"}
}

func (f *fakeService) List(_ context.Context, q event.Query) (event.Snapshot, error) {
	if q.Table {
		return event.ReadTable(event.AppendTable(nil, &f.snap))
	}
	return f.snap, nil
}

func (f *fakeService) Jlist(context.Context, api.Form) (json.RawMessage, error) {
	return pm2.OwnJlist(f.snap)
}

func (f *fakeService) Start(_ context.Context, req spec.Start) (event.Outcome, error) {
	f.note("start", req)
	switch req.Word {
	case "crash.js":
		return event.Outcome{}, &fault.Error{
			Code: fault.StartFailed, Op: "start crash", Message: "it ended at once with exit code 1",
			Log:    []string{"Error: Cannot find module 'express'", "\x1b[2Jspoof\ttab"},
			Remedy: "Fix what the log says, then start it again.",
		}
	case "app.js":
		return event.Outcome{Instances: f.snap.Instances[:2], Warnings: []string{"the old log was kept"}}, nil
	}
	return f.outcome("start", req.Word)
}

func (f *fakeService) Restart(_ context.Context, req spec.Act) (event.Outcome, error) {
	f.note("restart", req)
	return f.outcome("restart", req.Target)
}

func (f *fakeService) Reload(_ context.Context, req spec.Act) (event.Outcome, error) {
	f.note("reload", req)
	return f.outcome("reload", req.Target)
}

func (f *fakeService) Rollback(_ context.Context, req spec.Act) (event.Outcome, error) {
	f.note("rollback", req)
	return f.outcome("rollback", req.Target)
}

func (f *fakeService) Stop(_ context.Context, req spec.Act) (event.Outcome, error) {
	f.note("stop", req)
	return f.outcome("stop", req.Target)
}

func (f *fakeService) Delete(_ context.Context, req spec.Act) (event.Outcome, error) {
	f.note("delete", req)
	return f.outcome("delete", req.Target)
}

func (f *fakeService) Reset(_ context.Context, req spec.Act) (event.Outcome, error) {
	f.note("reset", req)
	return f.outcome("reset", req.Target)
}

func (f *fakeService) Annotate(_ context.Context, req spec.Act) (event.Outcome, error) {
	f.note("annotate", req)
	return f.outcome("annotate", req.Target)
}

func (f *fakeService) ReopenLogs(context.Context) error {
	f.note("reopen")
	return nil
}

func (f *fakeService) Profile(_ context.Context, req api.ProfileRequest) (api.Profile, error) {
	f.note("profile", req)
	return api.Profile{Data: []byte("profile")}, nil
}

func (f *fakeService) Scale(_ context.Context, app, number string) (event.Outcome, error) {
	f.note("scale", app, number)
	if _, err := spec.ScaleTo(number, 2); err != nil {
		return event.Outcome{}, err
	}
	return f.outcome("scale", app)
}

func (f *fakeService) Signal(_ context.Context, target, signal string) (event.Outcome, error) {
	f.note("signal", target, signal)
	return f.outcome("signal", target)
}

func (f *fakeService) WriteLine(_ context.Context, id int, line string) error {
	f.note("write", id, line)
	return nil
}

func (f *fakeService) Message(_ context.Context, id int, message json.RawMessage) error {
	f.note("message", id, message)
	return nil
}

func (f *fakeService) Watch(context.Context, string, func(event.Event) error) error { return nil }

func (f *fakeService) Logs(_ context.Context, req api.LogsRequest, fn func(event.LogLine) error) error {
	f.note("logs", req)
	for i, text := range []string{"listening on :80", "\x1b[32mcolours are the app's own\x1b[0m", "<oops>"} {
		line := event.LogLine{ID: i, App: f.snap.Instances[i].App, Stream: "out", Text: text}
		if i == 2 {
			line.Stream, line.At = "err", fakeNow
		}
		if err := fn(line); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeService) Flush(_ context.Context, target string) error {
	f.note("flush", target)
	return nil
}

func (f *fakeService) Kill(context.Context) error {
	f.note("kill")
	return nil
}
