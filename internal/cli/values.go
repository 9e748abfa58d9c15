package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// values reads the flags of one command line. The first value that makes no
// sense is kept in err, and what follows reads as not given.
type values struct {
	fs  *pflag.FlagSet
	err error
}

func (v *values) given(name string) bool { return v.err == nil && v.fs.Changed(name) }

func (v *values) on(name string) bool {
	f := v.fs.Lookup(name)
	return f != nil && f.Value.String() == "true"
}

func (v *values) text(name string) *string {
	if !v.given(name) {
		return nil
	}
	s := v.fs.Lookup(name).Value.String()
	return &s
}

func (v *values) list(name string) []string {
	if !v.given(name) {
		return nil
	}
	list, ok := v.fs.Lookup(name).Value.(*texts)
	if !ok {
		return nil
	}
	return *list
}

// flag is the value a switch gives when it is thrown, else nil.
func (v *values) flag(name string, thrown bool) *bool {
	if !v.given(name) {
		return nil
	}
	on := v.on(name) == thrown
	return &on
}

func (v *values) bad(name, format string, args ...any) {
	if v.err == nil {
		v.err = &fault.Error{Code: fault.Invalid, Field: "--" + name, Message: fmt.Sprintf(format, args...)}
	}
}

func (v *values) number(name string) *int {
	s := v.text(name)
	if s == nil {
		return nil
	}
	n, err := strconv.Atoi(*s)
	if *s == "null" {
		n, err = spec.Reset, nil
	} else if err == nil && n < 0 {
		v.bad(name, "%d is negative: give 0 or more", n)
	}
	if err != nil {
		v.bad(name, "%q is not a number", *s)
	}
	return &n
}

// duration reads milliseconds, as PM2 does, or a number with a unit: 2s, 1m30s.
func (v *values) duration(name string) *time.Duration {
	s := v.text(name)
	if s == nil {
		return nil
	}
	if *s == "null" {
		d := time.Duration(spec.Reset)
		return &d
	}
	d, err := spec.Duration(*s)
	switch {
	case err != nil:
		v.bad(name, "%q is not a time: give milliseconds, or a unit as in 2s", *s)
	case d < 0:
		v.bad(name, "%s is negative: give 0 or more", *s)
	}
	return &d
}

// seconds reads seconds, as PM2 does for this one, or a number with a unit.
func (v *values) seconds(name string) *time.Duration {
	d := v.duration(name)
	if d != nil && digits(v.fs.Lookup(name).Value.String()) {
		*d *= 1000
	}
	return d
}

