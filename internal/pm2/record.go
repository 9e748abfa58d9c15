package pm2

import (
	"encoding/json"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

// Record is a process as jlist shows it.
func Record(in event.Instance, a spec.App) *Object { return record(in, Env(in, a)) }

// Jlist is a snapshot with specs as jlist prints it.
func Jlist(snap event.Snapshot) ([]byte, error) {
	return line(func(yield func(*Object) bool) {
		var d draft
		for _, in := range snap.Instances {
			if in.Spec != nil && !yield(record(in, d.env(in, *in.Spec))) {
				return
			}
		}
	}, len(snap.Instances))
}

// draft is the room in which one object after the other is made; each is valid until
// the next. They are short-lived, and many.
type draft struct{ fields, vars []field }

// begin begins an object of about n fields.
func (d *draft) begin(n int) *Object {
	d.fields = slices.Grow(d.fields[:0], n)
	return &Object{fields: d.fields}
}

func record(in event.Instance, env *Object) *Object {
	var memory uint64
	var cpu float64
	if u := in.Usage; u != nil && in.PID > 0 {
		memory, cpu = u.RSS, math.Round(u.CPU*10)/10
	}
	return object(
		"pid", in.PID, "name", in.App, "pm2_env", env, "pm_id", in.ID,
		"monit", object("memory", memory, "cpu", cpu),
	)
}

// Env is what PM2 knows of a process, and tells it of: its attributes, its
// environment, how it fares. The keys have PM2's order.
func Env(in event.Instance, a spec.App) *Object { return new(draft).env(in, a) }

const ownFields = 80 // about how many there are beside the environment

func (d *draft) env(in event.Instance, a spec.App) *Object {
	o := d.begin(ownFields + len(a.Env))
	set(o, "name", in.App, "filter_env", some(a.FilterEnv), "namespace", in.Namespace)
	d.vars = texts(d.vars[:0], a.Env)
	addGiven(o, a, slices.Clone(d.vars))
	addAttributes(o, in, a)
	addPlaces(o, in, a)
	for _, f := range d.vars {
		o.Set(f.key, f.value)
	}
	if first, err := strconv.Atoi(a.Env[a.IncrementVar]); err == nil { // a number of its own
		o.Get("env").(*Object).Set(a.IncrementVar, first+in.Index)
		o.Set(a.IncrementVar, first+in.Index)
	}
	for key, value := range a.Shown {
		o.Set(key, value)
	}
	addState(o, in, a)
	return o
}

// addGiven sets what is there only when it was given.
func addGiven(o *Object, a spec.App, vars []field) {
	args := a.Args
	if a.Shell {
		args = append([]string{"-c", a.Script}, args...)
	}
	if len(args) > 0 {
		o.Set("args", args)
	}
	if len(a.InterpreterArgs) > 0 {
		o.Set("node_args", a.InterpreterArgs)
	}
	for _, kv := range []struct {
		key   string
		given bool
		value any
	}{
		{"disable_logs", a.NoLogs, true},
		{"log_type", a.LogType != "", a.LogType},
		{"log_date_format", a.LogDate != "", a.LogDate},
		{"env", true, environment(a, vars)},
		{"max_memory_restart", a.MaxMemory > 0, a.MaxMemory},
		{"restart_delay", a.RestartDelay > 0, a.RestartDelay.Milliseconds()},
		{"exp_backoff_restart_delay", a.Backoff > 0, a.Backoff.Milliseconds()},
		{"kill_timeout", a.KillTimeout != spec.DefaultKillTimeout, a.KillTimeout.Milliseconds()},
		{"listen_timeout", a.ListenTimeout != spec.PM2ListenTimeout, a.ListenTimeout.Milliseconds()},
		{"min_uptime", a.MinUptime != spec.DefaultMinUptime, a.MinUptime.Milliseconds()},
		{"wait_ready", a.WaitReady, true},
		{"instances", a.Numbered, a.Instances},
		{"shutdown_with_message", a.StopMessage, true},
		{"merge_logs", a.MergeLogs || !a.Numbered && a.Mode != spec.Cluster, true},
	} {
		if kv.given {
			o.Set(kv.key, kv.value)
		}
	}
}

// environment is the app's own, with what is stored for the app under its name.
func environment(a spec.App, vars []field) *Object {
	o := newObject(vars)
	if _, stored := a.Env[a.Name]; !stored {
		o.Set(a.Name, &Object{})
	}
	return o
}

func addAttributes(o *Object, in event.Instance, a spec.App) {
	for _, kv := range []struct {
		key   string
		given bool
		value any
	}{
		{"vizion", true, true},
		{"autostart", true, !a.NoAutostart},
		{"autorestart", true, a.Autorestart},
		{"stop_exit_codes", len(a.StopExitCodes) > 0, a.StopExitCodes},
		{"watch", true, watched(in.Watch, a.Watch)},
		{"ignore_watch", a.Watch.Ignore != nil, a.Watch.Ignore},
		{"watch_delay", a.Watch.Delay > 0, a.Watch.Delay.Milliseconds()},
		{"cron_restart", a.Cron != "", a.Cron},
		{"increment_var", a.IncrementVar != "", a.IncrementVar},
		{"max_restarts", a.MaxRestarts != spec.DefaultMaxRestarts, a.MaxRestarts},
		{"instance_var", true, a.InstanceVar},
		{"pmx", true, !a.NoMetrics},
		{"automation", true, true},
		{"treekill", true, a.TreeKill},
		{"username", true, a.Username},
		{"uid", a.UID != nil, a.UID},
		{"gid", a.GID != nil, a.GID},
		{"pmx_module", a.Module != "", true},
		{"windowsHide", true, true},
		{"kill_retry_time", true, 100},
		{"node_args", !a.NoInterpreterArgs, some(a.InterpreterArgs)},
	} {
		if kv.given {
			o.Set(kv.key, plain(kv.value))
		}
	}
}

// watched is false, true or the paths.
func watched(on bool, w spec.Watch) any {
	switch {
	case !w.On || !on:
		return false
	case len(w.Paths) > 0:
		return w.Paths
	}
	return true
}

// addPlaces sets how and where it runs.
func addPlaces(o *Object, in event.Instance, a spec.App) {
	path, interpreter := a.Script, "none"
	if a.Shell {
		path = a.Interpreter
	} else if a.Interpreter != "" {
		interpreter = filepath.Base(a.Interpreter)
	}
	o.Set("pm_exec_path", path)
	o.Set("pm_cwd", a.Cwd)
	o.Set("exec_interpreter", interpreter)
	o.Set("exec_mode", string(a.Mode)+"_mode")
	o.Set("instances", a.Instances)
	if path := a.CombinedPath(in.ID); path != "" {
		o.Set("pm_log_path", path)
	}
	out, err := a.LogPaths(in.ID)
	o.Set("pm_out_log_path", out)
	o.Set("pm_err_log_path", err)
	o.Set("pm_pid_path", a.PIDPath(in.ID))
	o.Set("km_link", false)
	o.Set("vizion_running", false)
	o.Set(a.InstanceVar, in.Index)
}

func addState(o *Object, in event.Instance, a spec.App) {
	status := Status(in.Phase)
	if in.Held { // until what it depends on is there
		status = "launching"
	}
	o.Set("status", status)
	o.Set("pm_uptime", epoch(in.StartedAt))
	options := &Object{}
	if a.Runtime == spec.Node && o.Get("pmx") == true {
		options = object("module_name", in.App, "module_version", Version)
	}
	said := in.Said
	if said == nil {
		said = &event.Said{}
	}
	actions := make([]any, 0, len(said.Actions))
	for _, raw := range said.Actions {
		actions = append(actions, decoded(raw))
	}
	monitor := &Object{}
	setAll(monitor, said.Monitor)
	setAll(options, said.Options)
	o.Set("axm_actions", actions)
	o.Set("axm_monitor", monitor)
	o.Set("axm_options", options)
	if said.NodeVersion != "" {
		o.Set("node_version", said.NodeVersion)
	}
	o.Set("axm_dynamic", &Object{})
	o.Set("created_at", epoch(in.CreatedAt))
	o.Set("pm_id", in.ID)
	o.Set("restart_time", in.Restarts)
	o.Set("unstable_restarts", in.Unstable)
	version := a.Version
	if version == "" {
		version = "N/A"
	}
	o.Set("version", version)
	if a.Mode == spec.Cluster {
		o.Set("_pm2_version", Version)
	}
	if e := in.LastExit; e != nil {
		o.Set("exit_code", max(0, e.Code))
	}
}

// setAll sets what a process told of itself.
func setAll(o *Object, told map[string]json.RawMessage) {
	for _, key := range slices.Sorted(maps.Keys(told)) {
		o.Set(key, decoded(told[key]))
	}
}

// decoded is a JSON value, or its text where it is none.
func decoded(raw json.RawMessage) any {
	v, err := Decode(raw)
	if err != nil {
		return string(raw)
	}
	return v
}

// Status is the phase in PM2's words, which scripts and people know.
func Status(p lifecycle.Phase) string {
	switch p {
	case lifecycle.Starting:
		return "launching"
	case lifecycle.Running:
		return "online"
	case lifecycle.Stopping:
		return "stopping"
	case lifecycle.Backoff:
		return "waiting restart"
	case lifecycle.Failed:
		return "errored"
	}
	return "stopped"
}

func epoch(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Metric is one of the machine, as PM2 tells it.
func Metric(value any, unit string) *Object {
	return object("value", value, "type", "metric", "unit", unit, "historic", true)
}

// object makes an object of keys and values in turn.
func object(kv ...any) *Object {
	o := &Object{}
	set(o, kv...)
	return o
}

// set sets keys and values in turn.
func set(o *Object, kv ...any) {
	for i := 0; i < len(kv); i += 2 {
		o.Set(kv[i].(string), kv[i+1])
	}
}

// texts appends the fields of a map to fields, which is empty, in order of their keys.
func texts(fields []field, m map[string]string) []field {
	fields = slices.Grow(fields, len(m)+1)
	for key, text := range m {
		fields = append(fields, field{key, text})
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.key, b.key) })
	return fields
}

// plain is the value that a pointer to a number points at, else value.
func plain(value any) any {
	if n, ok := value.(*int); ok && n != nil {
		return *n
	}
	return value
}

func some(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
