package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/config"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// checkout is the folder of an app, which git has made.
type checkout struct {
	c    *command
	app  string
	dir  string // the app's folder
	head string // commit
}

// moving takes the checkout of an app to the commit that pick returns, and reloads it.
func moving(pick func(ctx context.Context, r checkout, args []string) (string, error)) func(context.Context, *command, operands) error {
	return func(ctx context.Context, c *command, o operands) error {
		c.verb += " " + clean(o.args[0])
		svc, err := c.ensure(ctx)
		if err != nil {
			return err
		}
		r, err := c.checkoutOf(ctx, svc, o.args[0])
		if err != nil {
			return err
		}
		to, err := pick(ctx, r, o.args[1:])
		if err != nil {
			return err
		}
		if to == r.head {
			c.done("%s is already at %s", clean(r.app), to)
			return nil
		}
		if err := r.move(ctx, to); err != nil {
			return err
		}
		c.done("%s is now at commit %s; it was at %s", clean(r.app), to, r.head)
		out, err := r.renew(ctx, svc)
		if err != nil {
			c.warn("the folder stays at the new commit; back to the former one: %s pull %s %s", c.dialect.name, clean(r.app), r.head)
			return err
		}
		c.tell("reloaded", out)
		if c.home != nil { // PM2 shows no list
			return nil
		}
		return c.conclude(ctx, svc, out)
	}
}

// checkoutOf finds the folder of an app, by its name or an id.
func (c *command) checkoutOf(ctx context.Context, svc api.Service, word string) (checkout, error) {
	snap, err := svc.List(ctx, event.Query{})
	if err != nil {
		return checkout{}, err
	}
	i := slices.IndexFunc(snap.Instances, func(in event.Instance) bool { return in.App == word })
	if i < 0 {
		i = slices.IndexFunc(snap.Instances, func(in event.Instance) bool { return strconv.Itoa(in.ID) == word })
	}
	if i < 0 {
		return checkout{}, &fault.Error{
			Code: fault.NotFound, Message: "no app has the name or the id " + clean(word), Remedy: "One at a time; " + c.dialect.name + " ls shows them.",
		}
	}
	in := snap.Instances[i]
	return c.checkoutAt(ctx, in.App, appsByName(snap)[in.App].Of(in.ID))
}

// checkoutAt is where the script is, whatever folder it runs in; where that is in no
// checkout, as with a program of the system, the folder it runs in.
func (c *command) checkoutAt(ctx context.Context, name string, app spec.App) (r checkout, err error) {
	r = checkout{c: c, app: name, dir: app.Cwd}
	if filepath.IsAbs(app.Script) && exists(app.Script) {
		r.dir = filepath.Dir(app.Script)
		if r.head, err = r.git(ctx, "rev-parse", "HEAD^{commit}"); err == nil {
			return r, nil
		}
		r.dir = app.Cwd
	}
	r.head, err = r.git(ctx, "rev-parse", "HEAD^{commit}")
	return r, about(err, "no versioning system found: "+clean(r.dir)+" is in no checkout of git that can be used")
}

// about puts a sentence of ours before what git says.
func about(err error, message string) error {
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Log != nil {
		e.Message = message
	}
	return err
}

// git asks git in the app's folder, and returns what it prints.
func (r checkout) git(ctx context.Context, args ...string) (string, error) {
	return r.c.git(ctx, r.dir, args...)
}

func (c *command) git(ctx context.Context, dir string, args ...string) (string, error) {
	env := append(slices.Clone(c.Env), "GIT_TERMINAL_PROMPT=0")
	out, err := child.ExecFile(ctx, "git", append([]string{"-C", dir}, args...), child.ExecOptions{Env: env, MaxBuffer: 16 << 20})
	text := strings.TrimSpace(string(out.Stdout))
	if err == nil {
		return text, nil
	}
	if _, failed := errors.AsType[*child.ExitError](err); !failed {
		return "", &fault.Error{Code: fault.NotFound, Message: "git cannot be run", Err: err, Remedy: "Install git, or put it on $PATH."}
	}
	lines := strings.Split(strings.TrimSpace(string(bytes.TrimSpace(out.Stderr))), "\n")
	return "", &fault.Error{
		Code: fault.Invalid, Message: "git " + args[0] + " failed", Log: lines[max(0, len(lines)-20):], Remedy: "See what git says of it; the app runs on as it was.",
	}
}

