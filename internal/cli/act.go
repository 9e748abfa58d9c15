package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// ensure reaches the daemon, and starts it where there is none.
func (c *command) ensure(ctx context.Context) (api.Service, error) {
	svc, err := c.daemon.Connect(ctx)
	if fault.CodeOf(err) != fault.Unavailable {
		return svc, err
	}
	if svc, err = c.daemon.Ensure(ctx); err != nil {
		return nil, err
	}
	c.startModules(ctx, svc)
	return svc, nil
}

// wanted is what a command is to start: the words it names, or the file that is here,
// and the flags.
func (c *command) wanted(o operands) (words []string, opts spec.Options, err error) {
	words = o.args
	if len(words) == 0 {
		word, err := c.theFile(o)
		if err != nil {
			return nil, opts, err
		}
		words = []string{word}
	}
	opts, err = c.declared(o)
	return words, opts, err
}

func runStart(ctx context.Context, c *command, o operands) error {
	words, opts, err := c.wanted(o)
	if err != nil {
		return err
	}
	past := "started"
	if opts.Autostart != nil && !*opts.Autostart {
		past = "made known"
	}
	return c.each(ctx, words, spec.Restarting, past, func(svc api.Service, word string) (event.Outcome, error) {
		return svc.Start(ctx, spec.Start{Word: word, Options: opts, Force: c.values.on("force"), Caller: c.caller()})
	})
}

func runRestart(ctx context.Context, c *command, o operands) error {
	opts, err := c.declared(o)
	if err != nil {
		return err
	}
	if opts.Watch != nil && *opts.Watch && opts.WatchPaths == nil {
		opts.Watch, opts.ToggleWatch = nil, true
	}
	return c.each(ctx, o.args, spec.Restarting, "restarted", func(svc api.Service, target string) (event.Outcome, error) {
		return svc.Restart(ctx, spec.Act{Target: target, Options: opts, Caller: c.caller()})
	})
}

// runReload prints no table: PM2 does not either.
func runReload(ctx context.Context, c *command, o operands) error {
	opts, err := c.declared(o)
	if err != nil {
		return err
	}
	return c.roll(ctx, o, "reload", "reloaded", spec.Act{Options: opts})
}

func runRollback(ctx context.Context, c *command, o operands) error {
	return c.roll(ctx, o, "rollback", "rolled back", spec.Act{})
}

// canaryTime is how long canaries are watched when nothing is said.
const canaryTime = 30 * time.Second

// sentence is how long what may be refused goes on without a word.
const sentence = 200 * time.Millisecond

// after does something after a while, unless cancel is called before. When that
// returns it is done, or will not be.
func after(d time.Duration, do func()) (cancel func()) {
	done := make(chan struct{})
	t := time.AfterFunc(d, func() {
		defer close(done)
		do()
	})
	return func() {
		if !t.Stop() {
			<-done
		}
	}
}

