package pm2rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/machine"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/sys"
)

// argument is what methods take, an object or an id alone.
type argument struct {
	ID          json.RawMessage `json:"id"`
	PMID        json.RawMessage `json:"pm_id"`
	ProcessID   json.RawMessage `json:"process_id"`
	Name        string          `json:"name"`
	ProcessName string          `json:"process_name"`
	Signal      any             `json:"signal"`
	Line        string          `json:"line"`
	PID         int             `json:"pid"`
	Pwd         string          `json:"pwd"`     // of a profile, the file
	Timeout     json.RawMessage `json:"timeout"` // its milliseconds, as a number or a text
	Env         *pm2.Object     `json:"env"`
	told

	all json.RawMessage
}

// told is what is to be told to a process, or of it.
type told struct {
	Action   string          `json:"action_name"`
	Manually bool            `json:"manually"`
	Msg      json.RawMessage `json:"msg"`
	Opts     json.RawMessage `json:"opts"`
	Topic    any             `json:"topic"`
	Data     json.RawMessage `json:"data"`
}

// target is the process that is meant: one by its id, or those of a name.
func (a argument) target() (string, error) {
	for _, raw := range []json.RawMessage{a.ID, a.PMID, a.ProcessID} {
		var v any
		if raw != nil && json.Unmarshal(raw, &v) == nil && v != nil {
			word := fmt.Sprint(v)
			if id, err := strconv.Atoi(word); err == nil { // also where an app is called so
				word = spec.ByID(id)
			}
			return word, nil
		}
	}
	for _, name := range []string{a.Name, a.ProcessName} {
		if name != "" {
			return name, nil
		}
	}
	return "", &fault.Error{Code: fault.Invalid, Field: "id", Message: "no process is named", Remedy: "Give its id, as list shows it."}
}

type method func(s *Server, ctx context.Context, a argument) (any, error)

var methods = map[string]method{
	"ping":           func(*Server, context.Context, argument) (any, error) { return map[string]string{"msg": "pong"}, nil },
	"getVersion":     func(*Server, context.Context, argument) (any, error) { return pm2.Version, nil },
	"getMonitorData": func(s *Server, ctx context.Context, _ argument) (any, error) { return s.list(ctx) },
	"getReport":      (*Server).report,
	"prepare":        (*Server).prepare,

	"startProcessId":     (*Server).start,
	"duplicateProcessId": (*Server).duplicate,
	"stopProcessId":      act(func(s *Server, ctx context.Context, r spec.Act) (event.Outcome, error) { return s.Service.Stop(ctx, r) }),
	"restartProcessId": act(func(s *Server, ctx context.Context, r spec.Act) (event.Outcome, error) {
		return s.Service.Restart(ctx, r)
	}),
	"reloadProcessId": act(func(s *Server, ctx context.Context, r spec.Act) (event.Outcome, error) {
		return s.Service.Reload(ctx, r)
	}),
	"softReloadProcessId": act(func(s *Server, ctx context.Context, r spec.Act) (event.Outcome, error) {
		return s.Service.Reload(ctx, r)
	}),
	"deleteProcessId":    (*Server).remove,
	"resetMetaProcessId": (*Server).reset,
	"startWatch":         watch(spec.Options{Watch: new(true)}),
	"stopWatch":          watch(spec.Options{Watch: new(false)}),
	"toggleWatch":        watch(spec.Options{ToggleWatch: true}),

	"getSystemData": func(_ *Server, ctx context.Context, _ argument) (any, error) {
		o := &pm2.Object{}
		for _, m := range machine.Measures(ctx) {
			o.Set(m.Name, pm2.Metric(m.Value, m.Unit))
		}
		return o, nil
	},
	"notifyByProcessId": (*Server).notify,

	"monitor":   mark(true),
	"unmonitor": mark(false),

	"sendSignalToProcessId":   (*Server).signal,
	"sendSignalToProcessName": (*Server).signal,
	"sendLineToStdin": func(s *Server, ctx context.Context, a argument) (any, error) {
		id, err := a.id()
		if err != nil {
			return nil, err
		}
		return a.all, s.Service.WriteLine(ctx, id, a.Line)
	},
	"sendDataToProcessId": func(s *Server, ctx context.Context, a argument) (any, error) {
		id, err := a.id()
		if err != nil {
			return nil, err
		}
		if a.Data == nil || a.Topic == nil {
			return nil, &fault.Error{Code: fault.Invalid, Field: "data", Message: "ID, DATA or TOPIC field is missing", Remedy: "Give all three."}
		}
		return map[string]any{"success": true, "data": a.all}, s.Service.Message(ctx, id, a.all)
	},
	"msgProcess": (*Server).message,
	"reloadLogs": func(s *Server, ctx context.Context, _ argument) (any, error) {
		return map[string]any{}, s.Service.ReopenLogs(ctx)
	},
	"profileCPU":    profile("cpu"),
	"profileMEM":    profile("mem"),
	"killMe":        (*Server).kill,
	"notifyKillPM2": func(s *Server, _ context.Context, _ argument) (any, error) { s.tellKill(); return nil, nil },
}

