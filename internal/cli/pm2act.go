package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
)

// alone is a verb that takes no operand.
func alone(run func(context.Context, *command, operands) error) func(context.Context, *command, operands) error {
	return func(ctx context.Context, c *command, o operands) error {
		if len(o.args) > 0 {
			c.say("[PM2] Unknown command argument: %s\n\n%s", clean(o.args[0]), c.dialect.overview())
			return errTold
		}
		return run(ctx, c, o)
	}
}

// defaultConfig is what start without an operand starts.
const defaultConfig = "ecosystem.config.js"

func pm2Start(ctx context.Context, c *command, o operands) error {
	opts, err := c.pm2Options(o)
	if err != nil {
		return err
	}
	if c.values.on("container") {
		return c.startContainer(ctx, o)
	}
	if len(o.args) == 0 {
		o.args = []string{defaultConfig}
	}
	var served api.Service // with --no-daemon, the daemon that is there all the same
	if c.values.on("no-daemon") {
		if served, err = c.daemon.Connect(ctx); fault.CodeOf(err) == fault.Unavailable {
			return runRuntime(ctx, c, o)
		} else if err != nil {
			return err
		}
	}
	if c.values.on("write") {
		if err := c.writeApps(o.args, opts); err != nil {
			return err
		}
	}
	err = c.each(ctx, o.args, spec.Restarting, "started", func(svc api.Service, word string) (event.Outcome, error) {
		return svc.Start(ctx, spec.Start{Word: word, Options: opts, Force: c.values.on("force"), Caller: c.pm2Caller()})
	})
	if err == nil && served != nil {
		err = c.followAll(ctx, served)
	}
	return err
}

// pm2Caller is the caller with the environment that PM2 would give its apps.
func (c *command) pm2Caller() spec.Caller {
	caller := spec.Caller{Cwd: c.Cwd, Env: c.values.filtered(c.Env)}
	caller.Env = slices.DeleteFunc(slices.Clone(caller.Env), func(kv string) bool {
		key, _, _ := strings.Cut(kv, "=")
		return slices.Contains([]string{"PM2_HOME", "PM2_USAGE", "unique_id"}, key)
	})
	caller.Env = append(caller.Env, "PM2_HOME="+c.home.Dir, "PM2_USAGE=CLI", "unique_id="+newUUID())
	return caller
}

// newUUID is a random one (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// sectionless refuses --env where there is no configuration file to have sections.
func (c *command) sectionless(targets []string) error {
	if !c.values.given("env") || slices.ContainsFunc(targets, spec.IsConfig) {
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Field: "--env", Message: "names a section of a configuration file, and none is given",
		Remedy: "Name the file, or set the variable and add --update-env.",
	}
}

func pm2Restart(ctx context.Context, c *command, o operands) error {
	opts, err := c.pm2Options(o)
	if err == nil {
		err = c.sectionless(o.args)
	}
	if err != nil {
		return err
	}
	opts.Instances = nil // their number stays, and PM2 says nothing
	return c.each(ctx, o.args, spec.Restarting, "restarted", func(svc api.Service, target string) (event.Outcome, error) {
		return svc.Restart(ctx, spec.Act{Target: target, Options: opts, Caller: c.pm2Caller()})
	})
}

// lockTime is how long a reload lock holds.
const lockTime = 30 * time.Second

func pm2Reload(ctx context.Context, c *command, o operands) error {
	opts, err := c.pm2Options(o)
	if err == nil {
		err = c.sectionless(o.args)
	}
	if err != nil {
		return err
	}
	opts.Instances = nil
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	stale := lockTime
	if ms, err := strconv.Atoi(c.env("PM2_RELOAD_LOCK_TIMEOUT")); err == nil {
		stale = time.Duration(ms) * time.Millisecond
	}
	unlock, err := c.home.LockReload(time.Now(), stale, c.values.on("force"))
	if err != nil {
		return err
	}
	parallel := 2
	if n, err := strconv.Atoi(c.env("PM2_CONCURRENT_ACTIONS")); err == nil && n > 0 {
		parallel = n
	}
	if n := c.values.number("parallel"); n != nil {
		parallel = max(1, *n)
	}
	for _, target := range o.args {
		c.verb = "reload " + clean(target)
		if spec.IsConfig(target) {
			if _, err = c.applyFile(ctx, svc, target, spec.Reloading); err != nil {
				break
			}
			continue
		}
		var out event.Outcome
		out, err = svc.Reload(ctx, spec.Act{Target: target, Options: opts, Parallel: parallel, Caller: c.pm2Caller()})
		c.tell("reloaded", out)
		if err != nil {
			break
		}
	}
	if uerr := unlock(); err == nil {
		err = uerr
	}
	return err
}

