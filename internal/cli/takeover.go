package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/machine"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/pm2rpc"
	"github.com/tendproc/tend/internal/spec"
)

var importVerbs = []verb{
	{
		use: "import pm2", short: "Take over the apps of a PM2", least: 1, most: 1,
		topics: []topic{importing, homing, planning, general}, run: runImport,
		long: `Asks the PM2 that runs in the home, or reads what it has saved (dump.pm2), and
starts the same apps here: names, flags, environment, instances; what was stopped
is known and stopped. Each app is stopped there before it is started here, and
started there again if it does not come up here. At the end PM2's daemon is ended;
with --keep it stays, with its apps stopped. dump.pm2 is not touched, so that
pm2 resurrect is the way back.

What will be otherwise is said of each app. Modules of PM2 are left out.`,
		example: `tend import pm2 --dry-run
tend import pm2
tend import pm2 --home /srv/app/.pm2 --keep`,
	},
}

// importTime bounds each thing asked of PM2.
const importTime = time.Minute

// imported is what became of an app of PM2.
type imported struct {
	Name      string   `json:"name"`
	Instances int      `json:"instances"`
	Up        bool     `json:"up"`
	Do        string   `json:"do"` // "import", "skip"
	Why       string   `json:"why,omitempty"`
	Notes     []string `json:"notes,omitempty"`
}

// importation is a PM2 that is taken over.
type importation struct {
	c       *command
	home    pm2.Home
	running bool
	apps    []pm2.Foreign
	done    []imported
}

func runImport(ctx context.Context, c *command, o operands) error {
	if o.args[0] != "pm2" {
		return &fault.Error{Code: fault.Unsupported, Message: "cannot import from " + clean(o.args[0]), Remedy: "tend imports from pm2."}
	}
	i := &importation{c: c, home: pm2.HomeOf(c.env, c.env("HOME"))}
	if dir := deref(c.values.text("home")); dir != "" {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(c.Cwd, dir)
		}
		i.home = pm2.HomeOf(func(key string) string {
			if key == "PM2_HOME" {
				return dir
			}
			return ""
		}, "")
	}
	if err := i.read(ctx); err != nil {
		return err
	}
	svc, err := i.daemon(ctx)
	if err != nil {
		return err
	}
	if err := i.run(ctx, svc); err != nil {
		return err
	}
	return i.report()
}

// daemon is ours: for a dry run the one that is there, or nil.
func (i *importation) daemon(ctx context.Context) (api.Service, error) {
	if !i.dry() {
		return i.c.ensure(ctx)
	}
	svc, err := i.c.daemon.Connect(ctx)
	if fault.CodeOf(err) == fault.Unavailable {
		return nil, nil
	}
	return svc, err
}

func (i *importation) dry() bool { return i.c.values.on("dry-run") }

// read asks the daemon of the home, or reads its dump.
func (i *importation) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, importTime)
	defer cancel()
	var records []*pm2.Object
	text, err := pm2rpc.Call(ctx, i.home.RPC, "getMonitorData")
	switch {
	case err == nil:
		i.running = true
		var list []struct {
			Env *pm2.Object `json:"pm2_env"`
		}
		if err := json.Unmarshal(text, &list); err != nil {
			return fmt.Errorf("read what pm2 answers: %w", err)
		}
		for _, r := range list {
			records = append(records, r.Env)
		}
	case fault.CodeOf(err) != fault.Unavailable:
		return err
	default:
		if records, err = readDump(i.home.Dump); err != nil {
			return err
		}
	}
	i.apps = pm2.Foreigners(records, i.home, i.c.env("PATH"))
	return nil
}

func readDump(path string) (records []*pm2.Object, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fault.Error{
			Code: fault.NotFound, Field: "--home", Message: "no pm2 runs there, and there is no " + path,
			Remedy: "Give the PM2_HOME by --home; pm2 save makes the file.",
		}
	}
	if err == nil {
		err = json.Unmarshal(text, &records)
	}
	if err != nil {
		return nil, &fault.Error{Code: fault.Invalid, Field: "--home", Message: path + " is no dump of pm2", Err: err, Remedy: "pm2 save makes it."}
	}
	return records, nil
}

// run takes the apps over, one after the other, and then ends PM2. A dry run says
// what it would come to, as far as the machine can tell.
func (i *importation) run(ctx context.Context, svc api.Service) error {
	known, err := names(ctx, svc)
	if err != nil {
		return err
	}
	did := "is imported"
	if i.dry() {
		did = "would be imported"
	}
	var failed error
	for _, app := range i.apps {
		switch {
		case app.Module:
			i.leave(app, &fault.Error{Message: "a module of PM2"})
		case known[app.Name]:
			i.leave(app, &fault.Error{Message: "tend has an app of that name", Remedy: "To have PM2's in its place: tend delete " + shellQuote(app.Name) + ", and import again."})
			failed = errTold
		default:
			if err := i.move(ctx, svc, app); err != nil {
				i.leave(app, i.c.asFault(err))
				failed = errTold
				continue
			}
			i.note(app, did)
		}
	}
	if failed != nil {
		return errors.Join(i.report(), failed)
	}
	if !i.running || i.c.values.on("keep") || i.dry() {
		return nil
	}
	return i.end(ctx)
}

