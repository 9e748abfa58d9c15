package spec

import (
	"maps"
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/fault"
)

// never are variables that mean one process and must not reach another: the
// channel to its parent, its place in a cluster, the mark on its tree.
var never = []string{"NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "NODE_UNIQUE_ID", "TEND_TREE", "TEND_METRICS"}

// ours are the variables that a guarded process is given of itself. A command
// run inside one does not hand them on to what it starts.
var ours = []string{
	"pm_id", "name", "namespace", "instances", "exec_mode", "NODE_APP_INSTANCE", "pm_exec_path", "pm_cwd",
	"restart_time", "unique_id", "status", "pm_uptime", "created_at", "unstable_restarts", "exec_interpreter",
	"pm_out_log_path", "pm_err_log_path", "pm_log_path", "pm_pid_path", "node_args", "args", "merge_logs",
	"autorestart", "autostart", "watch", "instance_var", "treekill", "kill_retry_time", "node_version", "version",
	"exit_code", "km_link", "vizion", "vizion_running", "pmx", "automation", "windowsHide", "username",
	"_pm2_version", "axm_actions", "axm_monitor", "axm_options", "axm_dynamic", "filter_env",
}

// environ makes a map of a caller's KEY=value list, without what was meant for
// the caller alone.
func environ(list []string) map[string]string {
	env := make(map[string]string, len(list))
	for _, kv := range list {
		if key, value, ok := strings.Cut(kv, "="); ok && key != "" && !strings.Contains(kv, "\x00") {
			env[key] = value
		}
	}
	for _, key := range never {
		delete(env, key)
	}
	if _, inside := env["pm_id"]; inside {
		for _, key := range ours {
			delete(env, key)
		}
	}
	return env
}

// AllEnv in FilterEnv leaves out every variable of the caller's but PATH.
const AllEnv = "*"

// without leaves out the variables whose name contains one of texts. PATH stays:
// without it nothing is found.
func without(env map[string]string, texts []string) map[string]string {
	maps.DeleteFunc(env, func(key, _ string) bool {
		return key != "PATH" && slices.ContainsFunc(texts, func(t string) bool { return t == AllEnv || t != "" && strings.Contains(key, t) })
	})
	return env
}

// own adds the names of vars to those that were declared for the app.
func (a *App) own(vars map[string]string) {
	names := slices.AppendSeq(slices.Clone(a.Own), maps.Keys(vars))
	slices.Sort(names)
	a.Own = slices.Compact(names)
}

// overlay gives env with the app's own variables over it.
func overlay(env, own map[string]string) (map[string]string, error) {
	out := maps.Clone(env)
	if out == nil {
		out = map[string]string{}
	}
	for key, value := range own {
		if key == "" || strings.ContainsAny(key, "=\x00") || strings.Contains(value, "\x00") {
			return nil, &fault.Error{
				Code: fault.Invalid, Field: "--env", Message: "not a variable: " + printable(key),
				Remedy: "Write --env KEY=value, once for each variable.",
			}
		}
		out[key] = value
	}
	return out, nil
}

// printable cuts text of unknown origin to what a terminal may show.
func printable(s string) string {
	const most = 80
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
	if runes := []rune(clean); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return clean
}
