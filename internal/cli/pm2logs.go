package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/logs"
)

// How PM2 writes times before lines. Lines that were there before it looked have none.
const (
	pm2Stamp      = "YYYY-MM-DD-HH:mm:ss"
	pm2KeyedStamp = pm2Stamp + "ZZ"
)

// pm2Looks are --timestamp and --highlight.
func (p *linePrinter) pm2Looks() {
	if format := p.c.values.text("timestamp"); format != nil {
		if *format == "true" || *format == "" {
			format = new(pm2Stamp)
		}
		p.stamp = logs.NewStamp(*format)
	}
	if mark := deref(p.c.values.text("highlight")); mark != "true" {
		p.mark = mark
	}
}

// keyed is --format: a line of KEY=value.
func (p *linePrinter) keyed(line event.LogLine) error {
	if line.At.IsZero() {
		return p.prefixed(line)
	}
	if p.stamp == nil {
		p.stamp = logs.NewStamp(pm2KeyedStamp)
	}
	stream := "out"
	if line.Stream == "err" {
		stream = "error"
	}
	for text := range strings.Lines(line.Text) {
		if _, err := fmt.Fprintf(p.out, "timestamp=%s app=%s id=%d type=%s message=%s\n", p.stamp.Text(line.At.Local()), clean(line.App), line.ID, stream, strings.TrimRight(text, "\n")); err != nil {
			return err
		}
	}
	return nil
}

// attachTime is how long start --attach shows what is written.
const attachTime = 10 * time.Second

// attach follows what the instances write, for a while: start --attach.
func (c *command) attach(ctx context.Context, svc api.Service, out event.Outcome) error {
	var ids []string
	for _, in := range out.Instances {
		ids = append(ids, strconv.Itoa(in.ID))
	}
	if len(ids) == 0 {
		return nil
	}
	c.say("[PM2][INFO] Log streaming apps id: %s, exit with Ctrl-C or will exit in 10secs\n", strings.Join(ids, " "))
	ctx, cancel := context.WithTimeout(ctx, attachTime)
	defer cancel()
	p := c.linePrinter(ctx, svc)
	show := p.format
	p.format = func(line event.LogLine) error {
		for _, in := range out.Instances {
			if in.ID == line.ID {
				return show(line)
			}
		}
		return nil
	}
	err := c.follow(ctx, svc, api.LogsRequest{Follow: true}, p)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded) || stopped(ctx, err) {
		return nil
	}
	return err
}
