package cli

import "github.com/tendproc/tend/internal/spec"

// PM2 takes more operands than it needs almost everywhere, and so do we.

var pm2ActingVerbs = []verb{
	{
		use: "start [FILE|PROGRAM|NAME|ID…]", short: "start apps, or start again those that are known", most: -1,
		topics: []topic{declare, acting, general}, run: pm2Start,
	},
	{
		use: "restart NAME|ID|NAMESPACE|all…", short: "stop apps and start them again", least: 1, most: -1,
		topics: []topic{declare, general}, run: pm2Restart,
	},
	{
		use: "reload NAME|ID|NAMESPACE|all", short: "replace cluster workers one by one, without a gap", least: 1, most: -1,
		topics: []topic{declare, acting, general}, run: pm2Reload,
	},
	{
		use: "startOrRestart FILE", short: "restart the apps of a file, or start them", least: 1, most: -1,
		topics: []topic{declare, general}, run: runFile(spec.Restarting),
	},
	{
		use: "startOrReload FILE", aliases: []string{"startOrGracefulReload"}, short: "reload the apps of a file, or start them", least: 1, most: -1,
		topics: []topic{declare, general}, run: runFile(spec.Reloading),
	},
	{
		use: "serve [PATH] [PORT]", aliases: []string{"expose"}, short: "serve the files of a folder", most: 2,
		topics: []topic{general}, run: runServe,
	},
	{
		use: "stop NAME|ID|NAMESPACE|all…", short: "stop apps, and keep them in the list", least: 1, most: -1,
		topics: []topic{general}, run: act("stopped", serviceStop),
	},
	{
		use: "delete NAME|ID|NAMESPACE|all…", aliases: []string{"del"}, short: "stop apps and forget them", least: 1, most: -1,
		topics: []topic{general}, run: act("deleted", serviceDelete),
	},
	{
		use: "scale NAME N", short: "change the number of processes: N, +N or -N", least: 2, most: -1,
		topics: []topic{general}, run: pm2Scale,
	},
	{
		use: "reset NAME|ID|all", short: "set the counters of restarts to 0", least: 1, most: -1,
		topics: []topic{general}, run: act("reset", serviceReset),
	},
	{
		use: "send ID LINE", short: "write a line to a process's standard input", least: 2, most: -1,
		topics: []topic{general}, run: pm2Send,
	},
	{
		use: "attach ID [SEPARATOR]", short: "write to a process, and see what it writes", least: 1, most: -1,
		topics: []topic{general}, run: runAttach,
	},
	{
		use: "trigger NAME|ID|all ACTION [PARAMETER]", short: "call an action that an app offers", least: 2, most: -1,
		topics: []topic{general}, run: runTrigger,
	},
	{
		use: "sendSignal SIGNAL NAME|ID", short: "send a signal to a process", least: 2, most: -1,
		topics: []topic{general}, run: pm2Signal,
	},
	{
		use: "monitor [NAME|ID|all]", short: "mark processes for the dashboard", most: -1,
		topics: []topic{general}, run: pm2Monitor(true),
	},
	{
		use: "unmonitor [NAME|ID|all]", short: "take that mark away", most: -1,
		topics: []topic{general}, run: pm2Monitor(false),
	},
}

