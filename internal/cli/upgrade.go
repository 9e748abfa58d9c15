package cli

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
)

// runUpgrade does not start a daemon in order to upgrade it.
func runUpgrade(ctx context.Context, c *command, o operands) error {
	program := c.Program
	if len(o.args) > 0 {
		if program = o.args[0]; !filepath.IsAbs(program) {
			program = filepath.Join(c.Cwd, program)
		}
	}
	svc, err := c.daemon.Connect(ctx)
	if fault.CodeOf(err) == fault.Unavailable {
		return &fault.Error{
			Code: fault.Unavailable, Message: "no daemon runs in " + c.daemon.Home(),
			Remedy: "The next command starts one, of the program that carries it out.",
		}
	}
	if err != nil {
		return err
	}
	before, err := svc.Ping(ctx)
	if err != nil {
		return err
	}
	were, err := livePIDs(ctx, svc)
	if err != nil {
		return err
	}
	failed := svc.Upgrade(ctx, program)
	if fault.CodeOf(failed) != fault.Unavailable {
		return failed
	}
	after, err := nextPing(ctx, svc)
	switch {
	case err != nil:
		return err
	case after.StartedAt.Equal(before.StartedAt):
		return failed
	case after.PID != before.PID:
		return &fault.Error{
			Code: fault.StartFailed, Message: clean(program) + " ended before it served; tend " + after.Version + " was started again, and the apps run on",
			Remedy: "See " + filepath.Join(c.daemon.Home(), "tend.log") + ".",
		}
	}
	if c.values.on("json") {
		return c.json(after)
	}
	are, err := livePIDs(ctx, svc)
	if err != nil {
		return err
	}
	same := 0
	for _, pid := range were {
		if slices.Contains(are, pid) {
			same++
		}
	}
	c.done("the daemon is tend %s now, before %s; its pid is %d as before, and %d of %d processes run on",
		clean(after.Version), clean(before.Version), after.PID, same, len(were))
	return nil
}

func livePIDs(ctx context.Context, svc api.Service) (pids []int, err error) {
	snap, err := svc.List(ctx, event.Query{Brief: true})
	for _, in := range snap.Instances {
		if in.PID > 0 {
			pids = append(pids, in.PID)
		}
	}
	return pids, err
}

// patience is how often the daemon that follows may break off before it answers,
// with a pause after each.
const (
	patience  = 40
	pingPause = 50 * time.Millisecond
)

// nextPing asks the daemon that follows. It is no poll: each question waits in the
// socket until somebody takes it, or breaks off when that one ends.
func nextPing(ctx context.Context, svc api.Service) (info event.Info, err error) {
	for range patience {
		if info, err = svc.Ping(ctx); fault.CodeOf(err) != fault.Unavailable {
			return info, err
		}
		select {
		case <-time.After(pingPause):
		case <-ctx.Done():
			return info, ctx.Err()
		}
	}
	return info, err
}