func pm2Scale(ctx context.Context, c *command, o operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	c.verb = "scale " + clean(o.args[0])
	if o.args[1] == "0" { // as PM2 has it: nothing of the app is left
		return act("deleted", serviceDelete)(ctx, c, operands{args: o.args[:1]})
	}
	out, err := svc.Scale(ctx, o.args[0], o.args[1])
	switch fault.CodeOf(err) {
	case "":
	case fault.NotFound:
		return &fault.Error{Code: fault.NotFound, Message: "Application " + clean(o.args[0]) + " not found"}
	case fault.Invalid, fault.Conflict:
		return &fault.Error{Code: fault.Conflict, Message: "Nothing to do"}
	default:
		return err
	}
	c.tell("scaled", out)
	return c.conclude(ctx, svc, out)
}

// pm2Send knows ids only.
func pm2Send(ctx context.Context, c *command, o operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	c.verb = "send " + clean(o.args[0])
	if !digits(o.args[0]) {
		return &fault.Error{Code: fault.NotFound, Message: "no process has the id " + clean(o.args[0]), Remedy: "pm2 ls shows the ids."}
	}
	to, err := receiver(ctx, svc, o.args[0])
	if err != nil {
		return err
	}
	if err := svc.WriteLine(ctx, to.ID, o.args[1]); err != nil {
		return err
	}
	return c.conclude(ctx, svc, event.Outcome{Instances: []event.Instance{to}})
}

// pm2Signal takes what PM2 takes: a name as signal(7) has it, and a name or an id.
func pm2Signal(ctx context.Context, c *command, o operands) error {
	signal, target := o.args[0], o.args[1]
	c.verb = "sendSignal " + clean(target)
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(signal, "SIG") {
		return &fault.Error{Code: fault.Invalid, Message: "unknown signal " + clean(signal), Remedy: "Give its whole name, such as SIGUSR2."}
	}
	out, err := svc.Signal(ctx, target, signal)
	if err != nil {
		return err
	}
	c.tell("got "+clean(signal), out)
	return c.conclude(ctx, svc, out)
}

func pm2Kill(ctx context.Context, c *command, _ operands) error {
	svc, err := c.daemon.Connect(ctx)
	if fault.CodeOf(err) == fault.Unavailable {
		c.done("no daemon runs in %s", c.home.Dir)
		return nil
	}
	if err != nil {
		return err
	}
	if err := c.end(ctx, svc); err != nil {
		return err
	}
	c.done("all applications and the daemon are stopped")
	return nil
}

// pm2Update saves the list and makes the daemon this program. The counters begin
// anew, as they would with PM2.
func pm2Update(ctx context.Context, c *command, _ operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	snap, err := svc.List(ctx, event.Query{Brief: true, Specs: true})
	if err == nil && len(snap.Instances) > 0 {
		err = c.home.Save(pm2.Dump(snap))
	}
	if err == nil {
		err = runUpgrade(ctx, c, operands{})
	}
	if err == nil && len(snap.Instances) > 0 {
		_, err = svc.Reset(ctx, spec.Act{Target: "all"})
	}
	if err != nil {
		return err
	}
	return c.conclude(ctx, svc, event.Outcome{})
}

// configPath is where the default configuration file is.
func (c *command) configPath() string { return filepath.Join(c.Cwd, defaultConfig) }
