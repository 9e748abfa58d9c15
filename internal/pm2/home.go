package pm2

import (
	"cmp"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/spec"
)

// Home is where PM2 keeps what. Each path can be given by a variable of its own.
type Home struct {
	Dir        string // PM2_HOME
	Log        string // of the daemon
	PID        string // of the daemon
	Logs       string // folder of the apps' logs
	PIDs       string // folder of the apps' pid files
	Modules    string // folder
	ModuleConf string
	Dump       string
	DumpBackup string
	ReloadLock string
	RPC        string // socket of requests
	Pub        string // socket of events
	Touch      string // marks that the home was used before
}

// HomeOf reads where the home is from an environment, by get; user is the user's
// own home folder.
func HomeOf(get func(string) string, user string) Home {
	dir := cmp.Or(get("PM2_HOME"), filepath.Join(user, ".pm2"))
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	at := func(key, name string) string { return cmp.Or(get(key), filepath.Join(dir, name)) }
	return Home{
		Dir: dir, Log: at("PM2_LOG_FILE_PATH", "pm2.log"), PID: at("PM2_PID_FILE_PATH", "pm2.pid"),
		Logs: at("PM2_DEFAULT_LOG_PATH", "logs"), PIDs: at("PM2_DEFAULT_PID_PATH", "pids"),
		Modules:    at("PM2_DEFAULT_MODULE_PATH", "modules"),
		ModuleConf: at("PM2_MODULE_CONF_FILE", "module_conf.json"),
		Dump:       at("PM2_DUMP_FILE_PATH", "dump.pm2"), DumpBackup: at("PM2_DUMP_BACKUP_FILE_PATH", "dump.pm2.bak"),
		ReloadLock: at("PM2_RELOAD_LOCKFILE", "reload.lock"), Touch: filepath.Join(dir, "touch"),
		RPC: at("PM2_DAEMON_RPC_PORT", "rpc.sock"), Pub: at("PM2_DAEMON_PUB_PORT", "pub.sock"),
	}
}

// DevHome makes get say where pm2-dev has its home, whatever PM2_HOME says.
func DevHome(get func(string) string) func(string) string {
	return func(key string) string {
		if key == "PM2_HOME" {
			return filepath.Join(get("HOME"), ".pm2-dev")
		}
		return get(key)
	}
}

// Profile is what apps of the home are where nothing is said, as far as the
// daemon's environment says it.
func (h Home) Profile(get func(string) string) spec.Profile {
	p := spec.Profile{
		PM2: true, LogDir: h.Logs, PIDDir: h.PIDs,
		StopMessage: get("PM2_KILL_USE_MESSAGE") != "", InstanceVar: get("PM2_PROCESS_INSTANCE_VAR"),
		KillTimeout: millis(get("PM2_KILL_TIMEOUT")), ListenTimeout: millis(get("PM2_GRACEFUL_LISTEN_TIMEOUT")),
		BackoffReset: millis(get("EXP_BACKOFF_RESET_TIMER")),
	}
	if sig := strings.ToUpper(get("PM2_KILL_SIGNAL")); strings.HasPrefix(sig, "SIG") {
		p.StopSignal = sig
	}
	return p
}

// NodeArgs are arguments that Node gets for every app in fork mode.
func NodeArgs(get func(string) string) []string { return strings.Fields(get("PM2_NODE_OPTIONS")) }

// WorkerInterval is how often the memory of processes is looked at, 0 for not said.
func WorkerInterval(get func(string) string) time.Duration { return millis(get("PM2_WORKER_INTERVAL")) }

func millis(text string) time.Duration {
	ms, err := strconv.Atoi(text)
	if err != nil || ms < 0 {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// Title is what the daemon is called among the processes.
func (h Home) Title(get func(string) string) string {
	return cmp.Or(get("PM2_DAEMON_TITLE"), "PM2 v"+Version+": God Daemon ("+h.Dir+")")
}
