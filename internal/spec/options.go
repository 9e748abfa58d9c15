package spec

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tendproc/tend/internal/fault"
)

// Defaults of an app.
const (
	DefaultNamespace     = "default"
	DefaultMaxRestarts   = 16
	DefaultMinUptime     = time.Second
	DefaultKillTimeout   = 1600 * time.Millisecond
	DefaultDrainTimeout  = 10 * time.Second
	DefaultListenTimeout = 30 * time.Second
	DefaultInstanceVar   = "NODE_APP_INSTANCE"
)

// StampTime is the LogDate that --time stands for.
const StampTime = "YYYY-MM-DDTHH:mm:ss"

// Reset stands for "null" among numbers and durations: the default again.
const Reset = -1

// shellArgs at the end of a shell line is where the app's arguments go.
const shellArgs = ` "$@"`

// leastUptime bounds MinUptime: less cannot be told from not starting.
const leastUptime = 100 * time.Millisecond

// mostStandby bounds Standby.
const mostStandby = 100

// longest bounds every duration of an app.
const longest = 30 * 24 * time.Hour

// apply lays over the app every option that is not about what it runs, or where.
func (a *App) apply(m Machine, o Options) error {
	steps := []func(Machine, Options) error{a.applyNames, a.applyMode, a.applyUser, a.applyLogs, a.applyRestarts, a.applyStop, a.applyListen, a.applyWatch, a.applyCron, a.applyDepends, a.applyLimits, a.applyShown}
	for _, step := range steps {
		if err := step(m, o); err != nil {
			return err
		}
	}
	if o.Args != nil {
		a.Args = list(o.Args)
	}
	if a.Shell && len(a.Args) > 0 && !strings.HasSuffix(a.Script, shellArgs) {
		a.Script += shellArgs
	}
	if o.InterpreterArgs != nil {
		if a.Interpreter == "" || a.Shell {
			return &fault.Error{
				Code: fault.Invalid, Field: "--interpreter-args", Message: "there is no interpreter to give them to",
				Remedy: "Arguments of the program itself follow two dashes: -- " + strings.Join(*o.InterpreterArgs, " "),
			}
		}
		a.InterpreterArgs = list(o.InterpreterArgs)
		a.NoInterpreterArgs = len(*o.InterpreterArgs) > 0 && len(a.InterpreterArgs) == 0
	}
	for _, arg := range slices.Concat(a.Args, a.InterpreterArgs) {
		if strings.Contains(arg, "\x00") {
			return &fault.Error{Code: fault.Invalid, Field: "args", Message: "an argument holds a NUL byte"}
		}
	}
	return nil
}

func (a *App) applyNames(_ Machine, o Options) error {
	if name := text(o.Name); name != "" {
		if err := checkName(name); err != nil {
			return err
		}
		a.Name = name
	}
	if o.Namespace != nil {
		a.Namespace = DefaultNamespace
		if ns := text(o.Namespace); ns != "" {
			if err := checkName(ns); err != nil {
				err.Field = "--namespace"
				return err
			}
			a.Namespace = ns
		}
	}
	if o.InstanceVar != nil {
		a.InstanceVar = DefaultInstanceVar
		if v := text(o.InstanceVar); v != "" {
			if strings.ContainsAny(v, "=\x00") {
				return &fault.Error{Code: fault.Invalid, Field: "--instance-var", Message: "not the name of a variable: " + printable(v)}
			}
			a.InstanceVar = v
		}
	}
	if o.IncrementVar != nil {
		a.IncrementVar = text(o.IncrementVar)
	}
	if o.Module != nil {
		a.Module = *o.Module
	}
	return nil
}

// checkName holds names to what a target, a table and a file name can carry.
func checkName(name string) *fault.Error {
	e := &fault.Error{Code: fault.Invalid, Field: "--name", Remedy: "Choose another name, such as web."}
	_, regex := Regex(name)
	switch {
	case name == "":
		e.Message = "is empty"
	case len(name) > 200:
		e.Message = "is longer than 200 bytes"
	case !utf8.ValidString(name) || printable(name) != name && utf8.RuneCountInString(name) <= 80:
		e.Message = "holds characters that cannot be printed"
	case name == "all":
		e.Message = "all means every app, so no app can be called that"
	case regex:
		e.Message = "words between slashes are expressions, so no app can be called that"
	default:
		return nil
	}
	return e
}

