package cli

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/config"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/machine"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
)

// A module is a package of npm that is run as an app. npm puts it into a folder beside;
// that takes its place when it is whole, and goes again if the module does not come up.
//
//	HOME/modules/NAME/node_modules/NAME    the package
//	HOME/module_conf.json                  what is installed, and what set stores for it

// moduleHome is where modules and what is stored for them are.
func (c *command) moduleHome() pm2.Home {
	if c.home != nil {
		return *c.home
	}
	dir := c.daemon.Home()
	return pm2.Home{Dir: dir, Modules: filepath.Join(dir, "modules"), ModuleConf: filepath.Join(dir, "module_conf.json")}
}

func runInstall(ctx context.Context, c *command, o operands) error {
	if _, err := c.safeTime(); err != nil {
		return err
	}
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	var all event.Outcome
	for _, word := range o.args {
		c.verb = "install " + clean(word)
		var out event.Outcome
		if word == "." {
			out, err = c.developModule(ctx, svc)
		} else {
			out, err = c.installModule(ctx, svc, word)
		}
		if err != nil {
			return err
		}
		merge(&all, out)
	}
	return c.conclude(ctx, svc, all)
}

// runModuleUpdate installs again from where it came.
func runModuleUpdate(ctx context.Context, c *command, o operands) error {
	conf, err := c.moduleHome().Conf()
	if err != nil {
		return err
	}
	for i, name := range o.args {
		source, installed := pm2.ModuleSource(conf, name)
		if !installed {
			return unknownModule(name, pm2.Modules(conf))
		}
		o.args[i] = source
	}
	return runInstall(ctx, c, o)
}

func unknownModule(name string, known []string) error {
	e := &fault.Error{Code: fault.NotFound, Message: "unknown module " + clean(name), Remedy: "No module is installed."}
	if len(known) > 0 {
		e.Remedy = "Installed are " + clean(strings.Join(known, ", ")) + "."
	}
	return e
}

// developModule runs the package of this folder where it is, and again when it changes.
func (c *command) developModule(ctx context.Context, svc api.Service) (event.Outcome, error) {
	m, err := pm2.ReadModule(c.Cwd)
	if err != nil {
		return event.Outcome{}, err
	}
	conf, err := c.moduleHome().Conf()
	if err != nil {
		return event.Outcome{}, err
	}
	pm2.AddModule(conf, m, "")
	if err := c.moduleHome().SetConf(conf); err != nil {
		return event.Outcome{}, err
	}
	out, err := c.startModule(ctx, svc, m, conf, true)
	if err == nil {
		c.tell("runs as a module, and again when a file changes", out)
	}
	return out, err
}

// installModule has npm fetch what word names, and runs it.
func (c *command) installModule(ctx context.Context, svc api.Service, word string) (out event.Outcome, err error) {
	home := c.moduleHome()
	staging, err := c.fetchModule(ctx, home, word)
	if err != nil {
		return out, err
	}
	defer os.RemoveAll(staging)
	name, err := fetched(staging)
	if err != nil {
		return out, err
	}
	if _, err := pm2.ReadModule(filepath.Join(staging, "node_modules", name)); err != nil {
		return out, err
	}
	if err := c.freeForModule(ctx, svc, name); err != nil {
		return out, err
	}
	place := filepath.Join(home.Modules, name)
	restore, err := replaceFolder(place, staging)
	if err != nil {
		return out, err
	}
	out, err = c.runInstalled(ctx, svc, name, c.source(word))
	if err != nil {
		rerr := restore()
		_, serr := os.Stat(place)
		restored := serr == nil
		if restored {
			_, again := c.runInstalled(ctx, svc, name, "")
			rerr = errors.Join(rerr, again)
		} else {
			_, gone := c.deleteModule(ctx, svc, name)
			rerr = errors.Join(rerr, gone)
		}
		if rerr != nil {
			c.warn("the module before it is not back: %v", rerr)
		}
		return out, notUp(err, restored)
	}
	return out, os.RemoveAll(oldOf(place))
}

// notUp is err of a module that did not come up, and is gone again.
func notUp(err error, restored bool) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code != fault.StartFailed {
		return err
	}
	e := *f
	e.Op, e.Remedy = "", "Nothing was changed: it is not installed."
	if restored {
		e.Remedy = "Nothing was changed: the one before it is back."
	}
	return &e
}

