package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// verb is one command of tend, and all its help.
type verb struct {
	use     string // name and operands
	aliases []string
	short   string // one line
	long    string // what one must know
	example string // lines of "command  # what it does"
	topics  []topic
	least   int  // operands
	most    int  // -1: any number
	asks    bool // it changes nothing and is over at once
	stays   bool // it heeds signals itself
	data    bool // what it prints is for programs
	run     func(ctx context.Context, c *command, o operands) error
}

// operands are the words of a command line that are not flags.
type operands struct {
	args   []string
	own    []string // after "--": the app's
	dashed bool     // there was a "--"
}

func (v *verb) name() string {
	name, _, _ := strings.Cut(v.use, " ")
	return name
}

// in says whether the command line names the verb, or may.
func (v *verb) in(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool { return arg == v.name() || slices.Contains(v.aliases, arg) })
}

func (v *verb) check(args []string) error {
	if len(args) >= v.least && (v.most < 0 || len(args) <= v.most) {
		return nil
	}
	e := &fault.Error{Code: fault.Invalid, Remedy: "Usage: tend " + v.use}
	if len(args) < v.least {
		e.Message = fmt.Sprintf("needs %s", count(v.least, "operand"))
	} else {
		e.Message = fmt.Sprintf("does not take %q", args[v.most])
	}
	return e
}

// laterVerbs are commands of PM2 that tend does not have yet.
var laterVerbs = []string{
	"prettylist", "save",
	"dump", "cleardump", "resurrect", "monitor", "unmonitor", "link",
	"unlink", "create",
	"module:generate", "package", "publish", "module:publish", "open", "login", "logout",
	"plus", "register", "logrotate",
	"deepUpdate", "autoinstall", "examples", "install-otel", "uninstall-otel",
}

// unneeded are commands of PM2 for which tend has nothing to do, and what to do instead.
var unneeded = map[string]string{
	"save dump cleardump": "There is nothing to save: the next daemon starts what was up. To have it start with the machine: tend startup",
	"resurrect":           "There is nothing to bring back: the daemon starts what was up. For what a PM2 has saved: tend import pm2",
	"link unlink monitor unmonitor open login logout plus register install-otel uninstall-otel": "tend has no service of a vendor.",
	"prettylist": "tend jlist prints the same as JSON, tend show NAME for people.",
	"logrotate":  "Its file for logrotate is yours to write; afterwards: tend reloadLogs",
	"create module:generate package publish module:publish autoinstall examples": "The name of pm2 knows it: tend pm2 -h",
	"deepUpdate": "A newer tend: install it, and then tend upgrade",
}

// verbs are all commands, in the order of the help.
func verbs() []verb {
	return slices.Concat(actingVerbs, readingVerbs, daemonVerbs, bootVerbs, importVerbs, completionVerbs, moduleVerbs, codeVerbs, otherVerbs, profileVerbs)
}

