package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/logs"
)

// tailLines is how many lines of each file logs shows first.
const tailLines = 15

func runLogs(ctx context.Context, c *command, o operands) error {
	req := api.LogsRequest{Lines: tailLines, Follow: !c.values.on("nostream")}
	if len(o.args) == 1 {
		c.verb = "logs " + clean(o.args[0])
	}
	if n := c.values.number("lines"); n != nil {
		req.Lines = max(0, *n)
	}
	if c.values.err != nil {
		return c.values.err
	}
	switch err, out := c.values.on("err"), c.values.on("out"); {
	case err && !out:
		req.Stream = "err"
	case out && !err:
		req.Stream = "out"
	}
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	p := c.linePrinter(ctx, svc)
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	err = inTurn(o.args, req.Follow, cancel, func(target string) error {
		req := req
		req.Target = target
		return c.follow(reading, svc, req, p)
	})
	if flushErr := p.out.Flush(); err == nil {
		err = flushErr
	}
	if req.Follow && stopped(ctx, err) {
		return nil // Ctrl-C is how one ends it
	}
	return err
}

// inTurn does something with each target, for none with "": all at once where they go
// on until the first error, which stops the others.
func inTurn(targets []string, atOnce bool, stop func(), do func(target string) error) error {
	if len(targets) == 0 {
		return do("")
	}
	if !atOnce {
		for _, target := range targets {
			if err := do(target); err != nil {
				return err
			}
		}
		return nil
	}
	errs := make(chan error, len(targets))
	for _, target := range targets {
		go func() { errs <- do(target) }() // all are waited for
	}
	var first error
	for range targets {
		if err := <-errs; err != nil && first == nil {
			first = err
			stop()
		}
	}
	return first
}

// follow prints log lines. A daemon that is upgraded or killed is followed by
// another one, and so is what it tells; lines of the moment between are in the files.
func (c *command) follow(ctx context.Context, svc api.Service, req api.LogsRequest, p *linePrinter) error {
	for {
		err := svc.Logs(ctx, req, p.print)
		if !req.Follow || fault.CodeOf(err) != fault.Unavailable {
			return err
		}
		if _, gone := nextPing(ctx, svc); gone != nil {
			return err
		}
		c.warn("the daemon was replaced; following on")
		req.Lines = 0
	}
}

// linePrinter writes log lines in the form asked for.
type linePrinter struct {
	c      *command
	mu     sync.Mutex // guards what follows: targets are read at once
	out    *bufio.Writer
	names  int // width of the widest "id|name"
	format func(event.LogLine) error

	stamp *logs.Stamp // nil for none
	mark  string      // text to be highlighted; "" for none
}

func (c *command) linePrinter(ctx context.Context, svc api.Service) *linePrinter {
	p := &linePrinter{c: c, out: bufio.NewWriterSize(c.Out, 64<<10)}
	switch {
	case c.values.on("json"):
		p.format = p.json
	case c.values.on("raw"):
		p.format = p.raw
	case c.home != nil && c.values.on("format"):
		p.format = p.keyed
	default:
		p.format = p.prefixed
		if c.home != nil {
			p.pm2Looks()
		}
		if snap, err := svc.List(ctx, event.Query{Brief: true}); err == nil {
			for _, in := range snap.Instances {
				p.names = max(p.names, width(prefix(in.ID, in.App)))
			}
		}
	}
	return p
}

// print writes one line through: whoever follows waits for it.
func (p *linePrinter) print(line event.LogLine) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.format(line); err != nil {
		return err
	}
	return p.out.Flush()
}

func prefix(id int, app string) string { return strconv.Itoa(id) + "|" + clean(app) }

func (p *linePrinter) prefixed(line event.LogLine) error {
	who := prefix(line.ID, line.App)
	p.names = max(p.names, width(who))
	head := pad(cell{who, ""}, min(p.names, 30), false, p.c.paint) + " | "
	shade := palette[max(0, line.ID)%len(palette)]
	if line.Stream == "err" {
		shade = red
	}
	text := line.Text
	if p.mark != "" && !line.At.IsZero() {
		text = strings.ReplaceAll(text, p.mark, p.c.paint(marked, p.mark))
	}
	if p.stamp != nil && !line.At.IsZero() {
		head = p.c.paint(dim, p.stamp.Text(line.At.Local())+" ") + p.c.paint(shade, head)
	} else {
		head = p.c.paint(shade, head)
	}
	_, err := fmt.Fprintf(p.out, "%s%s\n", head, text)
	return err
}

func (p *linePrinter) raw(line event.LogLine) error {
	if p.c.home != nil && line.Stream == "err" { // as PM2
		_, err := fmt.Fprintf(p.c.Err, "%s\n", line.Text)
		return err
	}
	_, err := fmt.Fprintf(p.out, "%s\n", line.Text)
	return err
}

// javaScriptTime is the form in which JavaScript writes a time of UTC.
const javaScriptTime = "2006-01-02T15:04:05.000Z"

// json writes PM2's form of a line; the time is that of writing, where known.
func (p *linePrinter) json(line event.LogLine) error {
	form := struct {
		Message   string `json:"message"`
		Timestamp string `json:"timestamp,omitempty"`
		Type      string `json:"type"`
		ID        int    `json:"process_id"`
		App       string `json:"app_name"`
	}{line.Text, "", line.Stream, line.ID, line.App}
	if !line.At.IsZero() {
		form.Timestamp = line.At.UTC().Format(javaScriptTime)
	}
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(form)
}