// described are the methods as a client asks for them.
func described() map[string]any {
	all := map[string]any{}
	for name := range methods {
		all[name] = map[string]any{"name": name, "params": []string{"opts", "fn"}}
	}
	return all
}

func (s *Server) call(ctx context.Context, req request) (any, error) {
	m, ok := methods[req.Method]
	if !ok {
		names := slices.Sorted(maps.Keys(methods))
		e := &fault.Error{Code: fault.Unsupported, Field: "method", Message: fmt.Sprintf("no method %q", req.Method), Remedy: "The request methods tells those there are."}
		if near := spec.Nearest(req.Method, names); near != "" {
			e.Remedy = "Did you mean " + near + "?"
		}
		return nil, e
	}
	var a argument
	if strings.HasSuffix(req.Method, "Watch") && len(req.Args) > 1 { // the first says what a change does, which is a restart
		req.Args = req.Args[1:]
	}
	if len(req.Args) > 0 {
		a.all = req.Args[0]
		if json.Unmarshal(a.all, &a) != nil { // an id alone
			a.ID = a.all
		}
	}
	return m(s, ctx, a)
}

func (a argument) id() (int, error) {
	word, err := a.target()
	if err != nil {
		return 0, err
	}
	id, err := strconv.Atoi(strings.TrimPrefix(word, "id:"))
	if err != nil {
		return 0, &fault.Error{Code: fault.Invalid, Field: "id", Message: fmt.Sprintf("%q is no id", word), Remedy: "Give the id, as list shows it."}
	}
	return id, nil
}

// list are all records.
func (s *Server) list(ctx context.Context) ([]*pm2.Object, error) {
	snap, err := s.Service.List(ctx, event.Query{Usage: true, Brief: true, Specs: true})
	if err != nil {
		return nil, err
	}
	list := []*pm2.Object{}
	for _, in := range snap.Instances {
		if in.Spec != nil {
			list = append(list, pm2.Record(in, *in.Spec))
		}
	}
	return list, nil
}

// records are those of what a command did; what is gone by now is told by its id.
func (s *Server) records(ctx context.Context, out event.Outcome) ([]*pm2.Object, error) {
	all, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	list := []*pm2.Object{}
	for _, in := range out.Instances {
		i := slices.IndexFunc(all, func(o *pm2.Object) bool { return o.Get("pm_id") == in.ID })
		if i >= 0 {
			o := all[i]
			process := &pm2.Object{}
			process.Set("pid", in.PID)
			o.Set("process", process)
			list = append(list, o)
			continue
		}
		gone := &pm2.Object{}
		gone.Set("pid", in.PID)
		gone.Set("name", in.App)
		gone.Set("pm_id", in.ID)
		list = append(list, gone)
	}
	return list, nil
}

// act is a method that does one thing to one process, and tells the process.
func act(do func(*Server, context.Context, spec.Act) (event.Outcome, error)) method {
	return func(s *Server, ctx context.Context, a argument) (any, error) {
		target, err := a.target()
		if err != nil {
			return nil, err
		}
		out, err := do(s, ctx, spec.Act{Target: target, Options: a.options(), Caller: spec.Caller{Cwd: "/"}})
		if err != nil {
			return nil, err
		}
		list, err := s.records(ctx, out)
		if err != nil || len(list) == 0 {
			return nil, err
		}
		return list[0], nil
	}
}