var actingVerbs = []verb{
	{
		use: "start [FILE|SCRIPT|PROGRAM|NAME…]", short: "Start an app, or start again one that is known", most: -1,
		topics: []topic{declare, filed, acting, general}, run: runStart,
		long: `A target is, in this order: a configuration file, whose apps are started, or
restarted where they are known (docs/configuration.md; - is standard input); a
name, a namespace or an id that tend knows, which is restarted; a script; a
program in $PATH; with blanks in it, a shell line. Without a target it is the
ecosystem.config.js of this folder, or the like.

The interpreter follows from the extension: .js .cjs .mjs node; .ts bun, else
node; .sh bash; .py python; .rb ruby; .php php; .pl perl. A binary, and a script
that says #!, runs itself.

A Node app given -i N runs as a cluster: N workers that share their ports. All
else runs as N separate processes. What follows -- is the app's.

The command returns when the app listens (cluster), is ready (--wait-ready) or
has proved that it stays up. If it dies at once, it prints why and the app's
last lines, and exits 1.`,
		example: `tend start app.js -i max                   # a worker for each CPU, on one port
tend start app.js --name web -- --port 80  # the app gets --port 80
tend start ecosystem.config.js --env production --only web,mail
tend start worker.py -i 2 --env Q=mail     # two processes
tend start ./server --exec-mode cluster -i 4  # a Go program using tend's cluster package
tend start "npm run dev" --name dev        # a shell line`,
	},
	{
		use: "run [FILE|SCRIPT|PROGRAM…]", short: "Guard apps in the foreground, without a daemon", most: -1,
		topics: []topic{declare, filed, showing, general}, run: runRun, stays: true,
		long: `For containers, where it is fit to be process 1: it collects orphans, and nothing
of it is left when it ends. Apps are as those of start, with restarts, clusters and
reloads. What they write goes to standard output and standard error, with the
process before each line if there are several; log files are kept where --output
and the like name them.

It ends when every app has ended for good, with the exit code of the first that did
not end well: 128 and its number for a signal, 1 for one that was given up.

SIGTERM, SIGINT, SIGQUIT  stop the apps as tend stop would; cluster workers finish
                          what they have begun first. The second one kills
SIGHUP                    reload all; in a terminal it ends as SIGTERM does
SIGUSR1                   passed on to the processes
SIGUSR2                   open the log files anew

Where TEND_HOME is set, and as process 1, other commands reach it: tend ls, tend
reload. A home that is in use, or cannot be written, is not needed.`,
		example: `tend run app.js -i max
tend run ecosystem.config.js --env production
tend run ./server --no-autorestart   # exits with the server's exit code
tend run worker.py --json            # each line an object`,
	},
	{
		use: "serve [PATH] [PORT]", aliases: []string{"expose"}, short: "Serve the files of a folder", most: 2,
		topics: []topic{serving, general}, run: runServe,
		long: `An app of tend's own serves the folder PATH (this one) on PORT (8080), called
static-page-server-PORT unless --name says otherwise. A folder is answered by its
index.html, what is not there by the folder's 404.html. Hidden files, and links
that lead out of the folder, are not served.`,
		example: `tend serve                         # this folder, on 8080
tend serve ./dist 3000 --spa       # unknown paths are answered by index.html
tend serve ./files --ftp --basic-auth-username ann --basic-auth-password secret`,
	},
	{
		use: "stop NAME|ID|FILE|all…", short: "Stop apps, and keep them in the list", least: 1, most: -1,
		topics: []topic{filed, general}, run: act("stopped", serviceStop),
		long: `Each process and its descendants get the stop signal; what is left of them
after the grace (--kill-timeout of start) is killed. The command returns when
nothing of them is left. Stopping what is stopped is no error.`,
		example: `tend stop web            # by name
tend stop 0 2            # by id
tend stop /^worker-/     # by expression
tend stop all`,
	},
	{
		use: "restart NAME|ID|FILE|all…", short: "Stop apps and start them again", least: 1, most: -1,
		topics: []topic{declare, filed, general}, run: runRestart,
		long: `The app keeps its environment, whatever the caller's is now; --update-env lays
the caller's over it. Flags of start change the app; the value null takes one
back to its default. The apps of a FILE become what it says, with the caller's
environment; those that are not known are started.`,
		example: `tend restart web
tend restart web --update-env
tend restart web --name site --kill-timeout 5s
tend restart web --node-args=null`,
	},
	{
		use: "reload NAME|ID|FILE|all…", short: "Replace the processes one by one, without a gap", least: 1, most: -1,
		topics: []topic{declare, filed, acting, general}, run: runReload,
		long: `In cluster mode each worker is started anew and must listen (or be ready) before
the old one of its place is let go. If the new one does not come up, the old one
stays, those that got other flags before it go back to theirs, the command says
why and exits 1; so it does if a new one ends within --min-uptime, before all are
replaced. Apps in fork mode are restarted.

With --canary so many new workers serve beside the old ones first. If one of them
ends within the time of --for, or fails its --probe where the old worker beside it
does not, they are taken away again and nothing is changed.`,
		example: `tend reload web
tend reload web --parallel 2
tend reload web --canary 1 --for 2m
tend reload all --update-env`,
	},
	{
		use: "rollback NAME|ID|all…", short: "Reload apps with the flags they had before the last change", least: 1, most: -1,
		topics: []topic{acting, general}, run: runRollback,
		long: `The declaration that an app came up with is kept when restart or reload changes
it, ten deep. Each rollback takes it one change further back, as a reload: flags,
environment and script, not the files that the script is in.`,
		example: `tend rollback web
tend rollback web --canary 1`,
	},
	{
		use: "scale NAME N|+N|-N", short: "Change the number of processes of an app", least: 2, most: 2,
		topics: []topic{general}, run: runScale,
		long: `New processes are copies of the others. Superfluous ones are forgotten when they
have ended; cluster workers finish what they have begun first, as in a reload.`,
		example: `tend scale web 4
tend scale web +2
tend scale web -1`,
	},
	{
		use: "delete NAME|ID|FILE|all…", aliases: []string{"del"}, short: "Stop apps and forget them", least: 1, most: -1,
		topics: []topic{filed, general}, run: act("deleted", serviceDelete),
		long: "As stop; afterwards the app is not in the list. Its log files stay.",
		example: `tend delete web
tend del all`,
	},
	{
		use: "apply [FILE]", short: "Make the apps of a file what it says, by the least that does it", most: 1,
		topics: []topic{filed, planning, acting, general}, run: runApply,
		long: `Shows what differs, then does it. New apps are started. An app whose processes
would be otherwise is reloaded; one of which only the number of processes, or
what tend itself goes by (max_restarts and the like), differs is not; nor is one
that is as declared already. Variables that left the file leave the app; the rest
of its environment stays, if --update-env does not say otherwise. Apps that came
from this very file and left it are deleted.

What the script's file holds is not compared: after a change there, reload.`,
		example: `tend apply --dry-run               # ecosystem.config.js, or the like
tend apply ecosystem.config.js --env production
tend apply deploy.yml --json`,
	},
	{
		use: "startOrRestart FILE…", aliases: []string{"startorrestart"}, short: "Restart the apps of a file, start those not known", least: 1, most: -1,
		topics: []topic{declare, filed, general}, run: runFile(spec.Restarting),
		long:    "The same as restart FILE.",
		example: `tend startOrRestart ecosystem.config.js --env production`,
	},
	{
		use: "startOrReload FILE…", aliases: []string{"startorreload", "startOrGracefulReload"}, short: "Reload the apps of a file, start those not known", least: 1, most: -1,
		topics: []topic{declare, filed, acting, general}, run: runFile(spec.Reloading),
		long:    "The same as reload FILE.",
		example: `tend startOrReload ecosystem.config.js --update-env`,
	},
	{
		use: "reset NAME|ID|all…", short: "Set the restart counters to 0", least: 1, most: -1,
		topics: []topic{general}, run: act("reset", serviceReset),
		example: `tend reset web`,
	},
	{
		use: "send ID LINE", short: "Write a line to a process's standard input", least: 2, most: -1,
		topics: []topic{general}, run: runSend,
		long:    "For apps in fork mode. A newline is added.",
		example: `tend send 0 "reload config"`,
	},
	{
		use: "attach ID [WORD]", short: "Join the terminal to a process", least: 1, most: 2,
		topics: []topic{general}, run: runAttach,
		long: `What you type goes to its standard input, line by line; what it writes is shown.
Ctrl-D or Ctrl-C, or a line that is WORD, ends it; the process runs on.`,
		example: `tend attach 0
tend attach repl .quit`,
	},
	{
		use: "trigger NAME|ID|all ACTION [PARAMETER]", short: "Have processes do what they offer to do", least: 2, most: 3,
		topics: []topic{general}, run: runTrigger,
		long: `For apps that tell of actions on their channel, as those do which use @pm2/io.
What they answer is printed; exits 1 if nobody offers the action.`,
		example: `tend trigger web flush
tend trigger 0 loglevel debug`,
	},
	{
		use: "sendSignal SIGNAL NAME|ID", aliases: []string{"signal", "sendsignal"}, short: "Send a signal to processes", least: 2, most: 2,
		topics: []topic{general}, run: runSignal,
		long: "To the process alone, not to its descendants. Also written: send signal.",
		example: `tend sendSignal SIGUSR2 web
tend send signal HUP 0`,
	},
}

