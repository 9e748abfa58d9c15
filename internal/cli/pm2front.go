package cli

import (
	"context"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/logs"
)

// noDaemonStamp stands before each line of start --no-daemon.
const noDaemonStamp = "HH:mm:ss"

// noDaemon changes how the foreground is shown to start --no-daemon's: the list, then
// lines with the time and the process before them; and it goes on when nothing runs.
func (c *command) noDaemon(s starting, m *manner) Console {
	start := m.start
	m.start = func(ctx context.Context, svc api.Service) error {
		err := start(ctx, svc)
		if lerr := c.conclude(ctx, svc, event.Outcome{}); err == nil {
			err = lerr
		}
		return err
	}
	m.look = func(event.Snapshot) (time.Duration, bool) { return 0, false }
	return Console{Out: true, Stamp: func(t logs.Target) string {
		return logs.HeadStamp(noDaemonStamp + logs.Literal(" "+s.head(prefix(t.ID, t.App), prefix)))
	}}
}

// followAll shows what all apps write, for start --no-daemon where a daemon was there,
// until that one ends.
func (c *command) followAll(ctx context.Context, svc api.Service) error {
	p := c.linePrinter(ctx, svc)
	p.stamp = logs.NewStamp(noDaemonStamp)
	err := c.follow(ctx, svc, api.LogsRequest{Follow: true}, p)
	if stopped(ctx, err) || fault.CodeOf(err) == fault.Unavailable {
		return nil
	}
	return err
}
