package cli

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"

	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/logs"
	"github.com/tendproc/tend/internal/pm2"
)

// RunPM2Runtime is [Run] by the name of pm2-runtime: apps in the foreground.
func RunPM2Runtime(ctx context.Context, args []string, stdio IO, p PM2) int {
	n := frontName{name: pm2.RuntimeName, usage: runtimeUsage, bare: errTold, flags: runtimeFlags}
	return runFront(ctx, args, stdio, p, n.dialect(verb{short: "start apps in the foreground of a container", run: runRuntime}))
}

// RunPM2Dev is [Run] by the name of pm2-dev: apps in the foreground, started again when
// their files change.
func RunPM2Dev(ctx context.Context, args []string, stdio IO, p PM2) int {
	n := frontName{name: pm2.DevName, usage: devUsage, flags: devFlags}
	return runFront(ctx, args, stdio, p, n.dialect(verb{short: "start apps in the foreground, and again when files change", run: runDev}))
}

// frontName is a name of PM2 that stays in the foreground.
type frontName struct {
	name, usage string
	bare        error     // without an operand, when usage is told
	flags       []pm2Flag // that pm2 has not, or otherwise
}

const runtimeUsage = `usage: pm2-runtime [options] [start] <app.js|file>

Runs apps in the foreground, for containers. This is tend, by the name of
pm2-runtime; pm2-runtime -h lists the options.
`

const devUsage = `usage: pm2-dev [options] [start] <app.js|file>

Runs apps in the foreground and starts them again when files change. This is
tend, by the name of pm2-dev; pm2-dev -h lists the options.
`

// runFront gives args the one verb there is.
func runFront(ctx context.Context, args []string, stdio IO, p PM2, d *dialect) int {
	c := &command{IO: stdio, dialect: d, home: &p.Home, own: stdio.Version}
	c.Version = pm2.Version
	c.daemon = &pm2Daemon{Daemon: p.Daemon, c: c}
	if len(args) > 0 && args[0] == "start" {
		args = args[1:]
	}
	if len(args) > 0 {
		args = append([]string{"start"}, args...)
	}
	return run(ctx, args, c)
}

// runtimeFlags are the options that pm2-runtime has and pm2 has not.
var runtimeFlags = []pm2Flag{
	{name: "formatted"},
	{name: "delay", value: "SECONDS"},
	{name: "no-auto-exit"},
	{name: "watch"},
	{name: "secret", value: "KEY", optional: true, ignored: true},
	{name: "public", value: "KEY", optional: true, ignored: true},
	{name: "machine-name", value: "NAME", optional: true, ignored: true},
	{name: "web", value: "PORT", optional: true, ignored: true},
}

// devFlags are the options that pm2-dev has and pm2 has not.
var devFlags = []pm2Flag{
	{name: "timestamp"},
	{name: "ignore", value: "FILES", optional: true},
	{name: "post-exec", value: "COMMAND", optional: true},
	{name: "silent-exec"},
	{name: "test-mode"},
	{name: "auto-exit"},
}

var foregroundUsages = map[string]string{
	"formatted": "the process before each line", "format": "each line as key=value", "json": "each line as an object",
	"delay": "wait so long before the start", "no-auto-exit": "stay when nothing runs any more",
	"watch": "start an app again when its files change", "timestamp": "the time before each line",
	"ignore": "names or paths whose changes do not count, with commas between", "post-exec": "run after each restart that a change caused",
	"silent-exec": "do not show what that writes", "test-mode": "start by a daemon, and return", "auto-exit": "end when nothing runs any more",
}