var readingVerbs = []verb{
	{
		use: "inspect NAME|ID", short: "Have processes of Node open their debugger's port", least: 1, most: 1,
		topics: []topic{general}, run: runInspect,
		long: `By SIGUSR1, which is Node's signal for it. What the port is, Node writes to the
app's error log; of several processes on one machine the first gets 9229. An app
that heeds SIGUSR1 itself opens none; start that one with --node-args --inspect.`,
		example: `tend inspect web && tend logs web --err --nostream`,
	},
	{
		use: "list", aliases: []string{"ls", "l", "ps", "status"}, short: "Show all processes as a table", most: 0,
		topics: []topic{listing, general}, run: runList, asks: true,
		long: `CPU and memory are those of the process and its descendants, taken now. Columns
that do not fit the terminal are left out. --json gives tend's own form with
everything that is known; jlist gives PM2's.`,
		example: `tend ls
tend ls --sort memory:desc
tend ls --json`,
	},
	{
		use: "jlist", short: "Print the list as PM2's JSON", most: 0,
		topics: []topic{general}, run: runJlist, asks: true,
		long:    "One line, nothing else: an array of records with pid, name, pm_id, monit and pm2_env.",
		example: `tend jlist | jq '.[] | [.name, .pid, .pm2_env.status]'`,
	},
	{
		use: "check [FILE]", short: "Read a configuration file and say what it declares", most: 1,
		topics: []topic{filed, checking, general}, run: runCheck,
		long: `Nothing is started, and no daemon is asked. Exit code 1 if the file could not be
started as it is; with --strict also if anything is to be warned of.`,
		example: `tend check ecosystem.config.js --env production
tend check --strict deploy.yml
tend check --schema > tend.schema.json  # for editors`,
	},
	{
		use: "show NAME|ID", aliases: []string{"describe", "desc", "info"}, short: "Show all there is to know of an app", least: 1, most: 1,
		topics: []topic{general}, run: runShow, asks: true,
		long: "How it runs, what it listens on, why it last ended, where its logs are.",
		example: `tend show web
tend show 0 --json`,
	},
	{
		use: "env ID", short: "Print the environment of an app", least: 1, most: 1,
		topics: []topic{general}, run: runEnv, asks: true,
		long: "As KEY: value lines, sorted.",
		example: `tend env 0
tend env web --json`,
	},
	{
		use: "pid [NAME]", short: "Print the pids of the running processes", most: 1,
		topics: []topic{general}, run: runPid, asks: true,
		long:    "One a line; nothing when none runs.",
		example: `kill -USR2 $(tend pid web)`,
	},
	{
		use: "id NAME", short: "Print the ids of an app", least: 1, most: 1,
		topics: []topic{general}, run: runID, asks: true,
		long:    "As a list: [ 0, 1 ], and [] for an unknown name.",
		example: `tend id web`,
	},
	{
		use: "logs [NAME|ID|NAMESPACE|/EXPRESSION/…]", aliases: []string{"log"}, short: "Show what the apps write, as they write it", most: -1,
		topics: []topic{logging, showing, general}, run: runLogs,
		long: `First the last lines of each log file, then what is written from now on, until
Ctrl-C. Each line is prefixed with the id and the name of the app.`,
		example: `tend logs
tend logs web --lines 100
tend logs web mail
tend logs web --err --nostream
tend logs --raw | grep ERROR`,
	},
	{
		use: "monit", aliases: []string{"imonit", "dashboard", "dash"}, short: "Watch it all on one screen", most: 0,
		topics: []topic{general}, run: runMonitor,
		long: `Processes with their CPU and memory, and of the chosen one logs, metrics and what
show tells. Arrows (or k j) choose, page keys read back in the logs, r restarts, l
reloads, s stops, after a question; q ends it. The daemon is asked once a second.`,
		example: `tend monit`,
	},
	{
		use: "flush [NAME|ID]", short: "Empty the log files", most: 1,
		topics: []topic{general}, run: runFlush,
		example: `tend flush
tend flush web`,
	},
}

