package spec

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/fault"
)

// Resolve makes an app of the word and options of a start command, in tend's own
// way: see [Profile.Resolve].
func Resolve(m Machine, logDir string, req Start) (App, error) {
	return Profile{LogDir: logDir}.Resolve(m, req)
}

// ResolveDeclared makes an app of what a configuration file says of it, in tend's
// own way: see [Profile.ResolveDeclared].
func ResolveDeclared(m Machine, logDir string, d Declared, caller Caller) (App, error) {
	return Profile{LogDir: logDir}.ResolveDeclared(m, d, caller)
}

// Resolve makes an app of the word and options of a start command. Errors are
// faults that name the flag in Field and what to do in Remedy.
func (p Profile) Resolve(m Machine, req Start) (App, error) {
	op := "start " + printable(req.Word)
	if IsConfig(req.Word) {
		return App{}, during(op, configFault(req.Word))
	}
	a, err := p.resolve(m, req)
	return a, during(op, err)
}

// ResolveDeclared makes an app of what a configuration file says of it.
func (p Profile) ResolveDeclared(m Machine, d Declared, caller Caller) (App, error) {
	a, err := p.resolve(m, Start{Word: d.Word, Options: d.Options, Caller: caller})
	name := text(d.Options.Name)
	if name == "" {
		name = d.Word
	}
	a.Origin = d.Origin
	if e, ok := err.(*fault.Error); ok { // in the words of files
		e.Field = strings.ReplaceAll(strings.TrimPrefix(e.Field, "--"), "-", "_")
	}
	return a, during(printable(name), err)
}

func (p Profile) resolve(m Machine, req Start) (App, error) {
	o, a := req.Options, p.defaults()
	dir, err := folder(m, req.Caller.Cwd, req.Caller.Cwd, text(o.Cwd))
	if err != nil {
		return App{}, err
	}
	a.Cwd = dir
	f := newFinder(m, a.Cwd, req.Caller)
	if p.PM2 { // it looks in the app's folder alone
		f.caller = a.Cwd
	}
	what, err := f.find(req.Word, text(o.Interpreter))
	if err != nil {
		return App{}, err
	}
	a.adopt(what)
	if a.StopSignal == "" {
		a.StopSignal = a.defaultSignal()
	}
	if o.FilterEnv != nil {
		a.FilterEnv = list(o.FilterEnv)
	}
	if a.Env, err = overlay(without(environ(req.Caller.Env), a.FilterEnv), o.Env); err != nil {
		return App{}, err
	}
	for _, kv := range req.Caller.Env {
		if key, value, _ := strings.Cut(kv, "="); p.PM2 && slices.Contains(pm2Told, key) {
			a.Env[key] = value
		}
	}
	a.own(o.Env)
	a.Mode = Fork
	if o.Instances != nil && a.Runtime == Node {
		a.Mode = Cluster
	}
	a.Numbered = o.Instances != nil
	a.Name = what.name
	if text(o.Name) == "" && checkName(a.Name) != nil {
		a.Name = "app"
	}
	if err := a.apply(m, fromEnv(a.Env, o)); err != nil {
		return App{}, err
	}
	p.place(&a)
	return a, a.settle(m)
}

// With returns the app with the options laid over it, as restart and reload
// do: what is not given stays, also the environment, unless UpdateEnv lays the
// caller's over it. A value "null" takes an attribute back to its default. Log
// files stay where they are when the name changes.
func (a App) With(m Machine, o Options, caller Caller) (App, error) {
	if o.Cwd != nil {
		dir, err := folder(m, caller.Cwd, a.Cwd, *o.Cwd)
		if err != nil {
			return App{}, err
		}
		a.Cwd = dir
	}
	if o.Interpreter != nil && !a.Shell {
		given := text(o.Interpreter)
		f := newFinder(m, a.Cwd, caller)
		if f.path == "" {
			f.path = a.Env["PATH"]
		}
		p, err := f.interpreted(a.Script, given)
		if err != nil {
			return App{}, err
		}
		was, wasSignal := a.Runtime, a.defaultSignal()
		a.adopt(p)
		if a.StopSignal == wasSignal {
			a.StopSignal = a.defaultSignal()
		}
		if was == Node && a.Runtime != Node && o.Mode == nil {
			a.Mode, a.Scheduler = Fork, ""
		}
	}
	if o.FilterEnv != nil {
		a.FilterEnv = list(o.FilterEnv)
	}
	own := map[string]string{}
	if o.UpdateEnv {
		own = without(environ(caller.Env), a.FilterEnv)
	}
	env, err := overlay(a.Env, own)
	if err != nil {
		return App{}, err
	}
	if a.Env, err = overlay(env, o.Env); err != nil {
		return App{}, err
	}
	a.own(o.Env)
	if o.Instances != nil {
		a.Numbered = true
	}
	before := a.Standby
	if err := a.apply(m, o); err != nil {
		return App{}, err
	}
	if a.Standby != before {
		return App{}, &fault.Error{
			Code: fault.Invalid, Field: "--standby", Message: "how many wait is settled when the app is started, and " + strconv.Itoa(before) + " do",
			Remedy: "Delete the app and start it with --standby, or write standby into a file and tend apply it.",
		}
	}
	return a, a.settle(m)
}