// roll reloads each operand as req has it, by the flags that say how.
func (c *command) roll(ctx context.Context, o operands, verb, past string, req spec.Act) error {
	if n := c.values.number("parallel"); n != nil {
		req.Parallel = max(0, *n)
	}
	if n := c.values.number("canary"); n != nil {
		req.Canary, req.For = max(0, *n), canaryTime
	}
	if d := c.values.duration("for"); d != nil {
		req.For = max(0, *d)
	}
	if c.values.err != nil {
		return c.values.err
	}
	if req.Canary == 0 {
		if c.values.given("for") {
			return &fault.Error{
				Code: fault.Invalid, Field: "--for", Message: "says how long canaries are watched, and there are none", Remedy: "Add --canary 1.",
			}
		}
		req.For = 0
	}
	req.Caller = c.caller()
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	do := svc.Reload
	if verb == "rollback" {
		do = svc.Rollback
	}
	var all event.Outcome
	for _, target := range o.args {
		c.verb = verb + " " + clean(target)
		if spec.IsConfig(target) && verb == "reload" {
			out, err := c.applyFile(ctx, svc, target, spec.Reloading)
			if err != nil {
				return err
			}
			merge(&all, out.Outcome)
			continue
		}
		req.Target = target
		told := func() {}
		if req.Canary > 0 {
			told = after(sentence, func() {
				c.say("%s\n", c.paint(dim, fmt.Sprintf("%s: %d of the new generation beside the old one for %v …", clean(target), req.Canary, req.For)))
			})
		}
		out, err := do(ctx, req)
		told()
		c.tell(past, out)
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

// serviceReset takes an unknown number for no error, as PM2 does.
func serviceReset(ctx context.Context, s api.Service, a spec.Act) (event.Outcome, error) {
	out, err := s.Reset(ctx, a)
	if fault.CodeOf(err) == fault.NotFound && digits(a.Target) {
		return event.Outcome{Warnings: []string{err.Error()}}, nil
	}
	return out, err
}

// act is a verb that takes targets and no options.
func act(past string, call func(context.Context, api.Service, spec.Act) (event.Outcome, error)) func(context.Context, *command, operands) error {
	return func(ctx context.Context, c *command, o operands) error {
		return c.each(ctx, o.args, "", past, func(svc api.Service, target string) (event.Outcome, error) {
			return call(ctx, svc, spec.Act{Target: target, Caller: spec.Caller{Cwd: c.Cwd}})
		})
	}
}

// declared reads the flags that say what an app is, and the app's own arguments.
func (c *command) declared(o operands) (spec.Options, error) {
	opts, err := c.values.options()
	if err == nil {
		err = cmp.Or(c.sectionFault(o.args), c.onlyFault(o.args))
	}
	if err == nil && slices.ContainsFunc(o.args, func(word string) bool { return !spec.IsConfig(word) }) {
		opts.Env, err = c.belowEnv(opts.Env)
	}
	if o.dashed {
		if slices.ContainsFunc(o.args, spec.IsConfig) {
			c.warn("arguments after -- mean nothing with a configuration file; write them into it, as args")
		}
		own := append([]string{}, o.own...)
		opts.Args = &own
	}
	return opts, err
}

// onlyFault says that --only chooses apps of files, where there is none.
func (c *command) onlyFault(words []string) error {
	if len(c.values.only()) == 0 || len(words) == 0 || slices.ContainsFunc(words, spec.IsConfig) {
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Op: c.verb, Field: "--only", Message: "chooses apps of a configuration file, and " + clean(words[0]) + " is none",
		Remedy: "Leave it out, or name the file.",
	}
}

// each does the same to one target after the other; the first failure ends it. With
// how, the apps of a file become what it says; without, do is done to each by name.
func (c *command) each(
	ctx context.Context, targets []string, how spec.How, past string, do func(api.Service, string) (event.Outcome, error),
) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	var all event.Outcome
	verb := c.verb
	for _, target := range targets {
		c.verb = verb + " " + clean(target)
		one := func(target string) (event.Outcome, error) {
			out, err := do(svc, target)
			if err == nil {
				c.tell(past, out)
			}
			return out, err
		}
		var out event.Outcome
		switch {
		case how != "" && spec.IsConfig(target):
			var applied event.Applied
			applied, err = c.applyFile(ctx, svc, target, how)
			out = applied.Outcome
		case spec.IsConfig(target):
			out, err = c.actFile(ctx, target, past, one)
		default:
			out, err = one(target)
			if err == nil && len(out.Instances) == 0 && len(out.Warnings) == 0 {
				c.done("%s %s", clean(target), past)
			}
		}
		if err != nil {
			return err
		}
		merge(&all, out)
	}
	if err := c.conclude(ctx, svc, all); err != nil || c.home == nil || !c.values.on("attach") {
		return err
	}
	return c.attach(ctx, svc, all)
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
	return c.dialect.list(ctx, c, svc)
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
	to, err := receiver(ctx, svc, o.args[0])
	if err != nil {
		return err
	}
	line := strings.Join(o.args[1:], " ")
	if err := svc.WriteLine(ctx, to.ID, line); err != nil {
		return err
	}
	c.done("sent to %s (id %d)", clean(to.App), to.ID)
	return c.conclude(ctx, svc, event.Outcome{Instances: []event.Instance{to}})
}

// receiver is the one instance that a name or id means, if it can be written to.
func receiver(ctx context.Context, svc api.Service, word string) (event.Instance, error) {
	snap, err := svc.List(ctx, event.Query{Brief: true})
	if err != nil {
		return event.Instance{}, err
	}
	found := named(snap, word)
	switch {
	case len(found) == 0:
		return event.Instance{}, unknownApp(snap, word)
	case len(found) > 1:
		return event.Instance{}, &fault.Error{
			Code: fault.Invalid, Message: fmt.Sprintf("it has %d instances", len(found)),
			Remedy: "Give the id of the one that is meant: tend id " + clean(word),
		}
	case found[0].Mode == spec.Cluster:
		return event.Instance{}, &fault.Error{
			Code: fault.Unsupported, Message: "a cluster worker does not read its standard input",
			Remedy: "Apps in fork mode do: tend start app.js -x",
		}
	}
	return found[0], nil
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
