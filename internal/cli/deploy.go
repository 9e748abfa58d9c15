package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/config"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// runDeploy deploys by ssh to an environment of a configuration file.
func runDeploy(ctx context.Context, c *command, o operands) error {
	words, file := o.args, ""
	if spec.IsConfig(words[0]) {
		file, words = words[0], words[1:]
	} else {
		var err error
		if file, err = c.theFile(operands{}); err != nil {
			return err
		}
	}
	tree, err := c.tree(ctx, file, config.FormatOf(file))
	if err != nil {
		return c.about(file, err)
	}
	if len(words) == 0 {
		return &fault.Error{
			Code: fault.Invalid, Message: "name the environment to deploy to",
			Remedy: "The section deploy of " + clean(file) + " has: " + clean(strings.Join(config.Targets(tree), ", ")),
		}
	}
	t, err := config.ReadTarget(tree, words[0])
	if err != nil {
		return c.about(file, err)
	}
	if _, ok := t.Hooks["post-deploy"]; !ok {
		t.Hooks["post-deploy"] = t.DefaultPostDeploy(c.dialect.name, filepath.Base(file))
	}
	c.verb = "deploy " + clean(t.Name)
	d := deployment{c: c, Target: t}
	word, rest := "", append(words[1:], o.own...)
	if len(rest) > 0 {
		word, rest = rest[0], rest[1:]
	}
	do, err := d.command(word, rest)
	if err != nil {
		return err
	}
	if c.deploys(word) {
		if err := d.pushed(ctx); err != nil {
			return err
		}
	}
	c.done("deploying to the environment %s", clean(t.Name))
	for _, h := range t.Hosts {
		c.done("on host %s", clean(h.Name))
		if err := do(ctx, h); err != nil {
			return err
		}
	}
	c.done("success")
	return nil
}

// deployment is one on its way.
type deployment struct {
	c *command
	config.Target
}

// onHost is what is done on each host in turn.
type onHost func(ctx context.Context, h config.Host) error

// command is what a word means.
func (d deployment) command(word string, rest []string) (onHost, error) {
	switch word {
	case "setup":
		return func(ctx context.Context, h config.Host) error { return d.steps(ctx, h, d.Setup()) }, nil
	case "", "update":
		return d.deploying(d.Ref), nil
	case "ref":
		if len(rest) == 0 {
			return nil, &fault.Error{Code: fault.Invalid, Field: "ref", Message: "needs a branch, a tag or a commit", Remedy: "Such as: ref origin/main"}
		}
		return d.command(rest[0], nil)
	case "revert":
		n := 1
		if len(rest) > 0 {
			var err error
			if n, err = strconv.Atoi(rest[0]); err != nil || n < 1 {
				return nil, &fault.Error{Code: fault.Invalid, Field: "revert", Message: "is no number of deployments: " + clean(rest[0]), Remedy: "Such as: revert 1"}
			}
		}
		return func(ctx context.Context, h config.Host) error {
			commit, err := d.past(ctx, h, n)
			if err != nil {
				return err
			}
			d.c.done("reverting %d", n)
			return d.deploying(commit)(ctx, h)
		}, nil
	case "curr", "current":
		return func(ctx context.Context, h config.Host) error { return d.print(ctx, h, d.Current()) }, nil
	case "prev", "previous":
		return func(ctx context.Context, h config.Host) error {
			commit, err := d.past(ctx, h, 1)
			if err == nil {
				d.c.data("%s\n", commit)
			}
			return err
		}, nil
	case "list":
		return d.list, nil
	case "exec", "run":
		if len(rest) == 0 {
			return nil, &fault.Error{Code: fault.Invalid, Field: word, Message: "needs a command", Remedy: "Such as: exec \"npm ci\""}
		}
		return func(ctx context.Context, h config.Host) error {
			return d.print(ctx, h, d.Exec(strings.Join(rest, " ")))
		}, nil
	}
	if strings.HasPrefix(word, "-") {
		return nil, &fault.Error{Code: fault.Invalid, Field: "ref", Message: "begins with -: " + clean(word), Remedy: "git would take it for an option."}
	}
	return d.deploying(word), nil
}

// deploys says whether a word deploys what this folder was pushed from.
func (c *command) deploys(word string) bool {
	switch word {
	case "setup", "revert", "curr", "current", "prev", "previous", "list", "exec", "run":
		return false
	}
	return !c.values.on("force")
}

// pushed refuses what the host would not get: it fetches what was pushed.
func (d deployment) pushed(ctx context.Context) error {
	c := d.c
	if _, err := c.git(ctx, c.Cwd, "rev-parse", "--verify", "HEAD"); err != nil {
		return nil //nolint:nilerr // no checkout, so there is nothing to push
	}
	changed, err := c.git(ctx, c.Cwd, "status", "--porcelain", "--untracked-files=no")
	if err == nil && changed != "" {
		return &fault.Error{
			Code: fault.Conflict, Message: "this folder has changes that are not committed; nothing was deployed", Log: strings.Split(changed, "\n"),
			Remedy: "commit or stash your changes before deploying, or deploy what is pushed with --force.",
		}
	}
	if _, none := c.git(ctx, c.Cwd, "rev-parse", "--verify", "@{upstream}"); err != nil || none != nil {
		return err
	}
	ahead, err := c.git(ctx, c.Cwd, "log", "--oneline", "@{upstream}..HEAD")
	if err == nil && ahead != "" {
		return &fault.Error{
			Code: fault.Conflict, Message: "this folder has commits that are not pushed; nothing was deployed", Log: strings.Split(ahead, "\n"),
			Remedy: "push your changes before deploying, or deploy what is pushed with --force.",
		}
	}
	return err
}

