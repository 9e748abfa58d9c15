package pm2

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/spec"
)

// Request is the command that makes what was saved, with the attributes that are only
// shown; stopped says that it was not to run. PM2 looks for programs by its own PATH, so
// what was saved without one gets path.
func Request(o *Object, shown []string, path string) (req spec.Start, stopped bool) {
	opts := OptionsOf(o)
	if opts.Name == nil {
		opts.Name = new("app")
	}
	word := fmt.Sprint(o.Get("pm_exec_path"))
	if args := listOf(o, "args"); args != nil && len(*args) > 1 && (*args)[0] == "-c" && filepath.Base(word) == "bash" {
		rest := (*args)[2:]
		word, opts.Args, opts.Interpreter = (*args)[1], &rest, nil
	}
	req, stopped = savedRequest(o, word, opts, shown)
	if !slices.ContainsFunc(req.Caller.Env, func(kv string) bool { return strings.HasPrefix(kv, "PATH=") }) {
		req.Caller.Env = append(req.Caller.Env, "PATH="+path)
	}
	return req, stopped
}

// OptionsOf are the options that a record's attributes stand for.
func OptionsOf(o *Object) spec.Options {
	text := func(key string) *string {
		if s, ok := o.Get(key).(string); ok {
			return &s
		}
		return nil
	}
	var module *string
	if on := flagOf(o, "pmx_module"); on != nil && *on {
		module = text("name")
	}
	return spec.Options{
		Module: module,
		Name:   text("name"), Namespace: text("namespace"), Mode: text("exec_mode"), Cwd: text("pm_cwd"),
		Interpreter: text("exec_interpreter"), LogDate: text("log_date_format"), InstanceVar: text("instance_var"),
		OutFile: unnumbered(o, "pm_out_log_path", ".log"), ErrorFile: unnumbered(o, "pm_err_log_path", ".log"),
		LogFile: unnumbered(o, "pm_log_path", ".log"), LogType: text("log_type"),
		PIDFile: unnumbered(o, "pm_pid_path", ".pid"), MergeLogs: flagOf(o, "merge_logs"), Autorestart: flagOf(o, "autorestart"), Metrics: flagOf(o, "pmx"),
		TreeKill: flagOf(o, "treekill"), WaitReady: flagOf(o, "wait_ready"), StopMessage: flagOf(o, "shutdown_with_message"),
		NoLogs: flagOf(o, "disable_logs"), KillTimeout: timeOf(o, "kill_timeout"), ListenTimeout: timeOf(o, "listen_timeout"),
		RestartDelay: timeOf(o, "restart_delay"), Backoff: timeOf(o, "exp_backoff_restart_delay"), MinUptime: timeOf(o, "min_uptime"),
		MaxRestarts: numberOf(o, "max_restarts"), Args: listOf(o, "args"), InterpreterArgs: listOf(o, "node_args"), FilterEnv: listOf(o, "filter_env"),
		UID: wordOf(o, "uid"), GID: wordOf(o, "gid"), MaxMemory: wordOf(o, "max_memory_restart"), StopExitCodes: codesOf(o),
		Cron: text("cron_restart"), IncrementVar: text("increment_var"), IgnoreWatch: patternsOf(o, "ignore_watch"),
		Watch: watchOf(o), WatchPaths: pathsOf(o), WatchDelay: timeOf(o, "watch_delay"),
	}
}

// watchOf tells whether files are watched: true, or which.
func watchOf(o *Object) *bool {
	if paths := pathsOf(o); paths != nil {
		return new(true)
	}
	return flagOf(o, "watch")
}

func pathsOf(o *Object) *[]string { return patternsOf(o, "watch") }

// patternsOf is one text, or a list of them.
func patternsOf(o *Object, key string) *[]string {
	if s, ok := o.Get(key).(string); ok {
		return &[]string{s}
	}
	return listOf(o, key)
}

func savedRequest(o *Object, word string, opts spec.Options, shown []string) (spec.Start, bool) {
	if opts.InterpreterArgs != nil && len(*opts.InterpreterArgs) == 0 {
		opts.InterpreterArgs = nil
	}
	if opts.MergeLogs == nil { // its logs carry a number, as those of one of several do
		opts.Instances = new("1")
	}
	opts.Shown = map[string]any{}
	for _, key := range shown {
		if o.Get(key) != nil {
			opts.Shown[key] = o.Get(key)
		}
	}
	caller := spec.Caller{Cwd: fmt.Sprint(o.Get("pm_cwd"))}
	if env, ok := o.Get("env").(*Object); ok {
		for _, key := range env.Keys() {
			if _, bare := env.Get(key).(*Object); bare && key == *opts.Name {
				continue // PM2's own: nothing is stored for the app
			}
			if value, ok := variable(env.Get(key)); ok {
				caller.Env = append(caller.Env, key+"="+value)
			}
		}
	}
	return spec.Start{Word: word, Options: opts, Force: true, Caller: caller}, o.Get("status") == "stopped"
}

// variable is a value of an environment as a process gets it.
func variable(v any) (text string, ok bool) {
	switch v := v.(type) {
	case nil:
		return "", false
	case string:
		return v, true
	case json.Number, bool:
		return fmt.Sprint(v), true
	}
	b, err := json.Marshal(v)
	return string(b), err == nil
}

// unnumbered is a path as it was before it got the number of its instance.
func unnumbered(o *Object, key, ext string) *string {
	path, ok := o.Get(key).(string)
	if !ok {
		return nil
	}
	if base, ok := strings.CutSuffix(path, ext); ok && (ext == ".pid" || o.Get("merge_logs") != true) {
		if i := strings.LastIndexByte(base, '-'); i > 0 && isIndex(base[i+1:]) {
			path = base[:i] + ext
		}
	}
	return &path
}

func flagOf(o *Object, key string) *bool {
	if b, ok := o.Get(key).(bool); ok {
		return &b
	}
	return nil
}

func numberOf(o *Object, key string) *int {
	n, ok := o.Get(key).(json.Number)
	if !ok {
		return nil
	}
	i, err := strconv.Atoi(n.String())
	if err != nil {
		return nil
	}
	return &i
}

func timeOf(o *Object, key string) *time.Duration {
	n := numberOf(o, key)
	if n == nil {
		return nil
	}
	return new(time.Duration(*n) * time.Millisecond)
}

func wordOf(o *Object, key string) *string {
	if v := o.Get(key); v != nil {
		return new(fmt.Sprint(v))
	}
	return nil
}

func listOf(o *Object, key string) *[]string {
	values, ok := o.Get(key).([]any)
	if !ok {
		return nil
	}
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = fmt.Sprint(v)
	}
	return &list
}

func codesOf(o *Object) *[]int {
	words := listOf(o, "stop_exit_codes")
	if words == nil {
		return nil
	}
	codes := []int{}
	for _, w := range *words {
		if n, err := strconv.Atoi(w); err == nil {
			codes = append(codes, n)
		}
	}
	return &codes
}

func isIndex(text string) bool {
	_, err := strconv.ParseUint(text, 10, 31)
	return err == nil
}
