// Package spec turns what an operator asks for into validated values: the
// declaration of an app, the options of a command, the name of a target. It
// knows PM2's ecosystem words and turns them into ours.
//
// The package is pure: what it must know of the machine (does this file exist,
// where is that program) it asks of a [Machine] given by the caller.
package spec

import "time"

// App is what was declared: everything needed to spawn its processes again,
// after [Resolve] complete and absolute. It is plain data; copies share
// their maps and slices, so treat them as read-only.
type App struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"` // "default" unless given

	Script          string    `json:"script"` // absolute path, or the shell line when Shell
	Shell           bool      `json:"shell,omitempty"`
	Interpreter     string    `json:"interpreter,omitempty"` // absolute path; "" runs Script itself
	InterpreterArgs []string  `json:"interpreter_args,omitempty"`
	Args            []string  `json:"args,omitempty"`
	Runtime         Runtime   `json:"runtime,omitempty"` // what kind of program answers on the channel
	Mode            Mode      `json:"mode"`
	Scheduler       Scheduler `json:"scheduler,omitempty"` // cluster mode only
	Instances       int       `json:"instances"`           // at least 1
	Numbered        bool      `json:"numbered,omitempty"`  // instances were given, so log files carry the id

	// PM2 says that the app was declared in PM2's ways: what it is told of itself, when
	// it counts as up and how it is started again are then as PM2 has them.
	PM2               bool           `json:"pm2,omitempty"`
	Shown             map[string]any `json:"shown,omitempty"`               // attributes of PM2 that mean nothing here, for its record
	Module            string         `json:"module,omitempty"`              // the installed module that it is an app of; "" for none
	NoInterpreterArgs bool           `json:"no_interpreter_args,omitempty"` // taken away: PM2's record has none then, not an empty list
	Username          string         `json:"username,omitempty"`            // who tend runs as
	NoLogs            bool           `json:"no_logs,omitempty"`             // the log files have names, and nothing goes there

	Cwd string            `json:"cwd"`
	Env map[string]string `json:"env"` // the whole environment: the caller's with the app's own over it; several apps may have one map, which nobody changes
	UID *int              `json:"uid,omitempty"`
	GID *int              `json:"gid,omitempty"`

	OutFile   string `json:"out_file"`           // absolute, before instance numbering; "/dev/null" for none
	ErrorFile string `json:"error_file"`         // likewise
	LogFile   string `json:"log_file,omitempty"` // gets both outputs besides, likewise numbered; "" for none
	LogType   string `json:"log_type,omitempty"` // "json" for an object a line
	PIDFile   string `json:"pid_file,omitempty"` // holds the number of the process, likewise numbered; "" for none
	MergeLogs bool   `json:"merge_logs,omitempty"`
	LogDate   string `json:"log_date_format,omitempty"` // day.js tokens; "" for raw lines
	LogMode   string `json:"log_mode,omitempty"`        // "" or "raw": O_APPEND files given to the child

	Autorestart    bool          `json:"autorestart"`
	MaxRestarts    int           `json:"max_restarts"`            // unstable restarts before Failed; default 16
	MinUptime      time.Duration `json:"min_uptime"`              // shorter lives count as unstable; default 1s
	RestartDelay   time.Duration `json:"restart_delay"`           // fixed pause before every restart; default 0
	BackoffReset   time.Duration `json:"backoff_reset,omitempty"` // uptime that ends it; 0 for the built-in one
	Backoff        time.Duration `json:"backoff"`                 // first delay of the exponential backoff; 0 uses the built-in one
	StopExitCodes  []int         `json:"stop_exit_codes,omitempty"`
	MaxMemory      uint64        `json:"max_memory_restart,omitempty"` // bytes of a process tree above which it is replaced; 0 for any
	HangTimeout    time.Duration `json:"hang_timeout,omitempty"`       // a process that shows no sign of life for so long is killed; 0 for never
	MaxAge         time.Duration `json:"max_age,omitempty"`            // a process that is older is replaced, give or take a tenth; 0 for never
	MaxConnections int           `json:"max_connections,omitempty"`    // a worker that took more, give or take a tenth, is replaced; 0 for any

	MemoryLimit uint64  `json:"memory_limit,omitempty"` // bytes that the kernel lets a process tree have; 0 for any
	CPULimit    float64 `json:"cpu_limit,omitempty"`    // CPUs that it lets it use, as 0.5; 0 for all

	NoAutostart bool         `json:"no_autostart,omitempty"` // made known by start, and not started
	DependsOn   []Dependency `json:"depends_on,omitempty"`   // apps that a start waits for

	Watch Watch  `json:"watch,omitzero"`
	Cron  string `json:"cron_restart,omitempty"` // pattern of the times at which it is restarted; "" for never

	StopSignal    string        `json:"stop_signal"`          // "SIGINT" for Node and Bun, else "SIGTERM"
	KillTimeout   time.Duration `json:"kill_timeout"`         // grace between the stop signal and SIGKILL; default 1600ms
	Drain         bool          `json:"drain"`                // a Node worker loads tend's preload, to leave unnoticed; default true
	NoMetrics     bool          `json:"no_metrics,omitempty"` // a Node app does not load the preload that tells metrics
	Exclusive     bool          `json:"exclusive,omitempty"`  // cluster: no other app may share its addresses
	Sticky        bool          `json:"sticky,omitempty"`     // requests of a Socket.IO session go to the worker that has it
	Standby       int           `json:"standby,omitempty"`    // cluster mode: so many more processes, booted and without traffic, for when one dies
	DrainTimeout  time.Duration `json:"drain_timeout"`        // how long a replaced worker may take to finish its connections; default 10s
	TreeKill      bool          `json:"treekill"`             // signals go to the whole process tree; default true
	StopMessage   bool          `json:"shutdown_with_message,omitempty"`
	WaitReady     bool          `json:"wait_ready,omitempty"`
	ListenTimeout time.Duration `json:"listen_timeout"` // how long a start may take to listen or be ready; default 30s

	// Fork mode only. Listen are sockets that every process inherits, as systemd
	// has it: "IP:PORT" or "unix:PATH". With them, or with Overlap, a reload starts
	// the new process before the old one ends.
	Listen  []string `json:"listen,omitempty"`
	Overlap bool     `json:"overlap,omitempty"`
	Probe   string   `json:"probe,omitempty"` // ready when it succeeds: http://, https://, tcp:// or exec:

	InstanceVar  string `json:"instance_var"`            // default NODE_APP_INSTANCE
	IncrementVar string `json:"increment_var,omitempty"` // variable of Env, a number, that grows by one with each instance
	Version      string `json:"version,omitempty"`       // of the nearest package.json, else ""

	Own       []string `json:"own_env,omitempty"`    // which of Env were declared for the app, sorted; the rest are its caller's
	FilterEnv []string `json:"filter_env,omitempty"` // the caller's variables with one of these in their name are left out
	Origin    string   `json:"origin,omitempty"`     // the file that declares it, absolute; "" for none
}

