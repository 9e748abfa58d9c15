package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/pm2"
)

func pm2Save(ctx context.Context, c *command, _ operands) error {
	snap, err := c.list(ctx, event.Query{Brief: true, Specs: true})
	if err != nil {
		return err
	}
	if len(snap.Instances) == 0 && !c.values.on("force") {
		c.say("[PM2][WARN] there is no process to save, so nothing was; --force saves an empty list\n")
		return nil
	}
	if err := c.home.Save(pm2.Dump(snap)); err != nil {
		return err
	}
	c.done("saved %s in %s", count(len(snap.Instances), "process"), c.home.Dump)
	return nil
}

func pm2Cleardump(ctx context.Context, c *command, _ operands) error {
	if _, err := c.ensure(ctx); err != nil {
		return err
	}
	if err := pm2.Replace(c.home.Dump, []byte("[]")); err != nil {
		return err
	}
	c.done("%s is empty now", c.home.Dump)
	return nil
}

// pm2Resurrect starts what of the dump has a name that is not in the list.
func pm2Resurrect(ctx context.Context, c *command, _ operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	snap, err := svc.List(ctx, event.Query{Brief: true})
	if err != nil {
		return err
	}
	dump, broken, err := c.home.Saved()
	if err != nil {
		return err
	}
	for _, path := range broken {
		c.warn("%s was no dump, and is deleted", path)
	}
	if dump == nil {
		c.say("[PM2][WARN] there is no dump at %s; pm2 save makes one\n", c.home.Dump)
	}
	var all event.Outcome
	for _, o := range dump {
		req, stopped := pm2.Request(o, shownKeys(), c.env("PATH"))
		if slices.ContainsFunc(snap.Instances, func(in event.Instance) bool { return in.App == *req.Options.Name }) {
			continue
		}
		c.verb = "resurrect " + clean(*req.Options.Name)
		if stopped {
			req.Options.Autostart, req.Options.Shown["autostart"] = new(false), o.Get("autostart")
		}
		out, err := svc.Start(ctx, req)
		if err != nil {
			c.report(err) // the others come back all the same
			continue
		}
		c.tell("restored", out)
		merge(&all, out)
	}
	return c.conclude(ctx, svc, all)
}

// shownKeys are the attributes of a record that are only shown.
func shownKeys() []string {
	keys := []string{"time", "_km_monitored"}
	for _, f := range pm2FlagList {
		key, _, _ := strings.Cut(f.shown, "=")
		keys = append(keys, key)
	}
	return keys
}