var daemonVerbs = []verb{
	{
		use: "ping", short: "Ask the daemon for a sign of life; starts it if need be", most: 0,
		topics: []topic{general}, run: runPing, asks: true,
		long:    "--json gives its version, its pid and that of its keeper.",
		example: `tend ping --json`,
	},
	{
		use: "upgrade [PROGRAM]", aliases: []string{"update", "updatePM2"}, short: "Make the running daemon this program, or another", most: 1,
		topics: []topic{general}, run: runUpgrade,
		long: `The daemon becomes the new program in place: it keeps its pid, the apps run on,
and no connection is refused. PROGRAM is another tend; without it, the one that
carries out the command. One that cannot read what the daemon knows is refused
with a reason; if it ends before it serves, the former one goes on.`,
		example: `tend upgrade                # after installing a new tend
tend upgrade ./bin/tend     # to another one`,
	},
	{
		use: "kill", short: "Stop everything, and the daemon", most: 0,
		topics: []topic{general}, run: runKill,
		long:    "Every app is stopped and forgotten; then the daemon and its keeper end.",
		example: `tend kill`,
	},
	{
		use: "version", short: "Print the version of this program", most: 0,
		topics: []topic{general}, asks: true, run: func(_ context.Context, c *command, _ operands) error { return c.version() },
		example: `tend version`,
	},
}
