package spec

import "time"

// Start asks for an app to run. Word is what the operator named: for Start, in
// this order, a command line with blanks, the name, namespace or id of what is
// known already (which is then restarted), a script, a program on PATH.
type Start struct {
	Word    string  `json:"word"`
	Options Options `json:"options"`
	Force   bool    `json:"force,omitempty"` // start a second app of the same script
	Caller  Caller  `json:"caller"`
}

// Caller is where a command comes from: relative paths and PATH mean its own.
type Caller struct {
	Cwd string   `json:"cwd"`
	Env []string `json:"env"` // KEY=value
}

// Options are the flags given to start, restart or reload; nil means not
// given. In a restart they replace the attribute of the running app.
type Options struct {
	Name            *string           `json:"name,omitempty"`
	Namespace       *string           `json:"namespace,omitempty"`
	Instances       *string           `json:"instances,omitempty"` // "4", "0", "max", "-1"
	Mode            *string           `json:"mode,omitempty"`      // "fork", "cluster", with or without "_mode"
	Scheduler       *string           `json:"scheduler,omitempty"`
	Interpreter     *string           `json:"interpreter,omitempty"` // "none" runs the file itself
	InterpreterArgs *[]string         `json:"interpreter_args,omitempty"`
	Args            *[]string         `json:"args,omitempty"`
	Cwd             *string           `json:"cwd,omitempty"`
	Env             map[string]string `json:"env,omitempty"`
	OutFile         *string           `json:"out_file,omitempty"`
	ErrorFile       *string           `json:"error_file,omitempty"`
	MergeLogs       *bool             `json:"merge_logs,omitempty"`
	LogDate         *string           `json:"log_date_format,omitempty"`
	LogMode         *string           `json:"log_mode,omitempty"`
	Autorestart     *bool             `json:"autorestart,omitempty"`
	MaxRestarts     *int              `json:"max_restarts,omitempty"`
	MinUptime       *time.Duration    `json:"min_uptime,omitempty"`
	RestartDelay    *time.Duration    `json:"restart_delay,omitempty"`
	Backoff         *time.Duration    `json:"backoff,omitempty"`
	StopExitCodes   *[]int            `json:"stop_exit_codes,omitempty"`
	MaxMemory       *string           `json:"max_memory_restart,omitempty"` // "300M", "1.5G", bytes
	MaxAge          *time.Duration    `json:"max_age,omitempty"`
	HangTimeout     *time.Duration    `json:"hang_timeout,omitempty"`
	MemoryLimit     *string           `json:"memory_limit,omitempty"` // "500M"
	CPULimit        *string           `json:"cpu_limit,omitempty"`    // "0.5" or "50%" of a CPU
	Autostart       *bool             `json:"autostart,omitempty"`
	DependsOn       *[]string         `json:"depends_on,omitempty"` // "db", "db:started", "migrate:completed"
	Watch           *bool             `json:"watch,omitempty"`
	WatchPaths      *[]string         `json:"watch_paths,omitempty"` // of the app's folder; none for all of it
	IgnoreWatch     *[]string         `json:"ignore_watch,omitempty"`
	WatchDelay      *time.Duration    `json:"watch_delay,omitempty"`
	WatchExt        *[]string         `json:"ext,omitempty"`
	WatchLinks      *bool             `json:"watch_links,omitempty"`  // follow links to folders
	ToggleWatch     bool              `json:"toggle_watch,omitempty"` // what is watched is no more, and the other way round
	Cron            *string           `json:"cron_restart,omitempty"` // "0" for never
	StopSignal      *string           `json:"stop_signal,omitempty"`
	KillTimeout     *time.Duration    `json:"kill_timeout,omitempty"`
	Drain           *bool             `json:"drain,omitempty"`
	Metrics         *bool             `json:"metrics,omitempty"`
	Module          *string           `json:"module,omitempty"`
	Exclusive       *bool             `json:"exclusive,omitempty"`
	Sticky          *bool             `json:"sticky,omitempty"`
	MaxConnections  *int              `json:"max_connections,omitempty"`
	Standby         *int              `json:"standby,omitempty"`
	DrainTimeout    *time.Duration    `json:"drain_timeout,omitempty"`
	TreeKill        *bool             `json:"treekill,omitempty"`
	StopMessage     *bool             `json:"shutdown_with_message,omitempty"`
	WaitReady       *bool             `json:"wait_ready,omitempty"`
	ListenTimeout   *time.Duration    `json:"listen_timeout,omitempty"`
	Listen          *[]string         `json:"listen,omitempty"` // "3000", "127.0.0.1:3000", "unix:/run/x"
	Overlap         *bool             `json:"overlap,omitempty"`
	Probe           *string           `json:"probe,omitempty"`
	InstanceVar     *string           `json:"instance_var,omitempty"`
	IncrementVar    *string           `json:"increment_var,omitempty"`
	FilterEnv       *[]string         `json:"filter_env,omitempty"` // "*" for all but PATH
	LogFile         *string           `json:"log_file,omitempty"`   // "" for the default one
	LogType         *string           `json:"log_type,omitempty"`
	PIDFile         *string           `json:"pid_file,omitempty"`
	NoLogs          *bool             `json:"no_logs,omitempty"`
	Shown           map[string]any    `json:"shown,omitempty"` // see App.Shown; a nil value takes one away
	UID             *string           `json:"uid,omitempty"`
	GID             *string           `json:"gid,omitempty"`
	UpdateEnv       bool              `json:"update_env,omitempty"` // lay the caller's environment over the old one
}

// Act asks to stop, restart, reload, delete or reset what Target names (§6 of
// PM2's contract): "all", "/regex/", a name or script path, a namespace, an id.
type Act struct {
	Target   string  `json:"target"`
	Options  Options `json:"options"`            // restart and reload only
	Parallel int     `json:"parallel,omitempty"` // reload: instances replaced at a time; 0 means 1

	// Canary and For, of a reload: how many instances try the new generation
	// first, beside the old one, and how long. One that ends ends the reload.
	Canary int           `json:"canary,omitempty"`
	For    time.Duration `json:"for,omitempty"`

	Caller Caller `json:"caller"`
}

// Apply asks for the apps of a configuration file. Nothing is changed unless
// all of them can be resolved.
type Apply struct {
	Apps []Declared `json:"apps"`
	How  How        `json:"how"`
	// Prune names origins: an app that came from one of them and is not among Apps
	// is deleted.
	Prune    []string `json:"prune,omitempty"`
	DryRun   bool     `json:"dry_run,omitempty"` // only say what would be done
	Parallel int      `json:"parallel,omitempty"`
	// UpdateEnv gives apps that are there the caller's environment. Restarting and
	// Reloading do so anyway, but not with PM2; else they keep what they got from
	// their first caller.
	UpdateEnv bool   `json:"update_env,omitempty"`
	Caller    Caller `json:"caller"`
}

// Declared is an app as a file declares it.
type Declared struct {
	Word    string  `json:"word"` // as in [Start]
	Options Options `json:"options"`
	Origin  string  `json:"origin,omitempty"`
}

// How says what becomes of apps that are known already. Others are started.
type How string

const (
	Restarting How = "restart" // they are restarted as declared
	Reloading  How = "reload"  // they are reloaded as declared
	Declaring  How = "declare" // they become what is declared, by the least that does it
)
