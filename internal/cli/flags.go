package cli

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// topic says which verbs a flag means something to; it is listed in their help.
// PM2 accepts every flag with every verb, and so do we.
type topic int

const (
	general topic = iota
	declare       // what an app is: start, restart, reload
	acting        // how a command on an app is carried out
	planning
	checking
	filed // how a configuration file is read
	listing
	serving // serve
	installing
	logging
	showing   // how a guard in the foreground shows output
	booting   // startup
	importing // import
	homing    // both
	ignored   // for PM2's sake: what it asks for is so anyway
)

// flagSpec declares one flag. A flag without a value is a switch.
type flagSpec struct {
	name, short, value string
	topic              topic
	usage              string
}

// flagSpecs are all flags there are, in the order of the help.
var flagSpecs = []flagSpec{
	{"name", "n", "NAME", declare, "name of the app; the script's base name by default. On restart: renames"},
	{"namespace", "", "NAME", declare, "group the app belongs to (default \"default\")"},
	{"instances", "i", "N", declare, "number of processes: 4, max or 0 for one a CPU, -1 for all CPUs but one. Makes a Node app a cluster"},
	{"exec-mode", "", "MODE", declare, "fork or cluster, where the choice made from -i and the interpreter is not meant"},
	{"execute-command", "x", "", declare, "same as --exec-mode fork"},
	{"scheduler", "", "HOW", declare, "how a cluster's workers get connections: rr (default), shared or reuseport"},
	{"max-connections", "", "N", declare, "cluster: replace a worker that took N connections, give or take a tenth; its successor is up first"},
	{"standby", "", "N", declare, "cluster: N more workers, booted and without traffic, one of which serves at once when another dies"},
	{"sticky", "", "", declare, "cluster of Node workers: requests of a Socket.IO session go to the worker that has it, also during a reload"},
	{"interpreter", "", "PROGRAM", declare, "runs the script; none runs the file itself"},
	{"interpreter-args", "", "ARGS", declare, "arguments of the interpreter, split as a shell would"},
	{"node-args", "", "ARGS", declare, "same as --interpreter-args"},
	{"cwd", "", "FOLDER", declare, "working folder; paths of the script and the logs are taken from it"},
	{"env", "", "KEY=VALUE", declare, "set a variable of the app's environment; may be repeated. With a file, NAME alone chooses its env_NAME"},
	{"filter-env", "", "TEXT", declare, "leave out the caller's variables whose name contains TEXT; may be repeated"},
	{"update-env", "a", "", declare, "restart, reload: lay the caller's environment over the old one"},
	{"output", "o", "FILE", declare, "log of standard output; NULL for none"},
	{"error", "e", "FILE", declare, "log of standard error; NULL for none"},
	{"merge-logs", "", "", declare, "one log file for all instances: no number in its name"},
	{"disable-logs", "", "", declare, "keep no logs"},
	{"log", "l", "raw", declare, "raw: the app writes its log files itself, past tend: cheapest, unstamped"},
	{"log-date-format", "", "FORMAT", declare, "stamp each line, in tokens such as YYYY-MM-DD HH:mm:ss.SSS"},
	{"time", "", "", declare, "same as --log-date-format YYYY-MM-DDTHH:mm:ss"},
	{"no-autorestart", "", "", declare, "when the app ends, let it be"},
	{"memory-limit", "", "SIZE", declare, "memory that the kernel lets a process tree have, by a cgroup: 500M. More ends it"},
	{"cpu-limit", "", "CPUS", declare, "CPU time that the kernel lets it have: 0.5 or 50% is half of one CPU, 2 is two"},
	{"no-autostart", "", "", declare, "make the app known, and start it later"},
	{"depends-on", "", "APPS", declare, "start once these are ready: db, db:started, migrate:completed; may be repeated. tend kill stops in reverse order"},
	{"max-restarts", "", "N", declare, "short lives in a row before it is given up (default 16)"},
	{"min-uptime", "", "TIME", declare, "a life below this is a short one (default 1s)"},
	{"restart-delay", "", "TIME", declare, "pause before every restart (default none)"},
	{"exp-backoff-restart-delay", "", "TIME", declare, "first pause of the growing ones between restarts of an app that keeps dying"},
	{"max-memory-restart", "", "SIZE", declare, "replace a process whose tree uses more: 300M, 1.5G; a cluster worker's successor is up first"},
	{"max-age", "", "TIME", declare, "replace a process that is older, give or take a tenth"},
	{"hang-timeout", "", "TIME", declare, "kill a process that shows no sign of life for so long: Node workers are asked, others send WATCHDOG=1 to $NOTIFY_SOCKET"},
	{"watch", "", "[PATHS]", declare, "replace the processes when files change: those of the app's folder, or --watch=PATH,…. On restart: turns it on or off"},
	{"ignore-watch", "", "PATTERNS", declare, "names or paths whose changes do not count, in place of hidden files, node_modules and logs; may be repeated"},
	{"watch-delay", "", "TIME", declare, "how long it must be quiet after a change: seconds, or with a unit (default 100ms)"},
	{"ext", "", "EXTENSIONS", declare, "watch only files with these extensions: --ext js,json"},
	{"cron-restart", "c", "PATTERN", declare, "replace the processes at these times: \"30 3 * * *\"; 0 for never. With --no-autorestart: run it then"},
	{"stop-exit-codes", "", "N…", declare, "exit codes after which it is not restarted: --stop-exit-codes 0 3"},
	{"stop-signal", "", "SIGNAL", declare, "signal that asks it to end (default SIGINT for Node and Bun, else SIGTERM)"},
	{"kill-timeout", "k", "TIME", declare, "grace between that signal and SIGKILL (default 1600 ms)"},
	{"drain-timeout", "", "TIME", declare, "reload: how long a replaced worker may take to finish its connections (default 10s)"},
	{"no-drain", "", "", declare, "load no preload into Node workers: reloads then cut idle keep-alive connections"},
	{"no-pmx", "", "", declare, "load no metrics into Node apps: show and jlist then have CPU and memory alone"},
	{"no-automation", "", "", declare, "the same"},
	{"no-treekill", "", "", declare, "signal only the process, not its descendants"},
	{"shutdown-with-message", "", "", declare, "ask it to end by the IPC message \"shutdown\" in place of a signal"},
	{"wait-ready", "", "", declare, "it is up when it says so: IPC message \"ready\", or READY=1 to $NOTIFY_SOCKET"},
	{"probe", "", "URL", declare, "it is up when this succeeds, each worker by itself: http://…, tcp://HOST:PORT or exec:COMMAND"},
	{"listen", "", "ADDRESS", declare, "fork mode: socket that each process inherits (LISTEN_FDS), so that a reload has no gap: 3000, 127.0.0.1:3000, unix:/run/x; may be repeated"},
	{"overlap", "", "", declare, "fork mode: a reload starts the new process before the old one ends; for programs that share their port"},
	{"listen-timeout", "", "TIME", declare, "how long it may take to listen or be ready (default 30s)"},
	{"instance-var", "", "NAME", declare, "variable that tells an instance its number (default NODE_APP_INSTANCE)"},
	{"uid", "", "USER", declare, "run as this user; needs root"},
	{"gid", "", "GROUP", declare, "run as this group; needs root"},
	{"force", "f", "", acting, "start: a further app of a script that runs already"},
	{"parallel", "", "N", acting, "reload: instances replaced at a time (default 1)"},
	{"canary", "", "N", acting, "reload: N of the new generation serve beside the old one first; if one ends, or its probe fails, all goes back"},
	{"for", "", "TIME", acting, "reload: how long those are watched (default 30s)"},
	{"only", "", "NAMES", filed, "files: these apps alone, with commas between"},
	{"env-file", "", "FILE", filed, "variables for every app, below --env and those of a configuration file; may be repeated"},
	{"strict", "", "", filed, "files: what is only warned of is an error"},
	{"dry-run", "", "", planning, "show what would be done, and do nothing"},
	{"schema", "", "", checking, "print the JSON Schema of configuration files"},
	{"mini-list", "m", "", listing, "plain blocks in place of a table"},
	{"sort", "", "FIELD", listing, "order: name, namespace, pid, id, cpu, memory, uptime or status, with :desc to turn it round"},
	{"port", "", "PORT", serving, "port to serve on (default 8080)"},
	{"host", "", "ADDRESS", serving, "address to serve on (default 0.0.0.0)"},
	{"spa", "", "", serving, "answer unknown paths by index.html"},
	{"ftp", "", "", serving, "list folders that have no index.html"},
	{"basic-auth-username", "", "NAME", serving, "let in only who gives this name"},
	{"basic-auth-password", "", "WORD", serving, "and this password"},
	{"safe", "", "", installing, "put the former one back if the module keeps ending within 3 s"},
	{"lines", "", "N", logging, "how many lines of the end of each file (default 15)"},
	{"nostream", "", "", logging, "end after those lines; do not follow"},
	{"err", "", "", logging, "standard error only"},
	{"out", "", "", logging, "standard output only"},
	{"raw", "", "", showing, "the lines alone, without the prefix"},
	{"user", "", "", booting, "a service of the user's own; needs no root"},
	{"as", "", "USER", booting, "whose service it is (default $USER)"},
	{"home", "", "FOLDER", homing, "startup: TEND_HOME of the service (default: this command's). import: PM2's home (default $PM2_HOME, else ~/.pm2)"},
	{"keep", "", "", importing, "leave PM2's daemon running, with its apps stopped"},
	{"service-name", "", "NAME", booting, "name of the service (default tend-USER; tend with --user)"},
	{"print", "", "", booting, "print the file that would be written, and do nothing"},
	{"json", "", "", general, "JSON in place of text; of an error too, on standard error"},
	{"silent", "s", "", general, "no tables, no progress, no errors: the exit code tells"},
	{"no-color", "", "", general, "no colours, as NO_COLOR in the environment"},
	{"help", "h", "", general, "help"},
	{"version", "v", "", general, "version"},
	{"no-vizion", "", "", ignored, "git is not asked"},
	{"disable-trace", "", "", ignored, "nothing is traced"},
	{"disable-source-map-support", "", "", ignored, "source maps are left to the runtime"},
}