func (a *App) applyMode(m Machine, o Options) error {
	if o.Instances != nil {
		n, err := Instances(*o.Instances, m.CPUs())
		if err != nil {
			return err
		}
		a.Instances = n
	}
	switch mode := text(o.Mode); mode {
	case "":
	case "fork", "fork_mode":
		a.Mode, a.Scheduler = Fork, ""
	case "cluster", "cluster_mode":
		a.Mode = Cluster
	default:
		return &fault.Error{
			Code: fault.Invalid, Field: "--exec-mode", Message: "no such mode: " + printable(mode),
			Remedy: "There are fork and cluster.",
		}
	}
	switch s := Scheduler(text(o.Scheduler)); s {
	case "":
	case RoundRobin, Shared, ReusePort:
		a.Scheduler = s
	default:
		return &fault.Error{
			Code: fault.Invalid, Field: "--scheduler", Message: "no such scheduler: " + printable(string(s)),
			Remedy: "There are rr (tend hands out connections in turn), shared (workers accept from one socket) and reuseport (a socket each).",
		}
	}
	return nil
}

func (a *App) applyUser(m Machine, o Options) error {
	if name := text(o.UID); name != "" {
		u, err := m.LookupUser(name)
		if err != nil {
			return &fault.Error{Code: fault.NotFound, Field: "--uid", Message: "no such user: " + printable(name), Remedy: "Give the name or number of an account."}
		}
		a.UID, a.GID = &u.UID, &u.GID
		a.Env["HOME"] = u.Home
	} else if o.UID != nil {
		a.UID, a.GID = nil, nil
	}
	if name := text(o.GID); name != "" {
		gid, err := m.LookupGroup(name)
		if err != nil {
			return &fault.Error{Code: fault.NotFound, Field: "--gid", Message: "no such group: " + printable(name), Remedy: "Give the name or number of a group."}
		}
		a.GID = &gid
	}
	if o.UpdateEnv && o.UID == nil && a.UID != nil {
		if u, err := m.LookupUser(strconv.Itoa(*a.UID)); err == nil {
			a.Env["HOME"] = u.Home
		}
	}
	return nil
}

func (a *App) applyLogs(m Machine, o Options) error {
	for _, l := range []struct {
		field string
		given *string
		to    *string
	}{{"--output", o.OutFile, &a.OutFile}, {"--error", o.ErrorFile, &a.ErrorFile}, {"--pid", o.PIDFile, &a.PIDFile}} {
		if l.given == nil {
			continue
		}
		switch path := *l.given; {
		case path == "" || strings.Contains(path, "\x00"):
			return &fault.Error{Code: fault.Invalid, Field: l.field, Message: "not a path: " + strconv.Quote(path), Remedy: "Give the path of a file, or NULL for none."}
		case path == NoLog || strings.EqualFold(path, "null"):
			*l.to = NoLog
		default:
			*l.to = absolute(m, a.Cwd, path)
			if info, err := m.Stat(*l.to); err == nil && info.Dir {
				return &fault.Error{Code: fault.Invalid, Field: l.field, Message: "is a folder: " + *l.to, Remedy: "Name a file in it: " + filepath.Join(*l.to, "out.log")}
			}
		}
	}
	if o.LogFile != nil {
		switch path := text(o.LogFile); {
		case *o.LogFile == "":
			a.LogFile = defaultFile
		case path == "" || path == NoLog || path == "NULL":
			a.LogFile = ""
		default:
			a.LogFile = absolute(m, a.Cwd, path)
		}
	}
	if o.LogType != nil {
		a.LogType = text(o.LogType)
	}
	if o.MergeLogs != nil {
		a.MergeLogs = *o.MergeLogs
	}
	if o.LogDate != nil {
		a.LogDate = text(o.LogDate)
	}
	if o.LogMode != nil {
		mode := text(o.LogMode)
		if mode != "" && mode != "raw" {
			return &fault.Error{Code: fault.Unsupported, Field: "--log", Message: "only raw is known, not " + printable(mode), Remedy: "Leave it out, or give --log raw: the app then writes its log files itself."}
		}
		a.LogMode = mode
	}
	return nil
}