// names are those of the apps that svc has; a nil one has none.
func names(ctx context.Context, svc api.Service) (map[string]bool, error) {
	known := map[string]bool{}
	if svc == nil {
		return known, nil
	}
	snap, err := svc.List(ctx, event.Query{Brief: true})
	for _, in := range snap.Instances {
		known[in.App] = true
	}
	return known, err
}

// end ends PM2's daemon, and returns when it has.
func (i *importation) end(ctx context.Context) error {
	var daemon event.Info
	if text, err := os.ReadFile(i.home.PID); err == nil {
		daemon.PID, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	ended := i.c.daemon.Ending(daemon)
	ctx, cancel := context.WithTimeout(ctx, importTime)
	defer cancel()
	if _, err := pm2rpc.Call(ctx, i.home.RPC, "killMe"); err != nil && ctx.Err() != nil {
		return fmt.Errorf("end pm2's daemon: %w", err)
	} // else it breaks off when it ends
	ended(ctx)
	return nil
}

// move stops an app there, and starts it here; or there again. What cannot be started
// here is not stopped there.
func (i *importation) move(ctx context.Context, svc api.Service, app pm2.Foreign) error {
	_, err := spec.Resolve(machine.OS{}, filepath.Join(i.c.daemon.Home(), "logs"), app.Request)
	if err != nil || i.dry() {
		return because("it cannot be started here", err)
	}
	if i.running && app.Up {
		if err := i.tell(ctx, "stopProcessId", app); err != nil {
			return err
		}
	}
	_, err = svc.Start(ctx, app.Request)
	err = because("it did not come up here", err)
	if err == nil || !i.running || !app.Up {
		return err
	}
	if _, derr := svc.Delete(ctx, spec.Act{Target: app.Name}); derr != nil && fault.CodeOf(derr) != fault.NotFound {
		return errors.Join(err, derr)
	}
	if terr := i.tell(ctx, "restartProcessId", app); terr != nil {
		return errors.Join(err, terr)
	}
	return err
}

// tell asks PM2 to do something with each process of app.
func (i *importation) tell(ctx context.Context, method string, app pm2.Foreign) error {
	ctx, cancel := context.WithTimeout(ctx, importTime)
	defer cancel()
	for _, id := range app.IDs {
		var arg any = json.RawMessage(id)
		if method == "restartProcessId" {
			arg = map[string]any{"id": json.RawMessage(id)}
		}
		if _, err := pm2rpc.Call(ctx, i.home.RPC, method, arg); err != nil {
			return fmt.Errorf("pm2: %w", err)
		}
	}
	return nil
}

// because says what an error of the machine or the daemon means for an app.
func because(what string, err error) error {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		told := *e
		told.Message = what + ": " + e.Message
		return &told
	}
	return err
}

// leave notes that an app is not imported, and why.
func (i *importation) leave(app pm2.Foreign, why *fault.Error) {
	i.done = append(i.done, imported{Name: app.Name, Instances: len(app.IDs), Up: app.Up, Do: "skip", Why: why.Message, Notes: app.Notes})
	if i.c.silent {
		return
	}
	i.c.complain(yellow, i.c.dialect.marks.warn, &fault.Error{Message: app.Name + " is left out: " + why.Message, Remedy: why.Remedy, Log: why.Log})
}

func (i *importation) note(app pm2.Foreign, did string) {
	i.done = append(i.done, imported{Name: app.Name, Instances: len(app.IDs), Up: app.Up, Do: "import", Notes: app.Notes})
	state := "stopped"
	if app.Up {
		state = "running"
	}
	i.c.done("%s %s (%s, %s)", clean(app.Name), did, count(len(app.IDs), "process"), state)
	for _, n := range app.Notes {
		i.c.say("    %s\n", n)
	}
}

func (i *importation) report() error {
	c := i.c
	if c.values.on("json") {
		return c.json(map[string]any{"home": i.home.Dir, "running": i.running, "apps": i.done})
	}
	switch {
	case len(i.apps) == 0:
		c.say("pm2 has no apps in %s\n", i.home.Dir)
	case i.dry():
		c.say("Nothing was changed.\n")
	case i.running && c.values.on("keep"):
		c.say("pm2's daemon runs on, its apps are stopped. If it starts with the machine: pm2 unstartup\n")
	default:
		c.say("If pm2 starts with the machine: pm2 unstartup, and then: tend startup. The way back: tend kill, pm2 resurrect\n")
	}
	return nil
}