// otherNames are further spellings of flags.
var otherNames = map[string]string{"mode": "exec-mode", "backoff": "exp-backoff-restart-delay", "kill-signal": "stop-signal", "cron": "cron-restart"}

// lacking are the flags of PM2 that tend does not have yet.
var lacking = []string{
	"log-type", "pid", "hp", "wait-ip",
	"write", "no-daemon", "source-map-support",
	"trace", "v8", "event-loop-inspector", "deep-monitoring", "attach", "fresh", "daemon", "container", "dist",
	"image-name", "node-version", "dockerdaemon", "timestamp", "format", "highlight",
}

// lackingShort are their one-letter forms.
const lackingShort = "puw"

// repeated are the flags that may be given more than once.
var repeated = []string{"env", "env-file", "only", "filter-env", "stop-exit-codes", "listen", "watch", "ignore-watch", "depends-on"}

func defineFlags(fs *pflag.FlagSet, flags []flagSpec) {
	fs.SortFlags = false
	for _, f := range flags {
		switch {
		case f.value == "":
			fs.BoolP(f.name, f.short, false, f.usage)
		case slices.Contains(repeated, f.name):
			fs.VarP(new(texts), f.name, f.short, f.usage)
		default:
			fs.StringP(f.name, f.short, "", f.usage)
		}
		if strings.HasPrefix(f.value, "[") { // a value only with "="
			fs.Lookup(f.name).NoOptDefVal = "true"
		}
	}
}

// texts is the value of a flag that may be given more than once. The library's
// own makes a writer of CSV for each such flag of each command.
type texts []string

func (t *texts) String() string        { return strings.Join(*t, ",") }
func (t *texts) Set(text string) error { *t = append(*t, text); return nil }
func (t *texts) Type() string          { return "stringArray" }

// normal gives the name of a flag that has several spellings.
func normal(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if other, ok := otherNames[name]; ok {
		name = other
	}
	return pflag.NormalizedName(name)
}

// synopsis is how the help shows the flag.
func (f flagSpec) synopsis() string {
	var b strings.Builder
	if f.short != "" {
		b.WriteString("-" + f.short + ", ")
	}
	b.WriteString("--" + f.name)
	switch {
	case f.value == "":
	case f.value[0] == '[':
		b.WriteString("[=" + f.value[1:])
	default:
		b.WriteString(" " + f.value)
	}
	return b.String()
}