func (a *App) applyRestarts(_ Machine, o Options) error {
	if o.Autorestart != nil {
		a.Autorestart = *o.Autorestart
	}
	if o.Autostart != nil {
		a.NoAutostart = !*o.Autostart
	}
	if o.MaxRestarts != nil {
		if a.MaxRestarts = *o.MaxRestarts; a.MaxRestarts == Reset {
			a.MaxRestarts = DefaultMaxRestarts
		}
		if a.MaxRestarts < 0 {
			return negative("--max-restarts", strconv.Itoa(a.MaxRestarts))
		}
	}
	if o.StopExitCodes != nil {
		a.StopExitCodes = slices.Clone(*o.StopExitCodes)
		for _, code := range a.StopExitCodes {
			if code < 0 || code > 255 {
				return &fault.Error{Code: fault.Invalid, Field: "--stop-exit-codes", Message: fmt.Sprintf("%d is not an exit code", code), Remedy: "Exit codes go from 0 to 255."}
			}
		}
	}
	for _, d := range []struct {
		field   string
		given   *time.Duration
		to      *time.Duration
		without time.Duration
	}{
		{"--min-uptime", o.MinUptime, &a.MinUptime, DefaultMinUptime},
		{"--max-age", o.MaxAge, &a.MaxAge, 0},
		{"--hang-timeout", o.HangTimeout, &a.HangTimeout, 0},
		{"--restart-delay", o.RestartDelay, &a.RestartDelay, 0},
		{"--exp-backoff-restart-delay", o.Backoff, &a.Backoff, 0},
		{"--kill-timeout", o.KillTimeout, &a.KillTimeout, DefaultKillTimeout},
		{"--drain-timeout", o.DrainTimeout, &a.DrainTimeout, DefaultDrainTimeout},
		{"--listen-timeout", o.ListenTimeout, &a.ListenTimeout, a.listenTimeout()},
	} {
		if err := duration(d.field, d.given, d.to, d.without); err != nil {
			return err
		}
	}
	a.MinUptime = max(a.MinUptime, leastUptime)
	for field, d := range map[string]time.Duration{"--max-age": a.MaxAge, "--hang-timeout": a.HangTimeout} {
		if d > 0 && d < leastAge {
			return &fault.Error{Code: fault.Invalid, Field: field, Message: d.String() + " is too short", Remedy: "Give " + leastAge.String() + " or more."}
		}
	}
	if o.MaxMemory != nil {
		var err error
		a.MaxMemory, err = Memory(text(o.MaxMemory))
		return err
	}
	return nil
}

// leastAge bounds MaxAge and HangTimeout: the process must have time to come up, or
// to collect its garbage.
const leastAge = time.Second