// dialect is pm2's with one verb, and with flags of its own.
func (n frontName) dialect(only verb) *dialect {
	only.use, only.most, only.stays = "start FILE|PROGRAM", -1, true
	only.topics = []topic{declare, showing, ignored, general}
	d := pm2Dialect()
	d.name, d.verbs, d.flags = n.name, [][]verb{{only}}, pm2Flags()
	for _, f := range n.flags {
		s := flagSpec{name: f.name, value: f.value, topic: ignored, usage: "accepted for PM2's sake"}
		if f.optional {
			s.value = "[" + f.value + "]"
		}
		d.flags = slices.DeleteFunc(d.flags, func(s flagSpec) bool { return s.name == f.name })
		d.flags = append(d.flags, s)
	}
	for i, f := range d.flags {
		if usage, ok := foregroundUsages[f.name]; ok {
			d.flags[i].usage, d.flags[i].topic = usage, showing
		}
	}
	named := func(arg string) (pm2Flag, bool) {
		for _, f := range n.flags {
			if arg == "--"+f.name {
				return f, true
			}
		}
		return pm2Named(arg)
	}
	d.prepare = func(args []string, fs *pflag.FlagSet) []string { return joinOptional(args, fs, named) }
	d.bare = func(c *command, _ *cobra.Command) error {
		c.data("%s", n.usage)
		return n.bare
	}
	return d
}

// pm2Starting is what the operands of pm2-runtime or pm2-dev ask for; nothing if usage
// was shown in place of it.
func (c *command) pm2Starting(ctx context.Context, o operands, change func(*starting)) (starting, error) {
	if len(o.args) == 0 {
		return starting{}, c.dialect.bare(c, nil)
	}
	opts, err := c.pm2Options(o)
	if err != nil {
		return starting{}, err
	}
	s, err := c.toStart(ctx, o.args[:1], opts)
	if err == nil && change != nil {
		change(&s)
	}
	return s, err
}

// Times of pm2-runtime's look whether anything runs.
const (
	firstLook = 4 * time.Second
	nextLook  = 2 * time.Second
	looks     = 4
)

