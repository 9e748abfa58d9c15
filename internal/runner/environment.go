package runner

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/cluster"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
)

// foreign are variables of the channel and cluster of some Node process that
// the environment was copied from.
var foreign = []string{
	"NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "NODE_UNIQUE_ID", "WATCH_REPORT_DEPENDENCIES", child.MarkerVar,
	cluster.StickyVar, cluster.WornVar, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", metricsVar,
}

// program says what is executed for an app.
func (l *life) program() (path, argv0 string, args []string) {
	app := l.spawn.App
	switch {
	case app.Shell:
		path = app.Interpreter
		if path == "" {
			path = "/bin/sh"
		}
		args = []string{"-c", app.Script}
		if len(app.Args) > 0 {
			args = append(append(args, filepath.Base(path)), app.Args...)
		}
		return path, "", args
	case app.Interpreter == "":
		return app.Script, "", app.Args
	}
	args = slices.Concat(l.preload(), app.InterpreterArgs)
	if app.Runtime == spec.Node && app.Mode == spec.Fork {
		args = append(args, l.r.options.NodeArgs...)
	}
	args = append(append(args, app.Script), app.Args...)
	if app.Runtime == spec.Node {
		// As typed in a shell: ps shows "node /srv/app.js". Not so for others: a
		// Python finds its virtual environment by the path it is called by.
		argv0 = filepath.Base(app.Interpreter)
	}
	return app.Interpreter, argv0, args
}

// preload is the flag that lets a Node worker leave unnoticed. The file is in the
// home, which is closed to other users.
func (l *life) preload() []string {
	app, path := l.spawn.App, l.r.options.Preload
	if !app.Drain || path == "" || l.worker == 0 || !l.loads() {
		return nil
	}
	return []string{"--require", path}
}

// worn is after how many connections the worker is to be replaced, give or take a
// tenth by its number, so that not all go at once; 0 for never.
func (l *life) worn() int {
	n := l.spawn.App.MaxConnections
	if n == 0 || l.worker == 0 {
		return 0
	}
	return max(1, n-n/10+int(l.worker*0x9e3779b97f4a7c15%uint64(n/5+1)))
}

// sticky says that requests of a session are to reach the worker that has it.
func (l *life) sticky() bool { return l.spawn.App.Sticky && len(l.preload()) > 0 }

// session is where such a worker takes the requests that reached another: see
// [cluster.StickyVar].
func (l *life) session() string {
	return filepath.Join(l.r.options.Home, "sticky", strconv.FormatUint(l.worker, 10))
}

// environment is what the process sees: the app's own, and what it is told of
// itself, in the words that PM2 has for it.
func (l *life) environment(who *user.User) []string {
	app := l.spawn.App
	env := maps.Clone(app.Env)
	if env == nil {
		env = make(map[string]string)
	}
	for _, name := range foreign {
		delete(env, name)
	}
	if strings.Contains(filepath.Base(app.Interpreter), "python") && env["PYTHONUNBUFFERED"] == "" {
		env["PYTHONUNBUFFERED"] = "1"
	}
	if who != nil {
		env["HOME"], env["USER"], env["LOGNAME"] = who.HomeDir, who.Username, who.Username
	}
	if app.PM2 {
		maps.Copy(env, l.record()) // in which it is incremented
	} else {
		maps.Copy(env, l.told())
		increment(env, app.IncrementVar, l.spawn.Index)
	}
	l.addDoors(env)
	if l.tells {
		addMetrics(env, l.r.options.Metrics)
	}
	list := make([]string, 0, len(env)+1)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	if l.worker != 0 {
		list = append(list, cluster.Env(l.worker)...)
	}
	return list
}

// addDoors tells the process what it was given to speak with.
func (l *life) addDoors(env map[string]string) {
	app := l.spawn.App
	env["NODE_CHANNEL_FD"] = strconv.Itoa(channelFD + len(app.Listen))
	env["NODE_CHANNEL_SERIALIZATION_MODE"] = "json"
	if n := len(app.Listen); n > 0 {
		env["LISTEN_FDS"] = strconv.Itoa(n)
	}
	if l.notify != nil {
		env["NOTIFY_SOCKET"] = l.notify.name
		if app.HangTimeout > 0 {
			env["WATCHDOG_USEC"] = strconv.FormatInt(app.HangTimeout.Microseconds(), 10)
		}
	}
	if n := l.worn(); n > 0 && app.Scheduler != spec.RoundRobin {
		env[cluster.WornVar] = strconv.Itoa(n)
	}
	if l.sticky() {
		env[cluster.StickyVar] = filepath.Dir(l.session())
	}
}

