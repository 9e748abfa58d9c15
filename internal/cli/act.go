package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// ensure reaches the daemon, and starts it where there is none.
func (c *command) ensure(ctx context.Context) (api.Service, error) {
	svc, err := c.daemon.Ensure(ctx)
	if err != nil {
		return nil, err
	}
	return svc, nil
}

func runStart(ctx context.Context, c *command, o operands) error {
	opts, err := c.declared(o)
	if err != nil {
		return err
	}
	return c.each(ctx, o.args, "started", func(svc api.Service, word string) (event.Outcome, error) {
		return svc.Start(ctx, spec.Start{Word: word, Options: opts, Force: c.values.on("force"), Caller: c.caller()})
	})
}

func runRestart(ctx context.Context, c *command, o operands) error {
	opts, err := c.declared(o)
	if err != nil {
		return err
	}
	return c.each(ctx, o.args, "restarted", func(svc api.Service, target string) (event.Outcome, error) {
		return svc.Restart(ctx, spec.Act{Target: target, Options: opts, Caller: c.caller()})
	})
}

// runReload prints no table: PM2 does not either.
func runReload(ctx context.Context, c *command, o operands) error {
	opts, err := c.declared(o)
	if err != nil {
		return err
	}
	parallel := 0
	if n := c.values.number("parallel"); n != nil {
		parallel = max(0, *n)
	}
	if c.values.err != nil {
		return c.values.err
	}
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	var all event.Outcome
	for _, target := range o.args {
		c.verb = "reload " + clean(target)
		out, err := svc.Reload(ctx, spec.Act{Target: target, Options: opts, Parallel: parallel, Caller: c.caller()})
		c.tell("reloaded", out)
		if err != nil {
			return err
		}
		merge(&all, out)
	}
	if c.values.on("json") {
		return c.json(all)
	}
	return nil
}

func serviceStop(ctx context.Context, s api.Service, a spec.Act) (event.Outcome, error) {
	return s.Stop(ctx, a)
}

func serviceDelete(ctx context.Context, s api.Service, a spec.Act) (event.Outcome, error) {
	return s.Delete(ctx, a)
}

func serviceReset(ctx context.Context, s api.Service, a spec.Act) (event.Outcome, error) {
	return s.Reset(ctx, a)
}

// act is a verb that takes targets and no options.
func act(past string, call func(context.Context, api.Service, spec.Act) (event.Outcome, error)) func(context.Context, *command, operands) error {
	return func(ctx context.Context, c *command, o operands) error {
		return c.each(ctx, o.args, past, func(svc api.Service, target string) (event.Outcome, error) {
			return call(ctx, svc, spec.Act{Target: target, Caller: spec.Caller{Cwd: c.Cwd}})
		})
	}
}

// declared reads the flags that say what an app is, and the app's own arguments.
func (c *command) declared(o operands) (spec.Options, error) {
	opts, err := c.values.options()
	if o.dashed {
		own := append([]string{}, o.own...)
		opts.Args = &own
	}
	return opts, err
}

// each does the same to one target after the other; the first failure ends it.
func (c *command) each(ctx context.Context, targets []string, past string, do func(api.Service, string) (event.Outcome, error)) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	var all event.Outcome
	verb := c.verb
	for _, target := range targets {
		c.verb = verb + " " + clean(target)
		out, err := do(svc, target)
		if err != nil {
			return err
		}
		c.tell(past, out)
		if len(out.Instances) == 0 {
			c.done("%s %s", clean(target), past)
		}
		merge(&all, out)
	}
	return c.conclude(ctx, svc, all)
}

// conclude prints what a command did: as JSON, or the table of everything.
func (c *command) conclude(ctx context.Context, svc api.Service, out event.Outcome) error {
	if c.values.on("json") {
		if out.Instances == nil {
			out.Instances = []event.Instance{}
		}
		return c.json(out)
	}
	if c.silent {
		return nil
	}
	snap, err := svc.List(ctx, true)
	if err != nil {
		return err
	}
	return c.printList(snap)
}

// tell prints a line an app, and the warnings.
func (c *command) tell(past string, out event.Outcome) {
	for _, w := range out.Warnings {
		c.warn("%s", clean(w))
	}
	for _, line := range summary(past, out.Instances) {
		c.done("%s", line)
	}
}

// summary is what was done, a line for each app in order of first appearance.
func summary(past string, list []event.Instance) []string {
	var names []string
	ids := map[string][]string{}
	for _, in := range list {
		if ids[in.App] == nil {
			names = append(names, in.App)
		}
		ids[in.App] = append(ids[in.App], strconv.Itoa(in.ID))
	}
	lines := make([]string, 0, len(names))
	for _, name := range names {
		n := ids[name]
		switch {
		case len(n) == 1:
			lines = append(lines, fmt.Sprintf("%s %s (id %s)", clean(name), past, n[0]))
		case len(n) <= 8:
			lines = append(lines, fmt.Sprintf("%s %s: %d instances (ids %s)", clean(name), past, len(n), strings.Join(n, ", ")))
		default:
			lines = append(lines, fmt.Sprintf("%s %s: %d instances (ids %s … %s)", clean(name), past, len(n), n[0], n[len(n)-1]))
		}
	}
	return lines
}

func merge(all *event.Outcome, out event.Outcome) {
	all.Instances = append(all.Instances, out.Instances...)
	all.Warnings = append(all.Warnings, out.Warnings...)
}

func runScale(ctx context.Context, c *command, o operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	c.verb = "scale " + clean(o.args[0])
	out, err := svc.Scale(ctx, o.args[0], o.args[1])
	if err != nil {
		return err
	}
	c.tell("scaled", out)
	return c.conclude(ctx, svc, out)
}

func runSend(ctx context.Context, c *command, o operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	c.verb = "send " + clean(o.args[0])
	id, err := strconv.Atoi(o.args[0])
	if err != nil {
		if id, err = c.onlyID(ctx, svc, o.args[0]); err != nil {
			return err
		}
	}
	line := strings.Join(append(append([]string{}, o.args[1:]...), o.own...), " ")
	if err := svc.WriteLine(ctx, id, line); err != nil {
		return err
	}
	c.done("sent to %s", clean(o.args[0]))
	return c.conclude(ctx, svc, event.Outcome{})
}

// onlyID is the id of an app that has one instance.
func (c *command) onlyID(ctx context.Context, svc api.Service, name string) (int, error) {
	snap, err := svc.List(ctx, false)
	if err != nil {
		return 0, err
	}
	found := named(snap, name)
	switch len(found) {
	case 0:
		return 0, unknownApp(snap, name)
	case 1:
		return found[0].ID, nil
	}
	return 0, &fault.Error{
		Code: fault.Invalid, Message: fmt.Sprintf("it has %d instances", len(found)),
		Remedy: "Give the id of the one that is meant: tend id " + clean(name),
	}
}

func runSignal(ctx context.Context, c *command, o operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	c.verb = "sendSignal " + clean(o.args[1])
	out, err := svc.Signal(ctx, o.args[1], o.args[0])
	if err != nil {
		return err
	}
	c.tell("got "+clean(o.args[0]), out)
	return c.conclude(ctx, svc, out)
}