// freeForModule refuses the name of an app that is none of a module.
func (c *command) freeForModule(ctx context.Context, svc api.Service, name string) error {
	snap, err := svc.List(ctx, event.Query{Brief: true})
	if err != nil {
		return err
	}
	for _, in := range snap.Instances {
		if in.App == name && in.Module != name {
			return &fault.Error{Code: fault.Conflict, Message: "an app is called " + clean(name) + ", as the module is", Remedy: "Rename or delete the app first."}
		}
	}
	return nil
}

// runInstalled runs a module that is in its place. source is what it came from, "" for
// what is known of that.
func (c *command) runInstalled(ctx context.Context, svc api.Service, name, source string) (out event.Outcome, err error) {
	home := c.moduleHome()
	m, err := pm2.ReadModule(home.ModuleDir(name))
	if err != nil {
		return out, err
	}
	conf, err := home.Conf()
	if err != nil {
		return out, err
	}
	if source == "" {
		source, _ = pm2.ModuleSource(conf, name)
	}
	m.Name = name
	pm2.AddModule(conf, m, source)
	if out, err = c.startModule(ctx, svc, m, conf, false); err != nil {
		return out, err
	}
	if err := c.staysUp(ctx, svc, name); err != nil {
		return out, err
	}
	if err := home.SetConf(conf); err != nil {
		return out, err
	}
	for _, in := range out.Instances { // a new one, whatever was there
		if _, err := svc.Reset(ctx, spec.Act{Target: in.App, Caller: spec.Caller{Cwd: "/"}}); err != nil {
			return out, err
		}
	}
	c.tell("runs as a module", out)
	return out, nil
}

// startModule starts the apps of a module, or restarts them as they are now.
func (c *command) startModule(ctx context.Context, svc api.Service, m pm2.Module, conf *pm2.Object, watch bool) (event.Outcome, error) {
	apps, err := moduleApps(m, storedEnv(conf, m.Name), watch)
	if err != nil {
		return event.Outcome{}, err
	}
	if err := c.freeForModule(ctx, svc, m.Name); err != nil {
		return event.Outcome{}, err
	}
	caller := c.caller()
	caller.Cwd = m.Dir
	caller.Env = append(slices.DeleteFunc(slices.Clone(caller.Env), func(kv string) bool { return strings.HasPrefix(kv, "PWD=") }), "PWD="+m.Dir)
	if c.home != nil {
		for i := range apps {
			apps[i].Options.Shown = map[string]any{"cwd": m.Dir}
		}
	}
	out, err := svc.Apply(ctx, spec.Apply{Apps: apps, How: spec.Restarting, UpdateEnv: true, Caller: caller})
	return out.Outcome, err
}

// moduleApps are the apps that a module declares. One alone is called as the module is.
func moduleApps(m pm2.Module, env map[string]string, watch bool) ([]spec.Declared, error) {
	tree, err := config.Decode(config.JSON, m.Apps)
	if err != nil {
		return nil, err
	}
	if _, one := tree.(map[string]any); one {
		tree = []any{tree}
	}
	f := config.Read(map[string]any{"apps": tree}, config.Query{Cwd: m.Dir, ReadFile: machine.OS{}.ReadFile})
	if err := f.Err(false); err != nil {
		return nil, err
	}
	for i := range f.Apps {
		o := &f.Apps[i].Options
		if len(f.Apps) == 1 || o.Name == nil {
			o.Name = &m.Name
		}
		o.Module = &m.Name
		if o.Cwd == nil {
			o.Cwd = &m.Dir
		}
		if o.Env == nil {
			o.Env = map[string]string{}
		}
		maps.Copy(o.Env, env)
		if watch {
			o.Watch = &watch
		}
	}
	return f.Apps, nil
}

// safeTime is how long --safe looks at a module, and safeRestarts what it bears.
const (
	safeTime     = 3 * time.Second
	safeRestarts = 2
)

// safeTime is how long --safe looks; 0 where it is not given.
func (c *command) safeTime() (time.Duration, error) {
	if !c.values.given("safe") {
		return 0, c.values.err
	}
	if s := c.values.text("safe"); *s == "true" {
		return safeTime, nil
	}
	d := c.values.duration("safe")
	return *d, c.values.err
}