// parts are the words of a flag, parted by blanks or commas.
func (v *values) parts(name string) *[]string {
	if !v.given(name) {
		return nil
	}
	given := v.list(name)
	if given == nil {
		given = []string{*v.text(name)}
	}
	words := []string{}
	for _, one := range given {
		words = append(words, strings.FieldsFunc(one, func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	return &words
}

// watch reads --watch: alone, with paths, or false.
func (v *values) watch(o *spec.Options) {
	words := v.parts("watch")
	if words == nil {
		return
	}
	on := !slices.Contains(*words, "false") && !slices.Contains(*words, "null")
	paths := slices.DeleteFunc(*words, func(w string) bool { return w == "true" || w == "false" || w == "null" })
	o.Watch = &on
	if len(paths) > 0 {
		o.WatchPaths = &paths
	}
}

func (v *values) words(names ...string) *[]string {
	for _, name := range names {
		s := v.text(name)
		if s == nil {
			continue
		}
		words, err := spec.Words(*s)
		if err != nil {
			v.bad(name, "%v", err)
		}
		return &words
	}
	return nil
}

// each is the values of a flag that may be repeated, nil when it was not given.
func (v *values) each(name string) *[]string {
	if !v.given(name) {
		return nil
	}
	list := v.list(name)
	return &list
}

func (v *values) codes(name string) *[]int {
	if !v.given(name) {
		return nil
	}
	codes := []int{}
	for _, one := range v.list(name) {
		for s := range strings.FieldsFuncSeq(one, func(r rune) bool { return r == ',' || r == ' ' }) {
			n, err := strconv.Atoi(s)
			if s == "null" {
				continue
			}
			if err != nil {
				v.bad(name, "%q is not an exit code", s)
			}
			codes = append(codes, n)
		}
		if one == "" {
			v.bad(name, "needs at least one number: --stop-exit-codes 0 3")
		}
	}
	return &codes
}

// variables reads --env KEY=VALUE.
func (v *values) variables() map[string]string {
	list := v.list("env")
	if list == nil {
		return nil
	}
	env := map[string]string{}
	for _, kv := range list {
		key, value, ok := strings.Cut(kv, "=")
		if !ok && key != "" {
			continue // a section, see below
		}
		if key == "" {
			v.err = &fault.Error{
				Code: fault.Invalid, Field: "--env", Message: fmt.Sprintf("%q is not KEY=VALUE", kv),
				Remedy: "Write --env KEY=value, once for each variable.",
			}
		}
		env[key] = value
	}
	return env
}

// section reads --env NAME, which chooses env_NAME of a configuration file.
func (v *values) section() (name string) {
	for _, word := range v.list("env") {
		if !strings.Contains(word, "=") {
			name = word
		}
	}
	return name
}

// only reads --only "a,b c".
func (v *values) only() (names []string) {
	for _, list := range v.list("only") {
		names = append(names, strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	return names
}

// options are the flags that say what an app is.
func (v *values) options() (spec.Options, error) {
	o := spec.Options{
		Name: v.text("name"), Namespace: v.text("namespace"), Instances: v.text("instances"),
		Mode: v.text("exec-mode"), Scheduler: v.text("scheduler"), Interpreter: v.text("interpreter"),
		InterpreterArgs: v.words("node-args", "interpreter-args"),
		Cwd:             v.text("cwd"), Env: v.variables(), UpdateEnv: v.on("update-env"),
		OutFile: v.text("output"), ErrorFile: v.text("error"), MergeLogs: v.flag("merge-logs", true),
		LogDate: v.text("log-date-format"), LogMode: v.text("log"),
		MemoryLimit: v.text("memory-limit"), CPULimit: v.text("cpu-limit"),
		Autostart: v.flag("no-autostart", false), DependsOn: v.parts("depends-on"),
		Autorestart: v.flag("no-autorestart", false), MaxRestarts: v.number("max-restarts"),
		MinUptime: v.duration("min-uptime"), RestartDelay: v.duration("restart-delay"),
		Backoff: v.duration("exp-backoff-restart-delay"), StopExitCodes: v.codes("stop-exit-codes"),
		MaxMemory: v.text("max-memory-restart"), MaxAge: v.duration("max-age"), HangTimeout: v.duration("hang-timeout"),
		IgnoreWatch: v.parts("ignore-watch"), WatchDelay: v.seconds("watch-delay"), WatchExt: v.parts("ext"),
		Cron: v.text("cron-restart"), StopSignal: v.text("stop-signal"), KillTimeout: v.duration("kill-timeout"),
		Drain: v.flag("no-drain", false), Metrics: cmp.Or(v.flag("no-pmx", false), v.flag("no-automation", false)), Sticky: v.flag("sticky", true), Standby: v.number("standby"), MaxConnections: v.number("max-connections"), DrainTimeout: v.duration("drain-timeout"),
		TreeKill: v.flag("no-treekill", false), StopMessage: v.flag("shutdown-with-message", true),
		WaitReady: v.flag("wait-ready", true), ListenTimeout: v.duration("listen-timeout"),
		Listen: v.each("listen"), Overlap: v.flag("overlap", true), Probe: v.text("probe"),
		InstanceVar: v.text("instance-var"), UID: v.text("uid"), GID: v.text("gid"),
	}
	v.watch(&o)
	if v.on("execute-command") {
		fork := "fork"
		o.Mode = &fork
	}
	if v.on("time") && o.LogDate == nil {
		format := spec.StampTime
		o.LogDate = &format
	}
	if v.on("disable-logs") {
		none := spec.NoLog
		o.OutFile, o.ErrorFile = &none, &none
	}
	return o, v.err
}

// filtered leaves out the variables whose name contains a text of --filter-env.
func (v *values) filtered(env []string) []string {
	texts := v.list("filter-env")
	if len(texts) == 0 {
		return env
	}
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		key, _, _ := strings.Cut(kv, "=")
		return key != "PATH" && slices.ContainsFunc(texts, func(t string) bool { return t != "" && strings.Contains(key, t) })
	})
}