// fromEnv gives the options that PM2's variables stand for, where they are not given.
func fromEnv(env map[string]string, o Options) Options {
	if sig := env["PM2_KILL_SIGNAL"]; sig != "" && o.StopSignal == nil {
		o.StopSignal = &sig
	}
	if ms, err := strconv.Atoi(env["PM2_KILL_TIMEOUT"]); err == nil && o.KillTimeout == nil {
		grace := time.Duration(ms) * time.Millisecond
		o.KillTimeout = &grace
	}
	if env["PM2_KILL_USE_MESSAGE"] != "" && o.StopMessage == nil {
		yes := true
		o.StopMessage = &yes
	}
	return o
}

func newFinder(m Machine, cwd string, caller Caller) finder {
	f := finder{m: m, cwd: cwd, caller: caller.Cwd}
	for _, kv := range caller.Env {
		if path, ok := strings.CutPrefix(kv, "PATH="); ok {
			f.path = path
		}
	}
	return f
}

// adopt takes over how the app is executed.
func (a *App) adopt(p program) {
	a.Script, a.Shell, a.Interpreter, a.Runtime = p.script, p.shell, p.interpreter, p.runtime
	a.InterpreterArgs = p.args
}

// settle derives what follows from the rest of the app, and checks what only
// the whole shows.
func (a *App) settle(m Machine) error {
	a.Version = version(m, *a)
	if !a.PM2 || a.Shown["cwd"] != nil { // PM2 leaves it to the caller
		a.Env["PWD"] = a.Cwd
	}
	if strings.Contains(filepath.Base(a.Interpreter), "python") {
		if _, ok := a.Env["PYTHONUNBUFFERED"]; !ok {
			a.Env["PYTHONUNBUFFERED"] = "1"
		}
	}
	if err := a.checkFork(); err != nil {
		return err
	}
	if err := a.checkSticky(); err != nil {
		return err
	}
	if a.MaxConnections > 0 && (a.Mode != Cluster || a.Scheduler != "" && a.Scheduler != RoundRobin && (a.Runtime != Node || !a.Drain)) {
		return &fault.Error{
			Code: fault.Invalid, Field: "--max-connections", Message: "nobody counts the connections of these processes",
			Remedy: "It is for clusters: of Node workers with the preload, or of any with the scheduler rr. --max-age is for all.",
		}
	}
	if a.Standby > 0 && a.Mode != Cluster {
		return &fault.Error{
			Code: fault.Invalid, Field: "--standby", Message: "is for cluster mode, and this app runs in fork mode",
			Remedy: "Give a number of instances: -i 2",
		}
	}
	if err := a.checkIncrement(); err != nil {
		return err
	}
	if a.Mode != Cluster {
		if a.Scheduler != "" {
			return &fault.Error{
				Code: fault.Invalid, Field: "--scheduler", Message: "is for cluster mode, and this app runs in fork mode",
				Remedy: "Give a number of instances (-i 2) to a Node app, or --exec-mode cluster.",
			}
		}
		return nil
	}
	if a.Shell {
		return &fault.Error{
			Code: fault.Invalid, Field: "--exec-mode", Message: "a shell line cannot be a cluster worker",
			Remedy: "Name the script itself: tend start app.js -i 2",
		}
	}
	if a.Scheduler == "" {
		a.Scheduler = RoundRobin
	}
	return nil
}

func (a *App) checkIncrement() error {
	first := a.Env[a.IncrementVar]
	if _, err := strconv.Atoi(first); a.IncrementVar == "" || err == nil {
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Field: "increment_var", Message: a.IncrementVar + " is not a number: " + printable(strconv.Quote(first)),
		Remedy: "Give the variable of the first instance: env: { " + a.IncrementVar + ": 3000 }.",
	}
}

// folder resolves the working folder and checks that it can be entered. An
// empty given is the folder of the caller.
func folder(m Machine, caller, now, given string) (string, error) {
	dir := now
	if given != "" {
		dir = absolute(m, caller, given)
	}
	e := &fault.Error{Code: fault.Invalid, Field: "--cwd", Remedy: "Give the path of a folder that tend may enter: --cwd /srv/app"}
	if !filepath.IsAbs(dir) {
		e.Message = "not an absolute path: " + printable(dir)
		return "", e
	}
	switch info, err := m.Stat(dir); {
	case err != nil:
		e.Message, e.Err = dir, err
	case !info.Dir:
		e.Message = "not a folder: " + dir
	case !info.Readable || !info.Executable:
		e.Code, e.Message = fault.Denied, "folder cannot be read: "+dir
	default:
		return dir, nil
	}
	return "", e
}

// version finds the version of the nearest package.json above the script.
func version(m Machine, a App) string {
	dir := filepath.Dir(a.Script)
	if a.Shell {
		dir = a.Cwd
	}
	for {
		if raw, err := m.ReadFile(filepath.Join(dir, "package.json")); err == nil {
			var pkg struct {
				Version string `json:"version"`
			}
			if json.Unmarshal(raw, &pkg) != nil {
				return ""
			}
			return printable(pkg.Version)
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// during says in err what was being done, where that is not said yet.
func during(op string, err error) error {
	if e, ok := err.(*fault.Error); ok && e.Op == "" {
		e.Op = op
	}
	return err
}

// fileName is a name as a part of a file name.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '-'
	}, name)
}

// text is the value of an optional word; "null" is none.
func text(s *string) string {
	if s == nil || *s == "null" {
		return ""
	}
	return *s
}

// list is the value of an optional list; one word "null" is none.
func list(s *[]string) []string {
	if slices.Equal(*s, []string{"null"}) {
		return nil
	}
	return slices.Clone(*s)
}