// staysUp looks at a module for a while, with --safe, and says whether it keeps ending.
func (c *command) staysUp(ctx context.Context, svc api.Service, name string) error {
	look, err := c.safeTime()
	if err != nil || look == 0 {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, look)
	defer cancel()
	unstable := &fault.Error{Code: fault.StartFailed, Message: "it keeps ending"}
	first := map[int]int{}
	err = svc.Watch(limit, "", func(ev event.Event) error {
		list := []event.Instance{}
		if ev.Snapshot != nil {
			list = ev.Snapshot.Instances
		} else if ev.Instance != nil {
			list = append(list, *ev.Instance)
		}
		for _, in := range list {
			if in.Module != name {
				continue
			}
			if _, seen := first[in.ID]; !seen {
				first[in.ID] = in.Restarts
			}
			if in.Restarts-first[in.ID] > safeRestarts || in.Phase == lifecycle.Failed {
				return unstable
			}
		}
		return nil
	})
	if limit.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

func runUninstall(ctx context.Context, c *command, o operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	conf, err := c.moduleHome().Conf()
	if err != nil {
		return err
	}
	names := o.args
	if slices.Contains(names, "all") {
		names = slices.Clone(pm2.Modules(conf))
	}
	for _, name := range names {
		c.verb = "uninstall " + clean(name)
		deleted, err := c.deleteModule(ctx, svc, name)
		if err != nil {
			return err
		}
		_, installed := pm2.ModuleSource(conf, name)
		if !installed && deleted == 0 {
			return unknownModule(name, pm2.Modules(conf))
		}
		if installed {
			if err := os.RemoveAll(filepath.Join(c.moduleHome().Modules, name)); err != nil {
				return err
			}
			pm2.RemoveModule(conf, name)
			if err := c.moduleHome().SetConf(conf); err != nil {
				return err
			}
		}
		c.done("module %s is gone; what is stored for it stays", clean(name))
	}
	return c.conclude(ctx, svc, event.Outcome{})
}

// deleteModule deletes the apps of a module, and tells how many there were.
func (c *command) deleteModule(ctx context.Context, svc api.Service, name string) (int, error) {
	snap, err := svc.List(ctx, event.Query{Brief: true})
	if err != nil {
		return 0, err
	}
	var apps []string
	for _, in := range snap.Instances {
		if in.Module == name && !slices.Contains(apps, in.App) {
			apps = append(apps, in.App)
		}
	}
	for _, app := range apps {
		if _, err := svc.Delete(ctx, spec.Act{Target: app, Caller: spec.Caller{Cwd: "/"}}); err != nil {
			return 0, err
		}
	}
	return len(apps), nil
}

// startModules starts what is installed and does not run, with a daemon that has just
// been started. One that cannot be started keeps nothing else from being done.
func (c *command) startModules(ctx context.Context, svc api.Service) {
	home := c.moduleHome()
	conf, err := home.Conf()
	if err != nil {
		c.report(err)
		return
	}
	names := pm2.Modules(conf)
	if len(names) == 0 {
		return
	}
	snap, err := svc.List(ctx, event.Query{Brief: true})
	if err != nil {
		c.report(err)
		return
	}
	for _, name := range names {
		if slices.ContainsFunc(snap.Instances, func(in event.Instance) bool { return in.Module == name }) {
			continue
		}
		m, err := pm2.ReadModule(home.ModuleDir(name))
		if err == nil {
			m.Name = name
			_, err = c.startModule(ctx, svc, m, conf, false)
		}
		if err != nil {
			e := c.asFault(err)
			e.Op = "module " + clean(name)
			c.report(e)
		}
	}
}

// modulesOf parts the list: apps, and those of modules.
func modulesOf(list []event.Instance) (apps, modules []event.Instance) {
	for _, in := range list {
		if in.Module == "" {
			apps = append(apps, in)
		} else {
			modules = append(modules, in)
		}
	}
	return apps, modules
}

// moduleTitle is above their table.
func moduleTitle(n int) string {
	if n == 1 {
		return "Module"
	}
	return "Modules"
}
