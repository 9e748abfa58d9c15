package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/logs"
	"github.com/tendproc/tend/internal/spec"
)

// devDelay is the pause before a restart in development.
const devDelay = time.Second

// runDev guards apps in the foreground and starts them again when files change.
func runDev(ctx context.Context, c *command, o operands) error {
	ignored := c.devIgnored()
	s, err := c.pm2Starting(ctx, o, func(s *starting) {
		for i := range s.words {
			watchAll(&s.words[i].Options, ignored)
		}
		for _, f := range s.files {
			for i := range f.Apps {
				watchAll(&f.Apps[i].Options, ignored)
			}
		}
	})
	if err != nil || len(s.names) == 0 {
		return err
	}
	if c.values.on("test-mode") {
		svc, err := c.ensure(ctx)
		if err == nil {
			err = s.start(ctx, svc)
		}
		if err == nil {
			c.say("disconnected succesfully from pm2-dev\n")
		}
		return err
	}
	t := &devTeller{c: c, ignored: ignored, s: s, seen: map[int]uint64{}}
	show := Console{Out: true, Stamp: func(t logs.Target) string { return c.devStamp(s, t) }}
	return c.stand(ctx, show, manner{
		start: s.start, tell: t.event, look: t.look, code: devCode,
		stop: func(syscall.Signal) { c.say(">>>>> [PM2 DEV] Stopping current development session\n") },
	})
}

// devIgnored are the names whose changes do not count.
func (c *command) devIgnored() []string {
	list := []string{}
	if words := c.values.parts("ignore"); words != nil && c.values.given("ignore") {
		list = slices.DeleteFunc(*words, func(w string) bool { return w == "true" })
	}
	return append(list, "node_modules")
}

func watchAll(o *spec.Options, ignored []string) {
	o.Watch, o.IgnoreWatch = new(true), &ignored
	if o.RestartDelay == nil {
		o.RestartDelay = new(devDelay)
	}
}

// devStamp is the process before each line, the way pm2-dev has it.
func (c *command) devStamp(s starting, t logs.Target) string {
	format := ""
	if c.values.on("timestamp") {
		format = "YYYY-MM-DD-HH:mm:ss[ ]"
	}
	if !c.values.on("raw") {
		format += logs.Literal(s.head(devName(t.ID, t.App), devName))
	}
	if format == "" {
		return ""
	}
	return logs.HeadStamp(format)
}

func devName(id int, app string) string { return fmt.Sprintf("%s-%d", clean(app), id) }

// devCode is the exit code: that a signal ended it is what it is for.
func devCode(_ event.Snapshot, asked syscall.Signal) int {
	if asked == 0 || asked == syscall.SIGINT {
		return exitOK
	}
	return 128 + int(asked)
}

// devTeller tells what happens to those who write an app.
type devTeller struct {
	c       *command
	ignored []string
	s       starting
	seen    map[int]uint64 // generation, by instance
	told    bool           // who there is
}

func (t *devTeller) event(ev event.Event) task {
	in := ev.Instance
	if in == nil || in.PID == 0 || t.seen[in.ID] >= in.Gen {
		return nil
	}
	first := t.seen[in.ID] == 0
	t.seen[in.ID] = in.Gen
	if first {
		t.banner()
		return nil
	}
	t.c.say("[rundev] App %s restarted\n", clean(in.App))
	if cmd := t.c.values.text("post-exec"); cmd != nil && *cmd != "true" {
		return t.after(*cmd)
	}
	return nil
}

// banner says once what is done.
func (t *devTeller) banner() {
	if t.told {
		return
	}
	t.told = true
	t.c.say("--- PM2 development mode ------------------------------------------------------\n")
	t.c.say("Apps started         : %s\n", clean(strings.Join(t.s.processes, ",")))
	t.c.say("Processes started    : %d\n", len(t.s.processes))
	t.c.say("Watch and Restart    : Enabled\n")
	t.c.say("Ignored folder       : %s\n", clean(strings.Join(t.ignored, ",")))
	if cmd := t.c.values.text("post-exec"); cmd != nil {
		t.c.say("Post restart cmd     : %s\n", clean(*cmd))
	}
	t.c.say("===============================================================================\n")
}

// after runs the command that follows a restart.
func (t *devTeller) after(line string) task {
	return func(ctx context.Context) error {
		out, err := child.Exec(ctx, line, child.ExecOptions{Dir: t.c.Cwd, Env: t.c.Env})
		if !t.c.values.on("silent-exec") {
			t.c.say("%s%s", out.Stdout, out.Stderr)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
		return nil
	}
}

// look ends it when nothing runs any more, where that is asked for. An app whose files
// are watched else starts again when they change.
func (t *devTeller) look(snap event.Snapshot) (again time.Duration, over bool) {
	if !t.c.values.on("auto-exit") || slices.ContainsFunc(snap.Instances, func(in event.Instance) bool {
		word := status(in)
		return isOnline(in) || word == "stopping" || word == "waiting restart"
	}) {
		return 0, false
	}
	t.c.say("0 application online, exiting\n")
	return 0, true
}