var pm2ReadingVerbs = []verb{
	{
		use: "list", aliases: []string{"ls", "l", "ps", "status"}, short: "show all processes", most: -1,
		topics: []topic{listing, general}, run: pm2List, asks: true,
	},
	{
		use: "jlist", short: "print all records as JSON", most: -1,
		topics: []topic{general}, run: pm2Jlist, asks: true, data: true,
	},
	{
		use: "prettylist", short: "print all records for people", most: -1,
		topics: []topic{general}, run: alone(pm2Prettylist), asks: true, data: true,
	},
	{
		use: "describe NAME|ID", aliases: []string{"desc", "info", "show"}, short: "show all there is to know of a process", least: 1, most: -1,
		topics: []topic{general}, run: pm2Describe, asks: true,
	},
	{
		use: "env ID", short: "print the environment of a process", least: 1, most: -1,
		topics: []topic{general}, run: pm2Env, asks: true,
	},
	{
		use: "pid [NAME]", short: "print pids", most: -1,
		topics: []topic{general}, run: pm2Pid, asks: true,
	},
	{
		use: "id NAME", short: "print the ids of a name", least: 1, most: -1,
		topics: []topic{general}, run: runID, asks: true,
	},
	{
		use: "logs [NAME|ID|NAMESPACE|/EXPRESSION/]", aliases: []string{"log"}, short: "show what the apps write, as they write it", most: -1,
		topics: []topic{logging, showing, general}, run: pm2Logs, data: true,
	},
	{
		use: "flush [NAME|ID]", short: "empty the log files", most: -1,
		topics: []topic{general}, run: pm2Flush,
	},
	{
		use: "monit", aliases: []string{"imonit", "dashboard", "dash"}, short: "watch it all on one screen", most: -1,
		topics: []topic{general}, run: runMonitor,
	},
	{
		use: "reloadLogs", short: "open the log files anew", most: -1,
		topics: []topic{general}, run: pm2ReloadLogs,
	},
	{
		use: "slist", aliases: []string{"sysinfos"}, short: "print what is known of the machine", most: -1,
		topics: []topic{general}, run: pm2Slist, asks: true, data: true,
	},
	{
		use: "report", short: "print what helps to find a fault", most: -1,
		topics: []topic{general}, run: pm2Report, asks: true,
	},
}

var pm2DaemonVerbs = []verb{
	{
		use: "ping", short: "ask the daemon for a sign of life; starts it if need be", most: -1,
		topics: []topic{general}, run: runPing, asks: true,
	},
	{
		use: "kill", short: "stop everything, and the daemon", most: -1,
		topics: []topic{general}, run: alone(pm2Kill),
	},
	{
		use: "update", aliases: []string{"updatePM2"}, short: "make the running daemon this program", most: -1,
		topics: []topic{general}, run: pm2Update,
	},
	{
		use: "save", aliases: []string{"dump"}, short: "keep the list, for resurrect", most: -1,
		topics: []topic{acting, general}, run: alone(pm2Save),
	},
	{
		use: "cleardump", short: "keep an empty list", most: -1,
		topics: []topic{general}, run: alone(pm2Cleardump),
	},
	{
		use: "resurrect", short: "start what was saved and is not there", most: -1,
		topics: []topic{general}, run: alone(pm2Resurrect),
	},
}

var pm2ModuleVerbs = []verb{
	{
		use: "install MODULE", aliases: []string{"module:install"}, short: "install a package of npm, and run it as a module", least: 1, most: -1,
		topics: []topic{installing, general}, run: runInstall,
	},
	{
		use: "module:update MODULE", short: "install a module again", least: 1, most: -1,
		topics: []topic{installing, general}, run: runModuleUpdate,
	},
	{
		use: "uninstall MODULE|all", aliases: []string{"module:uninstall"}, short: "delete a module", least: 1, most: -1,
		topics: []topic{general}, run: runUninstall,
	},
}

var pm2ConfVerbs = []verb{
	{
		use: "set [KEY VALUE]", short: "store a value for a module or an app", most: -1,
		topics: []topic{general}, run: pm2Set,
	},
	{
		use: "multiset \"KEY VALUE…\"", short: "store several values", least: 1, most: -1,
		topics: []topic{general}, run: pm2Multiset,
	},
	{
		use: "get [KEY]", short: "print a stored value, or all", most: -1,
		topics: []topic{general}, run: pm2Get, asks: true,
	},
	{
		use: "conf", short: "print all stored values", most: -1,
		topics: []topic{general}, run: pm2Conf, asks: true,
	},
	{
		use: "config KEY [VALUE]", short: "print a stored value, or store one", least: 1, most: -1,
		topics: []topic{general}, run: pm2Config,
	},
	{
		use: "unset KEY|all", short: "forget a stored value", least: 1, most: -1,
		topics: []topic{general}, run: pm2Unset,
	},
	{
		use: "init [simple]", aliases: []string{"ecosystem"}, short: "write ecosystem.config.js", most: -1,
		topics: []topic{general}, run: pm2Init,
	},
}