// remove deletes a process, and tells what it was.
func (s *Server) remove(ctx context.Context, a argument) (any, error) {
	id, err := a.id()
	if err != nil {
		return nil, err
	}
	before, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.Service.Delete(ctx, spec.Act{Target: spec.ByID(id)}); err != nil {
		return nil, err
	}
	for _, o := range before {
		if o.Get("pm_id") == id {
			o.Set("pid", 0)
			o.Get("pm2_env").(*pm2.Object).Set("status", "stopped")
			return o, nil
		}
	}
	return nil, nil
}

// options are what a restart lays over the app: variables, and in current_conf attributes.
func (a argument) options() (o spec.Options) {
	if a.Env == nil {
		return o
	}
	if conf, ok := a.Env.Get("current_conf").(*pm2.Object); ok {
		o = pm2.OptionsOf(conf)
		o.Mode = nil
	}
	o.Env = map[string]string{}
	for _, key := range a.Env.Keys() {
		if text, ok := scalar(a.Env.Get(key)); ok {
			o.Env[key] = text
		}
	}
	return o
}

// scalar is the text of what an environment can hold.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number, bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

// prepare starts the app that the client resolved.
func (s *Server) prepare(ctx context.Context, a argument) (any, error) {
	app := &pm2.Object{}
	if err := json.Unmarshal(a.all, app); err != nil || app.Get("pm_exec_path") == nil {
		return nil, &fault.Error{Code: fault.Invalid, Field: "pm_exec_path", Message: "no program is named", Remedy: "Give its absolute path."}
	}
	if env, ok := app.Get("env").(*pm2.Object); ok {
		for _, key := range env.Keys() {
			if text, ok := scalar(env.Get(key)); ok {
				env.Set(key, text)
			}
		}
	}
	req, _ := pm2.Request(app, []string{"time", "vizion", "automation", "autostart", "username"}, os.Getenv("PATH"))
	req.Options.Instances = nil
	if n := app.Get("instances"); n != nil {
		req.Options.Instances = new(fmt.Sprint(n))
	}
	// The paths have no numbers yet, whatever the name ends in.
	for key, field := range map[string]**string{
		"pm_out_log_path": &req.Options.OutFile, "pm_err_log_path": &req.Options.ErrorFile, "pm_log_path": &req.Options.LogFile, "pm_pid_path": &req.Options.PIDFile,
	} {
		if path, ok := app.Get(key).(string); ok {
			*field = &path
		}
	}
	if on, ok := app.Get("autostart").(bool); ok {
		req.Options.Autostart = &on
	}
	if cron, ok := app.Get("cron_restart").(string); ok {
		req.Options.Cron = &cron
	}
	if watch, ok := app.Get("watch").(bool); ok {
		req.Options.Watch = &watch
	}
	out, err := s.Service.Start(ctx, req)
	if err != nil {
		return nil, err
	}
	return s.records(ctx, out)
}

func mark(on bool) method {
	return func(s *Server, ctx context.Context, a argument) (any, error) {
		target, err := a.target()
		if err != nil {
			return nil, err
		}
		req := spec.Act{Target: target, Options: spec.Options{Shown: map[string]any{"_km_monitored": on}}, Caller: spec.Caller{Cwd: "/"}}
		if _, err := s.Service.Annotate(ctx, req); err != nil {
			return nil, err
		}
		return map[string]any{"success": true, "pm_id": a.all}, nil
	}
}

func (s *Server) report(ctx context.Context, _ argument) (any, error) {
	info, err := s.Service.Ping(ctx)
	if err != nil {
		return nil, err
	}
	snap, err := s.Service.List(ctx, event.Query{Brief: true})
	return map[string]any{
		"pm2_version": pm2.Version, "node_version": "N/A", "started_at": info.StartedAt.UnixMilli(),
		"uid": os.Getuid(), "gid": os.Getgid(), "managed_apps": len(snap.Instances),
	}, err
}

// kill ends everything. The client waits for a signal.
func (s *Server) kill(ctx context.Context, a argument) (any, error) {
	s.tellKill()
	if err := s.Service.Kill(ctx); err != nil {
		return nil, err
	}
	if a.PID > 1 {
		client, err := sys.OpenPidFD(a.PID)
		if err != nil {
			return nil, err
		}
		return nil, errors.Join(client.Signal(syscall.SIGQUIT), client.Close())
	}
	return nil, nil
}