func (d deployment) deploying(ref string) onHost {
	return func(ctx context.Context, h config.Host) error {
		d.c.done("deploying %s", clean(ref))
		if err := d.steps(ctx, h, d.Deploy(ref)); err != nil {
			return err
		}
		d.c.done("deployed %s", clean(ref))
		return nil
	}
}

// steps carries out one after the other; the first that fails ends it.
func (d deployment) steps(ctx context.Context, h config.Host, steps []config.Step) error {
	for _, s := range steps {
		if s.Command == "" {
			continue
		}
		d.c.say("  %s\n", clean(s.Doing))
		var err error
		if s.Local {
			err = d.c.shell(ctx, d.c.Cwd, s.Command)
		} else {
			err = d.c.watched(ctx, d.ssh(h, s.Command), d.c.progress())
		}
		if err != nil {
			return d.failed(h, s, err)
		}
	}
	return nil
}

// failed tells which step it was.
func (d deployment) failed(h config.Host, s config.Step, err error) error {
	e := *d.c.asFault(err)
	e.Field, e.Message = clean(h.Name)+": "+clean(s.Doing), "failed: "+e.Message
	if e.Code == fault.StartFailed {
		e.Remedy = s.Remedy
	}
	return &e
}

// ssh is a command line of the host. It has no terminal, so ssh asks nothing.
func (d deployment) ssh(h config.Host, line string) child.Command {
	return child.Command{Path: "ssh", Args: append(d.SSH(h), line), Env: d.c.Env, Dir: d.c.Cwd, Session: true}
}

// print shows what a command of the host prints.
func (d deployment) print(ctx context.Context, h config.Host, line string) error {
	err := d.c.watched(ctx, d.ssh(h, line), d.c.Out)
	if err != nil {
		return d.failed(h, config.Step{Doing: line, Remedy: "The host must be set up, and ssh let in without a question."}, err)
	}
	return nil
}

// deploys are the commits that were deployed to a host, the latest first.
func (d deployment) deploys(ctx context.Context, h config.Host) ([]string, error) {
	cmd := d.ssh(h, d.Past())
	out, err := child.ExecFile(ctx, cmd.Path, cmd.Args, child.ExecOptions{Env: cmd.Env, Dir: cmd.Dir, MaxBuffer: 16 << 20})
	if err != nil {
		return nil, &fault.Error{
			Code: fault.NotFound, Field: clean(h.Name), Message: "its list of deployments cannot be read", Log: strings.Split(strings.TrimSpace(string(out.Stderr)), "\n"),
			Remedy: "Deploy to it first.",
		}
	}
	var commits []string
	for line := range strings.Lines(string(out.Stdout)) {
		if words := strings.Fields(line); len(words) > 0 {
			commits = append([]string{words[0]}, commits...)
		}
	}
	return commits, nil
}

func (d deployment) past(ctx context.Context, h config.Host, n int) (string, error) {
	commits, err := d.deploys(ctx, h)
	if err != nil {
		return "", err
	}
	if n >= len(commits) {
		return "", &fault.Error{
			Code: fault.NotFound, Field: clean(h.Name), Message: fmt.Sprintf("there are not %d deployments before the last", n),
			Remedy: fmt.Sprintf("It had %s; list shows them.", count(len(commits), "deployment")),
		}
	}
	return commits[n], nil
}

func (d deployment) list(ctx context.Context, h config.Host) error {
	commits, err := d.deploys(ctx, h)
	for i, commit := range commits {
		d.c.data("%d\t%s\n", i, clean(commit))
	}
	return err
}

// shell carries out a line here.
func (c *command) shell(ctx context.Context, dir, line string) error {
	return c.watched(ctx, child.Command{Path: "/bin/sh", Args: []string{"-c", line}, Env: c.Env, Dir: dir}, c.progress())
}

// progress is where what goes on is shown; nil for nowhere.
func (c *command) progress() io.Writer {
	switch {
	case c.silent:
		return nil
	case c.values.on("json"):
		return c.Err
	}
	return c.Out
}

// watchedGrace is what an interrupted program has to put its things in order: git takes
// its locks away, docker run waits for the container.
const watchedGrace = 15 * time.Second

// watched runs a program to its end. What it writes goes to out and standard error;
// what it may read is in cmd, or nothing.
func (c *command) watched(ctx context.Context, cmd child.Command, out io.Writer) error {
	if cmd.Stdio == nil {
		cmd.Stdio = []child.Stdio{child.Ignore()}
	}
	cmd.Stdio = append(cmd.Stdio, open(out), open(c.Err))
	exit, err := child.Run(ctx, cmd, child.StopOptions{Grace: watchedGrace, Tree: true})
	if err == nil && (exit.Code != 0 || exit.Signal != 0) {
		err = &fault.Error{Code: fault.StartFailed, Message: fmt.Sprint(exit), Remedy: "See what it wrote."}
	}
	return err
}

// open gives a child one of our streams; what is none of the system's it cannot have.
func open(w io.Writer) child.Stdio {
	if f, ok := w.(*os.File); ok {
		return child.File(f)
	}
	return child.Ignore()
}
