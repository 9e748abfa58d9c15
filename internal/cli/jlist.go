package cli

import (
	"context"
	"maps"
	"math"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/spec"
)

// record is one element of jlist, in PM2's shape: what scripts read.
type record struct {
	PID   int            `json:"pid"`
	Name  string         `json:"name"`
	Env   map[string]any `json:"pm2_env"`
	ID    int            `json:"pm_id"`
	Monit monit          `json:"monit"`
}

type monit struct {
	Memory uint64  `json:"memory"`
	CPU    float64 `json:"cpu"`
}

func runJlist(ctx context.Context, c *command, _ operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	snap, err := svc.List(ctx, event.Query{Usage: true, Metrics: true})
	if err != nil {
		return err
	}
	return c.json(records(snap))
}

func records(snap event.Snapshot) []record {
	apps := appsByName(snap)
	list := make([]record, 0, len(snap.Instances))
	for _, in := range snap.Instances {
		r := record{PID: in.PID, Name: in.App, ID: in.ID, Env: map[string]any{}}
		if u := in.Usage; u != nil && in.PID > 0 {
			r.Monit = monit{Memory: u.RSS, CPU: math.Round(u.CPU*10) / 10}
		}
		if app := apps[in.App]; app != nil {
			a := app.Of(in.ID)
			if _, other := app.Variants[in.ID]; !other {
				a.Instances -= len(app.Variants) // to PM2 those are apps of their own
			}
			addEnvironment(r.Env, a)
			addDeclared(r.Env, a)
			addIncrement(r.Env, a, in.Index)
		}
		addState(r.Env, in)
		list = append(list, r)
	}
	return list
}

// addEnvironment puts the variables where PM2 has them: below env, and beside it.
func addEnvironment(to map[string]any, a spec.App) {
	for key, value := range a.Env {
		to[key] = value
	}
	to["env"] = a.Env
}

// addIncrement gives the variable that grows with the instances its value in this one.
func addIncrement(to map[string]any, a spec.App, index int) {
	first, err := strconv.Atoi(a.Env[a.IncrementVar])
	if err != nil {
		return
	}
	env := maps.Clone(a.Env)
	env[a.IncrementVar] = strconv.Itoa(first + index)
	to["env"], to[a.IncrementVar], to["increment_var"] = env, first+index, a.IncrementVar
}

func addDeclared(to map[string]any, a spec.App) {
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
	for key, value := range map[string]any{
		"exec_interpreter": interpreter, "pm_exec_path": path, "args": some(args), "node_args": some(a.InterpreterArgs),
		"pm_cwd": a.Cwd, "instances": a.Instances, "instance_var": a.InstanceVar, "version": version,
		"merge_logs": a.MergeLogs || !a.Numbered && a.Mode != spec.Cluster,
		"autostart":  !a.NoAutostart, "autorestart": a.Autorestart, "watch": watched(a.Watch), "treekill": a.TreeKill,
		"kill_retry_time": 100, "kill_timeout": ms(a.KillTimeout), "max_memory_restart": a.MaxMemory, "listen_timeout": ms(a.ListenTimeout),
		"wait_ready": a.WaitReady, "max_restarts": a.MaxRestarts, "min_uptime": ms(a.MinUptime),
		"vizion": true, "vizion_running": false, "km_link": false, "pmx": !a.NoMetrics, "automation": !a.NoMetrics,
		"windowsHide": true, "filter_env": some(a.FilterEnv), "kill_signal": a.StopSignal,
	} {
		to[key] = value
	}
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
			to[kv.key] = kv.value
		}
	}
}

// watched is false, true or the paths.
func watched(w spec.Watch) any {
	if w.On && len(w.Paths) > 0 {
		return w.Paths
	}
	return w.On
}

func addState(to map[string]any, in event.Instance) {
	instanceVar, ok := to["instance_var"].(string)
	if !ok {
		instanceVar = spec.DefaultInstanceVar
	}
	to[instanceVar] = in.Index
	for key, value := range map[string]any{
		"name": in.App, "namespace": in.Namespace, "pm_id": in.ID, "exec_mode": string(in.Mode) + "_mode",
		"status": status(in), "pm_uptime": epoch(in.StartedAt), "created_at": epoch(in.CreatedAt),
		"restart_time": in.Restarts, "unstable_restarts": in.Unstable,
		"pm_out_log_path": in.OutFile, "pm_err_log_path": in.ErrorFile,
		"axm_dynamic": struct{}{},
	} {
		to[key] = value
	}
	addSaid(to, in)
	if !in.Watch { // of an app with several processes, this one may not be
		to["watch"] = false
	}
	if in.LastExit != nil {
		to["exit_code"] = in.LastExit.Code
		if in.LastExit.Signal != "" {
			to["exit_signal"] = in.LastExit.Signal
		}
	}
	if in.Reason != "" {
		to["reason"] = in.Reason
	}
}

// addSaid puts what the process told of itself where PM2 has it.
func addSaid(to map[string]any, in event.Instance) {
	said := in.Said
	if said == nil {
		said = &event.Said{}
	}
	options := map[string]any{"module_name": in.App}
	for key, value := range said.Options {
		options[key] = value
	}
	to["axm_options"], to["axm_monitor"], to["axm_actions"] = options, any(struct{}{}), any([]string{})
	if len(said.Monitor) > 0 {
		to["axm_monitor"] = said.Monitor
	}
	if len(said.Actions) > 0 {
		to["axm_actions"] = said.Actions
	}
	if said.NodeVersion != "" {
		to["node_version"] = said.NodeVersion
	}
}

func ms(d time.Duration) int64 { return d.Milliseconds() }

func epoch(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// some is a list that is [] in JSON when it is empty.
func some(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// idList is how PM2 prints the ids of a name.
func idList(ids []int) string {
	if len(ids) == 0 {
		return "[]"
	}
	text := "[ "
	for i, id := range ids {
		if i > 0 {
			text += ", "
		}
		text += strconv.Itoa(id)
	}
	return text + " ]"
}
