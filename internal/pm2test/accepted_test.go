package pm2test

import "regexp"

var re = regexp.MustCompile

// accepted are the differences that are meant. The page is made of them.
var accepted = []difference{
	{"the agent", nil, re(`^((list|gone) \d+\.pm2_env\.|data )(axm_actions|axm_monitor|axm_options|axm_dynamic|node_version)`), "No agent is injected into Node apps, so none reports actions, metrics and the version of Node; `axm_options` has the names that scripts count."},
	{"`PM2_INTERACTOR_PROCESSING`, `PM2_PROGRAMMATIC`", nil, re(`PM2_INTERACTOR_PROCESSING|PM2_PROGRAMMATIC`), "PM2 leaves these variables in the environment of what is started by the command that also started its daemon, or by `set`. They mean nothing."},
	{"`prev_restart_delay`, `_tree_pids`", nil, re(`(prev_restart_delay|_tree_pids)`), "PM2's own bookkeeping, which it leaves in the record."},
	{"`unstable_restarts`", nil, re(`unstable_restarts`), "PM2 counts a stop soon after a start as an unstable restart, and forgets the count when it gives an app up; tend counts short lives."},
	{"`exit_code`", nil, re(`(\d\.pm2_env\.|env \d+ )exit_code`), "The record tells how the process before ended, also when it was replaced by a reload; a process is not told, and `resurrect` forgets it."},
	{"`merge_logs` after a reload", nil, re(`pm2_env\.merge_logs`), "PM2 sets it in the record of a reloaded worker, and changes nothing by it."},
	{"objects in an environment", re(`saw`), re(`^env \d+ (SILENT|args|axm_\w+|env|filter_env|node_args|merge_logs|version|node_version)=`), "In cluster mode PM2 also hands its objects on, as `[object Object]`; tend hands on what has a value as a text, and the version from the first life on."},
	{"`TEND_TREE`", re(`saw`), re(`^env \d+ TEND_TREE=`), "Marks the processes of an app, so that none is left behind when it is stopped."},
	{"pid file of a name that ends in a number", nil, re(`echo-\d(-\d)?\.pid`), "PM2 drops `-1` of the name `echo-1` from the file's name, so that two apps may get one file; tend keeps it."},
	{"files of the home", re(`files`), re(`file home/\.pm2/(pub\.sock|rpc\.sock|lock|preload-\w+\.cjs|state\.\S+|tend\.sock)$`), "tend keeps its own state beside PM2's files."},
	{"what a failing command says first", re(`sendSignal|logs nope|restart|reload|stop 99`), re(`^out`), "PM2 says what it is about to do, and what it would tail, before it finds that it cannot."},
	{"`exec_interpreter` of an `.mjs`", re(`mjs`), re(`exec_interpreter`), "PM2 shows the path of Node; tend its name, as for `.js`."},
	{"`instances` after `resurrect` and `update`", nil, re(`^(list|gone) \d+\.pm2_env\.instances`), "A process whose logs carry a number is one of several; tend says so also after `resurrect`. `update` forgets nothing."},
	{"`pid` of what was not started", nil, re(`^(list|gone) \d+\.pid`), "PM2's record has none until the first start; tend's says 0."},
	{"`kill` without a daemon", re(`pm2 kill`), re(`^err`), "PM2 starts one, finds no process, and says so."},
	{"`resurrect` without a dump", re(`files`), re(`dump\.pm2\.bak`), "PM2 writes an empty dump, which the next `save` takes for a former list; tend writes none."},
	{"`--env` without a configuration file", nil, re(`\d+\.pm2_env\.(env\.)?\d `), "PM2 makes a variable of each letter of the name; tend makes none."},
	{"`--env` without a configuration file, deleted", nil, re(`^gone \d+\.pm2_env\.(env\.)?\d$`), "As before."},
	{"folders of logs", re(`deep/er`), re(`^err`), "PM2 says on standard error that it makes one."},
	{"`version` before the first start", re(`held|kill`), re(`\d\.pm2_env\.version`), "tend knows the version from the declaration on."},
	{"`PWD` with a relative `--cwd`", re(`--cwd`), re(`\.PWD `), "PM2 sets it to the text that was given; tend to the folder."},
	{"`stop_exit_codes` of one number", nil, re(`stop_exit_codes`), "Always a list in tend's record; `--stop-exit-codes 0 3` takes both, where PM2 takes the 3 for a target."},
	{"logs that are off", re(`files`), re(`logs/nolog-\w+\.log`), "PM2 makes empty files for an app with `--disable-logs`; tend makes none."},
	{"`start` of an app put in with `--no-autostart`", re(`start held|saw|files`), re(`held|^list 12\.`), "PM2 does not start it by its name; tend does."},
	{"the app's key in `env`", nil, re(`pm2_env\.env\.(web|site|opts|renamed|again)( |$)`), "It follows the name when the app is renamed; in PM2 it stays."},
	{"`get` of what is no module's", re(`get`), re(`^data`), "PM2 prints a heading; tend the value."},
	{"defaults of the daemon's environment", re(`^PM2_|stubborn\.sh$|^saw`), re(`(pm2_env\.|^env \d )(kill_timeout|shutdown_with_message|instance_var)`), "`PM2_KILL_TIMEOUT` and its like are shown in the record as what holds for the app."},
	{"`-o` and `-e` at a restart", re(`opts|renamed|again`), re(`1\.pm2_env\.(error_file|out_file|pm_err_log_path|pm_out_log_path)`), "PM2 notes the new path in the record and goes on with the old file; tend takes the new one."},
	{"`--shutdown-with-message` at a restart", nil, re(`^app .*"name":"opts","what":"(message|SIGINT)"`), "It counts from the new process on; PM2 stops the old one by it already."},
	{"`--cron-restart 0`", nil, re(`pm2_env\.cron_restart`), "PM2 notes the 0 in the record; in tend's there is no pattern then."},
	{"refused keys", re(`__proto__`), re(`^(exit|out|err)`), "`set __proto__…` is an error in tend; PM2 refuses it, and exits 0."},
	{"`serve`: types", re(`^ask`), re(`^header Content-Type:`), "tend tells the charset of texts, and the type of more files."},
	{"`serve`: folders", re(`^ask GET /+(sub|plain)/?$`), re(`.`), "PM2 answers 500, unless it lists them; tend with their `index.html`, or as to what is not there."},
	{"`serve`: hidden files", re(`^ask GET /\.hidden$`), re(`.`), "tend serves none, `.well-known` apart."},
	{"`serve`: paths that lead out", re(`^ask GET .*\.\.|^ask GET /%2e`), re(`.`), "403; in PM2 they are as if nothing were there."},
	{"`serve`: paths below a file", re(`^ask GET /a\.css/x`), re(`.`), "404 in place of 500."},
	{"`serve`: methods, ranges", re(`^ask (POST|GET .*Range)`), re(`.`), "tend answers 405 to what does not read, and sends the part that is asked for."},
	{"`serve`: `Access-Control-Allow-Origin`", re(`^ask`), re(`^header Access-Control`), "On each answer, not only on files."},
	{"`serve`: 401", re(`^ask`), re(`^header Www-Authenticate`), "The realm has another name."},
	{"`static` without apps", re(`static\.config`), re(`^exit`), "PM2 starts the server and exits 1."},
}
