package spec

import (
	"cmp"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Profile is what an app is where its declaration says nothing. The zero Profile
// is tend's own way, but for the folders.
type Profile struct {
	PM2    bool   // all apps are declared in PM2's ways
	LogDir string // where logs go by default; [NoLog] for nowhere
	User   string // who tend runs as
	PIDDir string // where pid files go by default; "" for none are kept

	// What PM2 lets its daemon's environment say; zero values say nothing.
	StopSignal    string
	StopMessage   bool
	KillTimeout   time.Duration
	ListenTimeout time.Duration
	InstanceVar   string
	BackoffReset  time.Duration
}

// PM2ListenTimeout is how long PM2 waits for a process to listen or be ready.
const PM2ListenTimeout = 3 * time.Second

// pm2Told are the variables that PM2's command line gives each app, whatever is
// filtered.
var pm2Told = []string{"PM2_HOME", "PM2_USAGE", "unique_id"}

func (p Profile) defaults() App {
	a := App{
		Namespace: DefaultNamespace, Mode: Fork, Instances: 1,
		Autorestart: true, MaxRestarts: DefaultMaxRestarts, MinUptime: DefaultMinUptime,
		KillTimeout: cmp.Or(p.KillTimeout, DefaultKillTimeout), Drain: true, DrainTimeout: DefaultDrainTimeout, TreeKill: true,
		StopSignal: p.StopSignal, StopMessage: p.StopMessage,
		BackoffReset: p.BackoffReset,
		InstanceVar:  cmp.Or(p.InstanceVar, DefaultInstanceVar), PM2: p.PM2, Username: p.User,
	}
	a.ListenTimeout = cmp.Or(p.ListenTimeout, a.listenTimeout())
	return a
}

// defaultFile stands for the path that [Profile] has for a file.
const defaultFile = "."

// place gives the app's files their default paths.
func (p Profile) place(a *App) {
	file := fileName(a.Name)
	if a.OutFile == "" {
		a.OutFile = p.logPath(file + "-out.log")
	}
	if a.ErrorFile == "" {
		a.ErrorFile = p.logPath(file + "-error.log")
	}
	if a.LogFile == defaultFile {
		a.LogFile = p.logPath(file + ".log")
	}
	if a.PIDFile == "" && p.PIDDir != "" {
		a.PIDFile = filepath.Join(p.PIDDir, file+".pid")
	}
}

func (p Profile) logPath(file string) string {
	if p.LogDir == NoLog {
		return NoLog
	}
	return filepath.Join(p.LogDir, file)
}

func (a *App) listenTimeout() time.Duration {
	if a.PM2 {
		return PM2ListenTimeout
	}
	return DefaultListenTimeout
}

func (a *App) defaultSignal() string {
	if a.PM2 || a.Runtime == Node || a.Runtime == Bun {
		return "SIGINT"
	}
	return "SIGTERM"
}

// PIDPath returns the pid file of the app's instance id: "" for none.
func (a App) PIDPath(id int) string {
	if a.PIDFile == "" || a.PIDFile == NoLog {
		return ""
	}
	return strings.TrimSuffix(a.PIDFile, ".pid") + "-" + strconv.Itoa(id) + ".pid"
}

// applyShown lays over the app what only PM2's record shows.
func (a *App) applyShown(_ Machine, o Options) error {
	if o.NoLogs != nil {
		a.NoLogs = *o.NoLogs
	}
	*a = a.Annotated(o.Shown)
	return nil
}

// Annotated is the app with other attributes to show; a nil takes one away.
func (a App) Annotated(shown map[string]any) App {
	if len(shown) == 0 {
		return a
	}
	all := maps.Clone(a.Shown)
	if all == nil {
		all = map[string]any{}
	}
	for key, value := range shown {
		if all[key] = value; value == nil {
			delete(all, key)
		}
	}
	a.Shown = all
	return a
}