// Memory reads 300M, 1.5G, 64K or bytes, as PM2 does.
func Memory(word string) (uint64, error) {
	if word == "" {
		return 0, nil
	}
	number := strings.TrimSuffix(strings.ToUpper(word), "B")
	unit := 1.0
	for i, letter := range []string{"K", "M", "G", "T"} {
		if rest, ok := strings.CutSuffix(number, letter); ok {
			number, unit = rest, math.Pow(1024, float64(i+1))
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n > 0) || n*unit >= 1<<62 {
		return 0, &fault.Error{
			Code: fault.Invalid, Field: "--max-memory-restart", Message: "not an amount of memory: " + printable(word),
			Remedy: "Give a number with a unit: 300M, 1.5G.",
		}
	}
	return uint64(n * unit), nil
}

// applyLimits is about what the kernel lets the processes have.
func (a *App) applyLimits(_ Machine, o Options) (err error) {
	if o.CPULimit != nil {
		if a.CPULimit, err = share(text(o.CPULimit)); err != nil {
			return err
		}
	}
	if o.MemoryLimit == nil {
		return nil
	}
	a.MemoryLimit, err = Memory(text(o.MemoryLimit))
	if f, ok := err.(*fault.Error); ok {
		f.Field = "--memory-limit"
	}
	if err == nil && a.MemoryLimit > 0 && a.MemoryLimit < leastMemory {
		err = &fault.Error{Code: fault.Invalid, Field: "--memory-limit", Message: text(o.MemoryLimit) + " is too little for any program", Remedy: "Give 1M or more."}
	}
	return err
}

// leastMemory bounds MemoryLimit.
const leastMemory = 1 << 20

// share reads a number of CPUs, 0.5, or a part of one, 50%.
func share(word string) (float64, error) {
	if word == "" {
		return 0, nil
	}
	number, percent := strings.CutSuffix(word, "%")
	n, err := strconv.ParseFloat(number, 64)
	if percent {
		n /= 100
	}
	if err != nil || !(n >= 0.01 && n <= 10_000) {
		return 0, &fault.Error{
			Code: fault.Invalid, Field: "--cpu-limit", Message: "not a number of CPUs: " + printable(word),
			Remedy: "Give how many it may use, 0.5 or 2, or a part of one, 50%.",
		}
	}
	return n, nil
}

func duration(field string, given, to *time.Duration, without time.Duration) error {
	if given == nil {
		return nil
	}
	switch d := *given; {
	case d == Reset:
		*to = without
	case d < 0:
		return negative(field, d.String())
	case d > longest:
		return &fault.Error{Code: fault.Invalid, Field: field, Message: d.String() + " is too long", Remedy: "The longest time is 30 days."}
	default:
		*to = d
	}
	return nil
}

// Duration reads milliseconds, as PM2 does, or a number with a unit: 2s, 1m30s.
func Duration(word string) (time.Duration, error) {
	ms, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return time.ParseDuration(word)
	}
	// What is too long in any case must not overflow.
	return time.Duration(max(-1, min(ms, int64(2*longest/time.Millisecond)))) * time.Millisecond, nil
}

func negative(field, value string) error {
	return &fault.Error{Code: fault.Invalid, Field: field, Message: value + " is negative", Remedy: "Give 0 or more."}
}

func (a *App) applyStop(_ Machine, o Options) error {
	if o.StopSignal != nil {
		a.StopSignal = a.defaultSignal()
		if word := text(o.StopSignal); word != "" {
			name := strings.ToUpper(word)
			if !strings.HasPrefix(name, "SIG") {
				name = "SIG" + name
			}
			if !slices.Contains(stopSignals, name) {
				return &fault.Error{
					Code: fault.Invalid, Field: "--stop-signal", Message: "cannot stop with " + printable(word),
					Remedy: "Signals that stop are " + strings.Join(stopSignals, ", ") + ".",
				}
			}
			a.StopSignal = name
		}
	}
	if o.Drain != nil {
		a.Drain = *o.Drain
	}
	if o.Exclusive != nil {
		a.Exclusive = *o.Exclusive
	}
	if o.Metrics != nil {
		a.NoMetrics = !*o.Metrics
	}
	if o.Sticky != nil {
		a.Sticky = *o.Sticky
	}
	if o.MaxConnections != nil {
		if a.MaxConnections = max(0, *o.MaxConnections); *o.MaxConnections < Reset {
			return negative("--max-connections", strconv.Itoa(*o.MaxConnections))
		}
	}
	if o.Standby != nil {
		a.Standby = max(0, *o.Standby)
		if *o.Standby < Reset || *o.Standby > mostStandby {
			return &fault.Error{
				Code: fault.Invalid, Field: "--standby", Message: strconv.Itoa(*o.Standby) + " is no number of processes to have ready",
				Remedy: "Give a small one: 1 is enough for an app of which one worker dies at a time.",
			}
		}
	}
	if o.TreeKill != nil {
		a.TreeKill = *o.TreeKill
	}
	if o.StopMessage != nil {
		a.StopMessage = *o.StopMessage
	}
	if o.WaitReady != nil {
		a.WaitReady = *o.WaitReady
	}
	return nil
}

// stopSignals are those by which a process may be asked to end.
var stopSignals = []string{"SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGABRT", "SIGKILL", "SIGWINCH"}
