package cli

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
)

// list asks for all state that q names.
func (c *command) list(ctx context.Context, q event.Query) (event.Snapshot, error) {
	svc, err := c.ensure(ctx)
	if err != nil {
		return event.Snapshot{}, err
	}
	return svc.List(ctx, q)
}

func runEnv(ctx context.Context, c *command, o operands) error {
	c.verb = "env " + clean(o.args[0])
	snap, err := c.list(ctx, event.Query{})
	if err != nil {
		return err
	}
	found := named(snap, o.args[0])
	if len(found) == 0 {
		return unknownApp(snap, o.args[0])
	}
	app := appOf(snap, found[0])
	if app == nil {
		return unknownApp(snap, o.args[0])
	}
	if c.values.on("json") {
		return c.json(app.Spec.Env)
	}
	for _, key := range slices.Sorted(maps.Keys(app.Spec.Env)) {
		value := app.Spec.Env[key]
		if c.Terminal {
			key, value = clean(key), clean(value)
		}
		c.data("%s: %s\n", key, value)
	}
	return nil
}

func runPid(ctx context.Context, c *command, o operands) error {
	snap, err := c.list(ctx, event.Query{Brief: true})
	if err != nil {
		return err
	}
	pids := []int{}
	for _, in := range snap.Instances {
		if in.PID > 0 && (len(o.args) == 0 || in.App == o.args[0]) {
			pids = append(pids, in.PID)
		}
	}
	if c.values.on("json") {
		return c.json(pids)
	}
	for _, pid := range pids {
		c.data("%d\n", pid)
	}
	return nil
}

func runID(ctx context.Context, c *command, o operands) error {
	snap, err := c.list(ctx, event.Query{Brief: true})
	if err != nil {
		return err
	}
	ids := []int{}
	for _, in := range snap.Instances {
		if in.App == o.args[0] {
			ids = append(ids, in.ID)
		}
	}
	if c.values.on("json") {
		return c.json(ids)
	}
	c.data("%s\n", idList(ids))
	return nil
}

func runFlush(ctx context.Context, c *command, o operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	target, what := "", "all logs"
	if len(o.args) > 0 {
		target, what = o.args[0], "logs of "+clean(o.args[0])
		c.verb = "flush " + clean(target)
	}
	if err := svc.Flush(ctx, target); err != nil {
		return err
	}
	c.done("%s emptied", what)
	return nil
}

func runPing(ctx context.Context, c *command, _ operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	info, err := svc.Ping(ctx)
	if err != nil {
		return err
	}
	if c.values.on("json") {
		return c.json(info)
	}
	c.data("{ msg: 'pong' }\n")
	return nil
}

// runKill does not start a daemon in order to end it.
func runKill(ctx context.Context, c *command, _ operands) error {
	svc, err := c.daemon.Connect(ctx)
	if fault.CodeOf(err) == fault.Unavailable {
		if c.values.on("json") {
			return c.json(map[string]bool{"killed": false})
		}
		c.done("no daemon runs in %s", c.daemon.Home())
		return nil
	}
	if err != nil {
		return err
	}
	if err := c.end(ctx, svc); err != nil {
		return err
	}
	if c.values.on("json") {
		return c.json(map[string]bool{"killed": true})
	}
	c.done("all apps and the daemon are stopped")
	return nil
}

// end stops everything and the daemon, and waits until its home is nobody's.
func (c *command) end(ctx context.Context, svc api.Service) error {
	info, err := svc.Ping(ctx)
	if err != nil {
		return err
	}
	ended := c.daemon.Ending(info)
	if err := svc.Kill(ctx); err != nil {
		return err
	}
	ended(ctx)
	return nil
}

func (c *command) version() error {
	if c.values.on("json") {
		return c.json(map[string]string{"version": c.Version})
	}
	c.data("%s\n", c.Version)
	return nil
}

// stopped says whether err is only the end of the wait.
func stopped(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}

// idList is how PM2 prints the ids of a name.
func idList(ids []int) string {
	if len(ids) == 0 {
		return "[]"
	}
	text := "[ "
	for i, id := range ids {
		if i > 0 {
			text += ", "
		}
		text += strconv.Itoa(id)
	}
	return text + " ]"
}
