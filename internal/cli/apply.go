package cli

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/config"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// runFile is a verb that takes configuration files alone.
func runFile(how spec.How) func(context.Context, *command, operands) error {
	return func(ctx context.Context, c *command, o operands) error {
		svc, err := c.ensure(ctx)
		if err != nil {
			return err
		}
		var all event.Applied
		for _, word := range o.args {
			out, err := c.applyFile(ctx, svc, word, how)
			if err != nil {
				return err
			}
			all.Changes = append(all.Changes, out.Changes...)
			merge(&all.Outcome, out.Outcome)
		}
		if c.values.on("json") {
			return c.json(all)
		}
		return c.conclude(ctx, svc, all.Outcome)
	}
}

// applyFile reads a file and does with its apps as how has it.
func (c *command) applyFile(ctx context.Context, svc api.Service, word string, how spec.How) (event.Applied, error) {
	f, err := c.read(ctx, word)
	if err != nil {
		return event.Applied{}, err
	}
	req, err := c.asked(f, how)
	if err != nil {
		return event.Applied{}, err
	}
	out, err := svc.Apply(ctx, req)
	if err != nil {
		return out, c.about(word, err)
	}
	c.tellChanges(out)
	return out, nil
}

// asked is the request for the apps of a file, by the flags that say how.
func (c *command) asked(f configFile, how spec.How) (spec.Apply, error) {
	for _, flag := range []string{"canary", "for", "force"} {
		if c.values.given(flag) {
			return spec.Apply{}, &fault.Error{Code: fault.Invalid, Field: "--" + flag, Message: "is for names and scripts, not for files", Remedy: "Leave it out."}
		}
	}
	req := spec.Apply{Apps: f.Apps, How: how, UpdateEnv: c.values.on("update-env"), Caller: c.caller()}
	if n := c.values.number("parallel"); n != nil {
		req.Parallel = max(0, *n)
	}
	return req, c.values.err
}

// tellChanges prints a line an app, and the warnings.
func (c *command) tellChanges(out event.Applied) {
	for _, w := range out.Warnings {
		c.warn("%s", clean(w))
	}
	for _, change := range out.Changes {
		instances := slices.DeleteFunc(slices.Clone(out.Instances), func(in event.Instance) bool { return in.App != change.App })
		for _, line := range summary(pastOf[change.Do], instances) {
			c.done("%s", line)
		}
		if len(instances) == 0 {
			c.done("%s %s", clean(change.App), pastOf[change.Do])
		}
	}
}

// pastOf says what was done.
var pastOf = map[event.Do]string{
	event.DoKeep: "stays as it is", event.DoStart: "started", event.DoRestart: "restarted", event.DoReload: "reloaded",
	event.DoUpdate: "changed", event.DoScale: "scaled", event.DoDelete: "deleted",
}

// runApply shows what a file changes, and then does it.
func runApply(ctx context.Context, c *command, o operands) error {
	word, err := c.theFile(o)
	if err != nil {
		return err
	}
	f, err := c.read(ctx, word)
	if err != nil {
		return err
	}
	req, err := c.asked(f, spec.Declaring)
	if err != nil {
		return err
	}
	req.DryRun = true
	if f.origin != "" && len(c.values.only()) == 0 {
		req.Prune = []string{f.origin, config.OriginOf(f.origin, c.values.section())}
	}
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	out, err := svc.Apply(ctx, req)
	if err != nil {
		return c.about(word, err)
	}
	for _, change := range out.Changes {
		c.showChange(change)
	}
	same := !slices.ContainsFunc(out.Changes, func(ch event.Change) bool { return ch.Do != event.DoKeep })
	if !c.values.on("dry-run") && !same {
		req.DryRun = false
		if out, err = svc.Apply(ctx, req); err != nil {
			return c.about(word, err)
		}
	}
	for _, w := range out.Warnings {
		c.warn("%s", clean(w))
	}
	switch {
	case c.values.on("json"):
		return c.json(out)
	case same:
		c.done("%s: nothing to do", clean(word))
	case c.values.on("dry-run"):
		c.say("%s\n", c.paint(dim, "dry run: nothing was changed"))
	default:
		c.done("%s applied", clean(word))
	}
	return nil
}

// showChange prints what becomes of one app, and below it why.
func (c *command) showChange(ch event.Change) {
	sign, how, what := "~", yellow, string(ch.Do)
	switch ch.Do {
	case event.DoKeep:
		sign, how, what = "=", dim, "stays as it is"
	case event.DoStart:
		if ch.From == 0 {
			sign, how = "+", green
		}
	case event.DoDelete:
		sign, how = "-", red
	case event.DoUpdate:
		what = "update, its processes run on"
	}
	switch {
	case ch.From == 0 || ch.Do == event.DoDelete:
		what += ", " + count(max(ch.From, ch.To), "instance")
	case ch.From != ch.To:
		what += fmt.Sprintf(", %d → %s", ch.From, count(ch.To, "instance"))
	}
	c.say("%s\n", c.paint(how, fmt.Sprintf("%s %s: %s", sign, clean(ch.App), what)))
	for _, d := range ch.Fields {
		switch {
		case d.Old == "" && d.New == "":
			c.say("    %s: changed\n", clean(d.Field))
		case d.Old == "":
			c.say("    %s: + %s\n", clean(d.Field), clean(d.New))
		case d.New == "":
			c.say("    %s: - %s\n", clean(d.Field), clean(d.Old))
		default:
			c.say("    %s: %s → %s\n", clean(d.Field), clean(d.Old), clean(d.New))
		}
	}
}

// actFile stops or deletes the apps of a file by their names, which is all of it
// that counts. Those that are not there are told of, and no error.
func (c *command) actFile(
	ctx context.Context, word, past string, do func(target string) (event.Outcome, error),
) (all event.Outcome, err error) {
	f, err := c.readAll(ctx, word)
	if err == nil && len(f.Apps) == 0 {
		err = f.Err(false)
	}
	if err != nil {
		return all, c.about(word, err)
	}
	for _, d := range f.Apps {
		name := *d.Options.Name
		out, err := do("/^" + regexp.QuoteMeta(name) + "$/")
		switch {
		case fault.CodeOf(err) == fault.NotFound:
			c.warn("%s is not there", clean(name))
			out.Warnings = append(out.Warnings, name+" is not there")
		case err != nil:
			return all, c.about(word, err)
		case len(out.Instances) == 0:
			c.done("%s %s", clean(name), past)
		}
		merge(&all, out)
	}
	return all, nil
}

// sectionFault refuses --env NAME where there is no file to have such a section.
func (c *command) sectionFault(words []string) error {
	section := c.values.section()
	if section == "" || slices.ContainsFunc(words, spec.IsConfig) {
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Field: "--env", Message: fmt.Sprintf("%q is not KEY=VALUE", section),
		Remedy: "Write --env KEY=value, once for each variable. A name chooses env_" + strings.ToLower(section) + " of a configuration file.",
	}
}