// pulled is the commit that is asked for, or the latest of the branch's remote.
func pulled(ctx context.Context, r checkout, args []string) (string, error) {
	if len(args) > 0 {
		if strings.HasPrefix(args[0], "-") {
			return "", &fault.Error{Code: fault.Invalid, Field: "commit", Message: "begins with -: " + clean(args[0]), Remedy: "Name a commit, a tag or a branch."}
		}
		commit, err := r.git(ctx, "rev-parse", "--verify", "--quiet", args[0]+"^{commit}")
		if err == nil {
			return commit, nil
		}
		if _, err := r.git(ctx, "fetch", "--all", "--tags", "--quiet"); err != nil {
			return "", err
		}
		commit, err = r.git(ctx, "rev-parse", "--verify", args[0]+"^{commit}")
		return commit, about(err, "there is no commit "+clean(args[0])+", not in its remotes either")
	}
	upstream, err := r.upstream(ctx)
	if err != nil {
		return "", err
	}
	remote, _, _ := strings.Cut(upstream, "/")
	if _, err := r.git(ctx, "fetch", "--quiet", remote); err != nil {
		return "", err
	}
	return r.git(ctx, "rev-parse", "--verify", upstream+"^{commit}")
}

// upstream is the branch of a remote that the checkout follows.
func (r checkout) upstream(ctx context.Context) (string, error) {
	upstream, err := r.git(ctx, "rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{upstream}")
	return upstream, about(err, "the checkout is on no branch that follows one of a remote")
}

// previous is the commit before.
func previous(ctx context.Context, r checkout, _ []string) (string, error) {
	commit, err := r.git(ctx, "rev-parse", "--verify", "HEAD~1")
	return commit, about(err, "there is no commit before "+r.head)
}

// next is the commit that follows, on the way to what was last fetched.
func next(ctx context.Context, r checkout, _ []string) (string, error) {
	upstream, err := r.upstream(ctx)
	if err != nil {
		return "", err
	}
	list, err := r.git(ctx, "rev-list", "--first-parent", "--ancestry-path", "--reverse", "HEAD.."+upstream)
	if err != nil {
		return "", err
	}
	if list == "" {
		return r.head, nil
	}
	first, _, _ := strings.Cut(list, "\n")
	return first, nil
}

// move takes the folder to a commit. By tend's own name, no work is lost.
func (r checkout) move(ctx context.Context, to string) error {
	if r.c.home == nil && !r.c.values.on("force") {
		changed, err := r.git(ctx, "status", "--porcelain", "--untracked-files=no")
		if err == nil && changed == "" {
			changed, err = r.unpublished(ctx)
		}
		if err != nil {
			return err
		}
		if changed != "" {
			return &fault.Error{
				Code: fault.Conflict, Message: "its folder has changes that would be lost; nothing was changed",
				Log: strings.Split(changed, "\n"), Remedy: "Commit and push them, or discard them with --force.",
			}
		}
	}
	_, err := r.git(ctx, "reset", "--hard", "--quiet", to)
	return err
}

// unpublished are commits that are nowhere but in this checkout.
func (r checkout) unpublished(ctx context.Context) (string, error) {
	remotes, err := r.git(ctx, "remote")
	if err != nil || remotes == "" {
		return "", err
	}
	return r.git(ctx, "log", "--oneline", "HEAD", "--not", "--remotes", "--tags")
}

// renew carries out what the file of the app has for after a change, and reloads it.
func (r checkout) renew(ctx context.Context, svc api.Service) (event.Outcome, error) {
	commands, dir, err := r.postUpdate(ctx)
	if err != nil {
		return event.Outcome{}, err
	}
	for _, line := range commands {
		r.c.say("%s\n", clean(line))
		if err := r.c.shell(ctx, dir, line); err != nil {
			return event.Outcome{}, fmt.Errorf("post_update %q: %w", line, err)
		}
	}
	return svc.Reload(ctx, spec.Act{Target: r.app, Caller: r.c.caller()})
}

// postUpdate are the commands of the app, and the folder of the file that has them:
// the script's, or the checkout's.
func (r checkout) postUpdate(ctx context.Context) (commands []string, dir string, err error) {
	top, err := r.git(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, "", err
	}
	for _, dir := range []string{r.dir, top} {
		for _, name := range append(slices.Clone(spec.ConfigNames), "process.json") {
			path := filepath.Join(dir, name)
			if !exists(path) {
				continue
			}
			tree, err := r.c.tree(ctx, path, config.FormatOf(path))
			if err != nil {
				return nil, "", r.c.about(path, err)
			}
			if commands, err := config.PostUpdate(tree, r.app); err != nil || commands != nil {
				return commands, dir, err
			}
		}
	}
	return nil, "", nil
}
