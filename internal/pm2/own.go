package pm2

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

// OwnJlist is a snapshot with its apps as tend's own jlist prints it: what scripts read
// is where PM2 has it, more is told, and the keys are in order.
func OwnJlist(snap event.Snapshot) ([]byte, error) {
	apps := make(map[string]*event.App, len(snap.Apps))
	for i := range snap.Apps {
		apps[snap.Apps[i].Spec.Name] = &snap.Apps[i]
	}
	return line(func(yield func(*Object) bool) {
		var d draft
		for i := range snap.Instances {
			in := &snap.Instances[i]
			if !yield(record(*in, d.ownEnv(*in, apps[in.App]).sorted())) {
				return
			}
		}
	}, len(snap.Instances))
}

// ownEnv is what is told of an instance below pm2_env; app may be nil.
func (d *draft) ownEnv(in event.Instance, app *event.App) *Object {
	if app == nil {
		o := &Object{}
		addOwnState(o, in)
		return o
	}
	a := app.Of(in.ID)
	if _, other := app.Variants[in.ID]; !other {
		a.Instances -= len(app.Variants) // to PM2 those are apps of their own
	}
	o := d.begin(ownFields + len(a.Env))
	d.vars = texts(d.vars[:0], a.Env)
	addOwnEnv(o, a, d.vars, in.Index)
	addOwnDeclared(o, a)
	addOwnState(o, in)
	return o
}

// addOwnEnv puts the variables where PM2 has them: below env, and beside it. The one
// that grows with the instances has its value in this one.
func addOwnEnv(o *Object, a spec.App, vars []field, index int) {
	for _, f := range vars {
		o.Set(f.key, f.value)
	}
	if a.Env == nil {
		o.Set("env", nil)
		return
	}
	env := newObject(vars)
	o.Set("env", env)
	if first, err := strconv.Atoi(a.Env[a.IncrementVar]); err == nil {
		env.Set(a.IncrementVar, strconv.Itoa(first+index))
		set(o, a.IncrementVar, first+index, "increment_var", a.IncrementVar)
	}
}

func addOwnDeclared(o *Object, a spec.App) {
	interpreter := "none"
	if a.Interpreter != "" {
		interpreter = filepath.Base(a.Interpreter)
	}
	path, args := a.Script, a.Args
	if a.Shell {
		interpreter, path = "none", a.Interpreter
		args = append([]string{"-c", a.Script}, a.Args...)
	}
	version := a.Version
	if version == "" {
		version = "N/A"
	}
	set(
		o, "exec_interpreter", interpreter, "pm_exec_path", path, "args", some(args), "node_args", some(a.InterpreterArgs),
		"pm_cwd", a.Cwd, "instances", a.Instances, "instance_var", a.InstanceVar, "version", version,
		"merge_logs", a.MergeLogs || !a.Numbered && a.Mode != spec.Cluster,
		"autostart", !a.NoAutostart, "autorestart", a.Autorestart, "watch", watched(true, a.Watch), "treekill", a.TreeKill,
		"kill_retry_time", 100, "kill_timeout", ms(a.KillTimeout), "max_memory_restart", a.MaxMemory, "listen_timeout", ms(a.ListenTimeout),
		"wait_ready", a.WaitReady, "max_restarts", a.MaxRestarts, "min_uptime", ms(a.MinUptime),
		"vizion", true, "vizion_running", false, "km_link", false, "pmx", !a.NoMetrics, "automation", !a.NoMetrics,
		"windowsHide", true, "filter_env", some(a.FilterEnv), "kill_signal", a.StopSignal,
	)
	for _, kv := range []struct {
		key   string
		given bool
		value any
	}{
		{"restart_delay", a.RestartDelay > 0, ms(a.RestartDelay)},
		{"exp_backoff_restart_delay", a.Backoff > 0, ms(a.Backoff)},
		{"pmx_module", a.Module != "", true},
		{"memory_limit", a.MemoryLimit > 0, a.MemoryLimit},
		{"cpu_limit", a.CPULimit > 0, a.CPULimit},
		{"depends_on", len(a.DependsOn) > 0, a.DependsOn},
		{"cron_restart", a.Cron != "", a.Cron},
		{"ignore_watch", a.Watch.Ignore != nil, a.Watch.Ignore},
		{"watch_delay", a.Watch.Delay > 0, ms(a.Watch.Delay)},
		{"stop_exit_codes", len(a.StopExitCodes) > 0, a.StopExitCodes},
		{"log_date_format", a.LogDate != "", a.LogDate},
		{"shutdown_with_message", a.StopMessage, true},
		{"scheduler", a.Scheduler != "", a.Scheduler},
		{"uid", a.UID != nil, a.UID},
		{"gid", a.GID != nil, a.GID},
	} {
		if kv.given {
			o.Set(kv.key, kv.value)
		}
	}
}

func addOwnState(o *Object, in event.Instance) {
	instanceVar, ok := o.Get("instance_var").(string)
	if !ok {
		instanceVar = spec.DefaultInstanceVar
	}
	o.Set(instanceVar, in.Index)
	set(
		o, "name", in.App, "namespace", in.Namespace, "pm_id", in.ID, "exec_mode", string(in.Mode)+"_mode",
		"status", OwnStatus(in), "pm_uptime", epoch(in.StartedAt), "created_at", epoch(in.CreatedAt),
		"restart_time", in.Restarts, "unstable_restarts", in.Unstable,
		"pm_out_log_path", in.OutFile, "pm_err_log_path", in.ErrorFile, "axm_dynamic", &Object{},
	)
	addOwnSaid(o, in)
	if !in.Watch { // of an app with several processes, this one may not be
		o.Set("watch", false)
	}
	if in.LastExit != nil {
		o.Set("exit_code", in.LastExit.Code)
		if in.LastExit.Signal != "" {
			o.Set("exit_signal", in.LastExit.Signal)
		}
	}
	if in.Reason != "" {
		o.Set("reason", in.Reason)
	}
}

// addOwnSaid puts what the process told of itself where PM2 has it.
func addOwnSaid(o *Object, in event.Instance) {
	said := in.Said
	if said == nil {
		said = &event.Said{}
	}
	options, monitor := object("module_name", in.App), &Object{}
	for key, value := range said.Options {
		options.Set(key, value)
	}
	for key, value := range said.Monitor {
		monitor.Set(key, value)
	}
	set(o, "axm_options", options.sorted(), "axm_monitor", monitor.sorted(), "axm_actions", []any{})
	if len(said.Actions) > 0 {
		o.Set("axm_actions", said.Actions)
	}
	if said.NodeVersion != "" {
		o.Set("node_version", said.NodeVersion)
	}
}

// sorted puts the keys of o in order.
func (o *Object) sorted() *Object {
	slices.SortFunc(o.fields, func(a, b field) int { return strings.Compare(a.key, b.key) })
	return newObject(o.fields)
}

// OwnStatus is how far an instance is, in PM2's words and one of ours.
func OwnStatus(in event.Instance) string {
	switch {
	case in.Held:
		return "launching"
	case in.Standby && in.Phase == lifecycle.Running:
		return "standby"
	}
	return Status(in.Phase)
}

func ms(d time.Duration) int64 { return d.Milliseconds() }