// Watch says for which files an app is restarted when they change.
type Watch struct {
	On      bool          `json:"on"`
	Paths   []string      `json:"paths,omitempty"`    // absolute: files, folders with all below them, patterns; none for Cwd
	Ignore  *[]string     `json:"ignore,omitempty"`   // patterns of names, or with a slash of paths; nil for the usual ones
	Ext     []string      `json:"ext,omitempty"`      // only files whose names end so, with the dot; none for all
	Delay   time.Duration `json:"delay,omitempty"`    // how long it must be quiet after a change; 0 for the least there is
	NoLinks bool          `json:"no_links,omitempty"` // links to folders are not followed
}

// Processes is how many instances there are to be, those on standby with them.
func (a App) Processes() int { return max(1, a.Instances) + a.Standby }

// Mode says how the processes of an app get their sockets.
type Mode string

const (
	Fork    Mode = "fork"    // each process binds what it likes
	Cluster Mode = "cluster" // the daemon is their cluster primary
)

// Scheduler says how connections reach the workers of a cluster.
type Scheduler string

const (
	RoundRobin Scheduler = "rr"        // the daemon accepts and hands out
	Shared     Scheduler = "shared"    // all workers accept from one socket
	ReusePort  Scheduler = "reuseport" // one socket a worker, steered by the kernel
)

// Runtime is what kind of program a process is, where tend treats it specially.
type Runtime string

const (
	Other Runtime = ""
	Node  Runtime = "node"
	Bun   Runtime = "bun"
)