// record is all that PM2 tells a process: what of its record is no object.
func (l *life) record() map[string]string {
	now := time.Now()
	env := pm2.Env(event.Instance{
		ID: l.spawn.Key.ID, App: l.spawn.App.Name, Namespace: l.spawn.App.Namespace, Index: l.spawn.Index, Mode: l.spawn.App.Mode,
		Phase: lifecycle.Starting, CreatedAt: now, StartedAt: now, Restarts: l.spawn.Restarts, Watch: l.spawn.App.Watch.On,
	}, l.spawn.App)
	told := map[string]string{}
	for _, key := range env.Keys() {
		switch v := env.Get(key).(type) {
		case nil, *pm2.Object, []any, []string, []int:
		default:
			told[key] = fmt.Sprint(v)
		}
	}
	return told
}

// told is what a process is told of itself in tend's own way.
func (l *life) told() map[string]string {
	app, s := l.spawn.App, l.spawn
	out, err := app.LogPaths(s.Key.ID)
	instance := cmp.Or(app.InstanceVar, spec.DefaultInstanceVar)
	told := map[string]string{
		instance:           strconv.Itoa(s.Index),
		"PWD":              app.Cwd,
		"name":             app.Name,
		"namespace":        app.Namespace,
		"pm_id":            strconv.Itoa(s.Key.ID),
		"instances":        strconv.Itoa(app.Instances),
		"exec_mode":        string(app.Mode) + "_mode",
		"exec_interpreter": interpreterWord(app),
		"pm_exec_path":     app.Script,
		"pm_cwd":           app.Cwd,
		"pm_out_log_path":  out,
		"pm_err_log_path":  err,
		"pm_uptime":        strconv.FormatInt(time.Now().UnixMilli(), 10),
		"restart_time":     strconv.Itoa(s.Restarts),
		"status":           "launching",
	}
	if home := l.r.options.Home; home != "" {
		told["TEND_HOME"] = home
	}
	return told
}

// increment gives the n-th instance a number of its own.
func increment(env map[string]string, name string, n int) {
	if first, err := strconv.Atoi(env[name]); err == nil {
		env[name] = strconv.Itoa(first + n)
	}
}

func interpreterWord(app spec.App) string {
	if app.Interpreter == "" {
		return "none"
	}
	return filepath.Base(app.Interpreter)
}

// identity says who the process runs as: nothing if as we do. The user's own
// group and groups come with a uid, unless a gid says otherwise.
func identity(app spec.App) (*child.Credential, *user.User, error) {
	if app.UID == nil && app.GID == nil {
		return nil, nil, nil
	}
	uid, gid := os.Getuid(), -1
	if app.UID != nil {
		uid = *app.UID
	}
	if app.GID != nil {
		gid = *app.GID
	}
	who, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		who = nil // a number without a name is a user too
	}
	if gid < 0 && who != nil {
		gid, _ = strconv.Atoi(who.Gid) // always a number on Unix
	}
	if gid < 0 {
		return nil, nil, &fault.Error{
			Code: fault.Invalid, Op: "spawn " + app.Name, Field: "--uid", Message: "no user has the number " + strconv.Itoa(uid),
			Remedy: "Give its group as well, with --gid.",
		}
	}
	if app.UID == nil {
		who = nil // our own HOME stays
	}
	if uid == os.Getuid() && gid == os.Getgid() {
		return nil, who, nil
	}
	cred := &child.Credential{UID: uint32(uid), GID: uint32(gid)}
	if who != nil && app.GID == nil {
		cred.Groups = groups(who)
	}
	return cred, who, nil
}

func groups(who *user.User) (list []uint32) {
	ids, err := who.GroupIds()
	if err != nil {
		return nil
	}
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			list = append(list, uint32(n))
		}
	}
	return list
}
