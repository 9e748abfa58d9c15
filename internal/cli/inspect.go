package cli

import (
	"context"
	"strconv"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// runInspect asks processes of Node for their debugger, by the signal that Node has for
// it. Others die of that signal, and do not get it.
func runInspect(ctx context.Context, c *command, o operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	word := o.args[0]
	c.verb = "inspect " + clean(word)
	snap, err := svc.List(ctx, event.Query{Brief: true, Specs: true})
	if err != nil {
		return err
	}
	found := named(snap, word)
	if len(found) == 0 {
		return unknownApp(snap, word)
	}
	for _, in := range found {
		switch {
		case in.Spec == nil || in.Spec.Runtime != spec.Node:
			return &fault.Error{Code: fault.Unsupported, Message: clean(in.App) + " is not run by Node", Remedy: "Its own debugger takes the pid: " + c.dialect.name + " pid " + clean(in.App)}
		case in.PID == 0:
			return &fault.Error{Code: fault.Conflict, Message: clean(in.App) + " does not run", Remedy: "Start it: " + c.dialect.name + " start " + clean(in.App)}
		}
	}
	for _, in := range found {
		if _, err := svc.Signal(ctx, strconv.Itoa(in.ID), "SIGUSR1"); err != nil {
			return err
		}
	}
	c.done("asked for the debugger of %s; its address is in: %s logs %[1]s --err", clean(word), c.dialect.name)
	return nil
}