func runRuntime(ctx context.Context, c *command, o operands) error {
	if c.env("PM2_RUNTIME_DEBUG") != "" && len(o.args) > 0 && !c.values.on("no-daemon") {
		return pm2Start(ctx, c, o)
	}
	s, err := c.pm2Starting(ctx, o, nil)
	if err != nil || len(s.names) == 0 {
		return err
	}
	delay := time.Duration(0)
	if d := c.values.seconds("delay"); d != nil {
		delay = *d
	}
	if c.values.err != nil {
		return c.values.err
	}
	t := &runtimeTeller{c: c, json: c.values.on("json"), seen: map[int]uint64{}, left: looks, next: time.Now().Add(firstLook)}
	t.log("Launching in no daemon mode")
	defer t.log("PM2 successfully stopped")
	m := manner{
		start: func(ctx context.Context, svc api.Service) error {
			select {
			case <-time.After(delay):
				return s.start(ctx, svc)
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		tell: t.event, look: t.look, stop: func(syscall.Signal) {}, code: pm2Code(2),
	}
	if c.values.on("no-auto-exit") {
		m.look = func(event.Snapshot) (time.Duration, bool) { return 0, false }
	}
	if c.values.on("no-daemon") && !c.values.on("json") && !c.values.on("format") {
		return c.stand(ctx, c.noDaemon(s, &m), m)
	}
	return c.stand(ctx, c.runtimeConsole(s), m)
}

// pm2Code is the exit code where nothing runs any more, or by the signal that ended it.
func pm2Code(over int) func(event.Snapshot, syscall.Signal) int {
	return func(_ event.Snapshot, asked syscall.Signal) int {
		switch asked {
		case 0:
			return over
		case syscall.SIGTERM, syscall.SIGINT:
			return exitOK
		}
		return 128 + int(asked)
	}
}

// runtimeConsole shows output as pm2-runtime does.
func (c *command) runtimeConsole(s starting) Console {
	switch {
	case c.values.on("json"):
		return Console{Out: true, Stamp: logs.JSONLine}
	case c.values.on("format"):
		return Console{Out: true, Stamp: func(t logs.Target) string {
			kind := t.Name
			if kind == "err" {
				kind = "error"
			}
			return logs.HeadStamp("[timestamp=]YYYY-MM-DD-HH:mm:ssZZ" + logs.Literal(fmt.Sprintf(" app=%s id=%d type=%s message=", clean(t.App), t.ID, kind)))
		}}
	case c.values.on("formatted"):
		return Console{Out: true, Stamp: func(t logs.Target) string {
			return logs.HeadStamp(logs.Literal(s.head(prefix(t.ID, t.App), prefix)))
		}}
	}
	return Console{}
}

// head is what stands before a line that who wrote, as wide as the widest by name.
func (s starting) head(who string, name func(int, string) string) string {
	widest := width(who)
	for i, app := range s.processes {
		widest = max(widest, width(name(i, app)))
	}
	return pad(cell{who, ""}, widest, false, paintNot) + "  | "
}

func paintNot(_ style, text string) string { return text }

// runtimeTeller tells of processes as PM2's daemon does.
type runtimeTeller struct {
	c    *command
	json bool
	seen map[int]uint64 // generation, by instance
	left int            // looks before it ends
	next time.Time      // look
}

// log prints a line of the daemon's log; not among objects.
func (t *runtimeTeller) log(format string, args ...any) {
	if !t.json && !t.c.silent {
		t.c.data("%s: PM2 log: %s\n", time.Now().Format("2006-01-02T15:04:05"), clean(fmt.Sprintf(format, args...)))
	}
}

// object is what is told of a process where lines are objects.
func (t *runtimeTeller) object(in *event.Instance, status string) {
	if t.json {
		_ = t.c.json(struct { // nobody to tell if standard output is gone
			Timestamp string `json:"timestamp"`
			Type      string `json:"type"`
			Status    string `json:"status"`
			App       string `json:"app_name"`
		}{time.Now().UTC().Format(javaScriptTime), "process_event", status, in.App})
	}
}

func (t *runtimeTeller) event(ev event.Event) task {
	in := ev.Instance
	if in == nil {
		return nil
	}
	if ev.Type == event.Exited && in.LastExit != nil {
		e := in.LastExit
		code, sig := max(0, e.Code), e.Signal
		if sig == "" {
			sig = "SIGINT" // as PM2 says it of all
		}
		t.log("App [%s:%d] exited with code [%d] via signal [%s]", in.App, in.ID, code, sig)
		t.object(in, "exit")
		if in.Phase == lifecycle.Failed {
			t.log("Script %s had too many unstable restarts (%d). Stopped. %q", in.App, in.Unstable, "errored")
		}
	}
	if in.PID != 0 && t.seen[in.ID] < in.Gen {
		first := t.seen[in.ID] == 0
		t.seen[in.ID] = in.Gen
		t.log("App [%s:%d] starting in -%s mode-", in.App, in.ID, in.Mode)
		t.log("App [%s:%d] online", in.App, in.ID)
		if t.object(in, "online"); first {
			t.object(in, "start")
		}
	}
	if in.Phase == lifecycle.Stopping && ev.Type == event.Changed && in.PID != 0 {
		t.log("Stopping app:%s id:%d", in.App, in.ID)
	}
	return nil
}

// look ends it when at several looks in a row nothing ran.
func (t *runtimeTeller) look(snap event.Snapshot) (again time.Duration, over bool) {
	now := time.Now()
	if slices.ContainsFunc(snap.Instances, isOnline) {
		t.left, t.next = looks, later(t.next, now.Add(nextLook))
		return 0, false
	}
	if wait := t.next.Sub(now); wait > 0 {
		return wait, false
	}
	t.left, t.next = t.left-1, now.Add(nextLook)
	t.log("0 application online, retry = %d", t.left)
	return nextLook, t.left == 0
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func isOnline(in event.Instance) bool {
	word := status(in)
	return word == "online" || word == "launching" || word == "standby"
}
