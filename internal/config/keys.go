package config

import (
	"strings"
	"time"

	"github.com/tendproc/tend/internal/spec"
)

// Key is a word that an app can have in a configuration file.
type Key struct {
	Name    string
	Aliases []string // each key is also known by the camelCase of all its names
	Kind    Kind
	Doc     string // one line, for the documentation and the schema
	// Later says what of it is not done yet, for a key that is accepted only.
	Later string
	// Ignored says why a key needs no doing.
	Ignored string

	usual any // of a Later key: the value that asks for nothing
	set   func(*app, any) error
}

// Keys are all keys of an app, in the order of the documentation. env_NAME is
// the one besides.
//
// A key that comes to work gets a setter in place of its Later; a test holds the
// table to have a key for each of spec.Options.
var Keys = []Key{
	{Name: "script", Aliases: []string{"cmd", "command", "exec"}, Kind: Text, Doc: "What to run: a script, a program in $PATH, or with blanks a shell line; serve is tend's server of files, told by PM2_SERVE_PATH, _PORT and the like in env", set: setScript},
	{Name: "name", Kind: Text, Doc: "Name of the app; the script's base name by default", set: text(func(o *spec.Options) **string { return &o.Name })},
	{Name: "append_env_to_name", Kind: Switch, Doc: "With --env dev, web is called web-dev", set: func(a *app, v any) (err error) { a.append, err = asSwitch(v); return err }},
	{Name: "namespace", Kind: Text, Doc: "Group the app belongs to", set: text(func(o *spec.Options) **string { return &o.Namespace })},
	{Name: "args", Kind: Words, Doc: "Arguments of the app", set: words(func(o *spec.Options) **[]string { return &o.Args })},
	{Name: "interpreter", Aliases: []string{"exec_interpreter"}, Kind: Text, Doc: "Runs the script; none runs the file itself", set: text(func(o *spec.Options) **string { return &o.Interpreter })},
	{Name: "interpreter_args", Aliases: []string{"node_args"}, Kind: Words, Doc: "Arguments of the interpreter", set: words(func(o *spec.Options) **[]string { return &o.InterpreterArgs })},
	{Name: "cwd", Kind: Text, Doc: "Working folder; paths of the script and the logs are taken from it", set: text(func(o *spec.Options) **string { return &o.Cwd })},

	{Name: "instances", Kind: Count, Doc: "Number of processes: 4, \"max\" or 0 for one a CPU, -1 for all CPUs but one. Makes a Node app a cluster", set: setCount},
	{Name: "exec_mode", Kind: Text, Doc: "fork or cluster, where the choice made from instances and the interpreter is not meant", set: text(func(o *spec.Options) **string { return &o.Mode })},
	{Name: "scheduler", Kind: Text, Doc: "How a cluster's workers get connections: rr, shared or reuseport", set: text(func(o *spec.Options) **string { return &o.Scheduler })},
	{Name: "instance_var", Kind: Text, Doc: "Variable that tells an instance its number", set: text(func(o *spec.Options) **string { return &o.InstanceVar })},
	{Name: "increment_var", Kind: Text, Doc: "Variable of env, a number, that grows by one with each instance", set: text(func(o *spec.Options) **string { return &o.IncrementVar })},

	{Name: "env", Kind: Variables, Doc: "Variables of the app's environment", set: setEnv},
	{Name: "env_file", Kind: Texts, Doc: "Files of KEY=value lines, below env; paths are taken from cwd", set: setEnvFile},
	{Name: "filter_env", Kind: Filter, Doc: "Leave out the caller's variables whose name contains one of these; true: all but PATH", set: setFilter},
	{Name: "port", Kind: Number, Doc: "Sets the variable PORT", set: setPort},

	{Name: "out_file", Aliases: []string{"out", "output", "out_log"}, Kind: Text, Doc: "Log of standard output; NULL for none", set: text(func(o *spec.Options) **string { return &o.OutFile })},
	{Name: "error_file", Aliases: []string{"error", "err", "err_file", "err_log"}, Kind: Text, Doc: "Log of standard error; NULL for none", set: text(func(o *spec.Options) **string { return &o.ErrorFile })},
	{Name: "merge_logs", Aliases: []string{"combine_logs"}, Kind: Switch, Doc: "One log file for all instances: no number in its name", set: toggle(func(o *spec.Options) **bool { return &o.MergeLogs })},
	{Name: "log_date_format", Kind: Text, Doc: "Stamp each line, in tokens such as YYYY-MM-DD HH:mm:ss.SSS", set: text(func(o *spec.Options) **string { return &o.LogDate })},
	{Name: "time", Kind: Switch, Doc: "Same as log_date_format: YYYY-MM-DDTHH:mm:ss", set: setTime},
	{Name: "disable_logs", Kind: Switch, Doc: "Keep no logs", set: setNoLogs},
	{Name: "log_mode", Kind: Text, Doc: "raw: the app writes its log files itself, past tend", set: text(func(o *spec.Options) **string { return &o.LogMode })},

	{Name: "memory_limit", Kind: Size, Doc: "Memory that the kernel lets a process tree have, by a cgroup", set: setMemoryLimit},
	{Name: "cpu_limit", Kind: Text, Doc: "CPU time that the kernel lets it have: \"0.5\" or \"50%\" of one CPU, 2 for two", set: text(func(o *spec.Options) **string { return &o.CPULimit })},
	{Name: "autostart", Kind: Switch, Doc: "Start it when it is declared; true by default", set: toggle(func(o *spec.Options) **bool { return &o.Autostart })},
	{Name: "depends_on", Kind: Texts, Doc: "Start it once these are ready: db, db:started, migrate:completed", set: texts(func(o *spec.Options) **[]string { return &o.DependsOn })},
	{Name: "autorestart", Kind: Switch, Doc: "Start it again when it ends; true by default", set: toggle(func(o *spec.Options) **bool { return &o.Autorestart })},
	{Name: "max_restarts", Kind: Number, Doc: "Short lives in a row before it is given up", set: count(func(o *spec.Options) **int { return &o.MaxRestarts })},
	{Name: "min_uptime", Kind: Duration, Doc: "A life below this is a short one", set: lasting(func(o *spec.Options) **time.Duration { return &o.MinUptime })},
	{Name: "restart_delay", Kind: Duration, Doc: "Pause before every restart", set: lasting(func(o *spec.Options) **time.Duration { return &o.RestartDelay })},
	{Name: "exp_backoff_restart_delay", Aliases: []string{"backoff"}, Kind: Duration, Doc: "First pause of the growing ones between restarts of an app that keeps dying", set: lasting(func(o *spec.Options) **time.Duration { return &o.Backoff })},
	{Name: "stop_exit_codes", Kind: Codes, Doc: "Exit codes after which it is not restarted", set: setCodes},
	{Name: "max_memory_restart", Kind: Size, Doc: "Replace a process whose tree uses more: \"300M\", \"1.5G\"", set: setMemory},
	{Name: "max_age", Kind: Duration, Doc: "Replace a process that is older, give or take a tenth", set: lasting(func(o *spec.Options) **time.Duration { return &o.MaxAge })},
	{Name: "hang_timeout", Kind: Duration, Doc: "Kill a process that shows no sign of life for so long", set: lasting(func(o *spec.Options) **time.Duration { return &o.HangTimeout })},

	{Name: "watch", Kind: Filter, Doc: "Replace the processes when files change: true for those of cwd, or paths", set: setWatch},
	{Name: "ignore_watch", Kind: Texts, Doc: "Names or paths whose changes do not count, in place of hidden files, node_modules and logs", set: texts(func(o *spec.Options) **[]string { return &o.IgnoreWatch })},
	{Name: "watch_delay", Kind: Duration, Doc: "How long it must be quiet after a change", set: lasting(func(o *spec.Options) **time.Duration { return &o.WatchDelay })},
	{Name: "watch_options", Kind: Variables, Doc: "followSymlinks: false leaves out what links lead to; no other is needed", set: setWatchOptions},
	{Name: "ext", Kind: Texts, Doc: "Watch only files with these extensions: \"js,json\"", set: setExt},
	{Name: "cron_restart", Aliases: []string{"cron"}, Kind: Text, Doc: "Replace the processes at these times: \"30 3 * * *\"; 0 for never. With autorestart false: run it then", set: text(func(o *spec.Options) **string { return &o.Cron })},

	{Name: "stop_signal", Aliases: []string{"kill_signal"}, Kind: Text, Doc: "Signal that asks it to end", set: text(func(o *spec.Options) **string { return &o.StopSignal })},
	{Name: "kill_timeout", Kind: Duration, Doc: "Grace between that signal and SIGKILL", set: lasting(func(o *spec.Options) **time.Duration { return &o.KillTimeout })},
	{Name: "treekill", Kind: Switch, Doc: "Signal its descendants too; true by default", set: toggle(func(o *spec.Options) **bool { return &o.TreeKill })},
	{Name: "shutdown_with_message", Kind: Switch, Doc: "Ask it to end by the IPC message \"shutdown\" in place of a signal", set: toggle(func(o *spec.Options) **bool { return &o.StopMessage })},
	{Name: "drain", Kind: Switch, Doc: "Load tend's preload into Node workers, to leave unnoticed; true by default", set: toggle(func(o *spec.Options) **bool { return &o.Drain })},
	{Name: "pmx", Aliases: []string{"automation"}, Kind: Switch, Doc: "Load tend's metrics into Node apps: heap, event loop, HTTP; true by default", set: toggle(func(o *spec.Options) **bool { return &o.Metrics })},
	{Name: "sticky", Kind: Switch, Doc: "Requests of a Socket.IO session go to the worker that has it", set: toggle(func(o *spec.Options) **bool { return &o.Sticky })},
	{Name: "max_connections", Kind: Number, Doc: "Cluster: replace a worker that took so many connections, give or take a tenth", set: count(func(o *spec.Options) **int { return &o.MaxConnections })},
	{Name: "standby", Kind: Number, Doc: "Cluster: so many more workers, booted and without traffic, for when one dies", set: count(func(o *spec.Options) **int { return &o.Standby })},
	{Name: "drain_timeout", Kind: Duration, Doc: "How long a replaced worker may take to finish its connections", set: lasting(func(o *spec.Options) **time.Duration { return &o.DrainTimeout })},

	{Name: "wait_ready", Kind: Switch, Doc: "It is up when it says so: IPC message \"ready\", or READY=1 to $NOTIFY_SOCKET", set: toggle(func(o *spec.Options) **bool { return &o.WaitReady })},
	{Name: "listen_timeout", Kind: Duration, Doc: "How long it may take to listen or be ready", set: lasting(func(o *spec.Options) **time.Duration { return &o.ListenTimeout })},
	{Name: "probe", Kind: Text, Doc: "It is up when this succeeds, each worker by itself: http://…, tcp://HOST:PORT or exec:COMMAND", set: text(func(o *spec.Options) **string { return &o.Probe })},
	{Name: "listen", Kind: Texts, Doc: "Fork mode: sockets that each process inherits (LISTEN_FDS): 3000, 127.0.0.1:3000, unix:/run/x", set: texts(func(o *spec.Options) **[]string { return &o.Listen })},
	{Name: "overlap", Kind: Switch, Doc: "Fork mode: a reload starts the new process before the old one ends", set: toggle(func(o *spec.Options) **bool { return &o.Overlap })},

	{Name: "uid", Aliases: []string{"user"}, Kind: Text, Doc: "Run as this user; needs root", set: text(func(o *spec.Options) **string { return &o.UID })},
	{Name: "gid", Kind: Text, Doc: "Run as this group; needs root", set: text(func(o *spec.Options) **string { return &o.GID })},

	{Name: "log_file", Aliases: []string{"log"}, Kind: Text, Doc: "A log of both streams besides", set: text(func(o *spec.Options) **string { return &o.LogFile })},
	{Name: "log_type", Kind: Text, Doc: "json: log lines as JSON", set: text(func(o *spec.Options) **string { return &o.LogType })},
	{Name: "pid_file", Aliases: []string{"pid"}, Kind: Text, Doc: "File with the pid", set: text(func(o *spec.Options) **string { return &o.PIDFile })},
	{Name: "trace", Kind: Anything, Doc: "Trace requests", Later: "nothing is traced yet"},
	{Name: "deep_monitoring", Kind: Anything, Doc: "Watch the runtime closely", Later: "the metrics are those of pmx, and no more"},
	{Name: "event_loop_inspector", Kind: Anything, Doc: "Watch the event loop", Later: "the metrics are those of pmx, and no more"},
	{Name: "v8", Kind: Anything, Doc: "Watch V8", Later: "the metrics are those of pmx, and no more"},
	{Name: "io", Kind: Anything, Doc: "Options of PM2's agent", Later: "the metrics are those of pmx, and no more"},
	{Name: "source_map_support", Kind: Anything, Doc: "Stack traces through source maps", Later: "source maps are left to the runtime: interpreter_args: \"--enable-source-maps\""},
	{Name: "post_update", Kind: Texts, Doc: "Commands of tend pull, forward and backward, in the app's folder, before it is reloaded", set: setNothing},
	{Name: "install_url", Kind: Anything, Doc: "Of a pm2 module", Later: "there are no modules yet"},
	{Name: "name_prefix", Kind: Anything, Doc: "Before the names of apps", Later: "names are taken as they are, which is what pm2 does with it too"},
	{Name: "force", Kind: Anything, Doc: "Start a further time", Later: "an app that is known is restarted; start it a further time with tend start -f SCRIPT"},
	{Name: "kill_retry_time", Kind: Anything, Doc: "How often to look whether it has ended", Ignored: "its end is seen at once"},
	{Name: "vizion", Kind: Anything, Doc: "Read the state of git", Ignored: "git is not asked"},
	{Name: "windowsHide", Kind: Anything, Doc: "On Windows, show no window", Ignored: "there are no windows"},
	{Name: "disable_source_map_support", Kind: Anything, Doc: "No stack traces through source maps", Ignored: "source maps are left to the runtime"},
	{Name: "disable_trace", Kind: Anything, Doc: "Trace nothing", Ignored: "nothing is traced"},
}

// names are all spellings of the key, the first that is given counting.
func (k Key) names() []string {
	var list []string
	for _, name := range append([]string{k.Name}, k.Aliases...) {
		list = append(list, name)
		if c := camel(name); c != name {
			list = append(list, c)
		}
	}
	return list
}

// camel is a name with its words joined: kill_timeout, killTimeout.
func camel(name string) string {
	words := strings.Split(name, "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}

// topKeys are the words beside apps. Of deploy the env is read; the rest is ReadTarget's.
var topKeys = map[string]bool{"apps": true, "pm2": true, "$schema": true, "static": true, "deploy": true}
