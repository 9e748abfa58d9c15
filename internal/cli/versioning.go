package cli

import (
	"context"
	"strings"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/spec"
)

// tellVersioning notes in PM2's records which commit apps run from, where that is
// asked for.
func (c *command) tellVersioning(ctx context.Context, svc api.Service, out event.Outcome) error {
	if c.home == nil || c.env("PM2_ENABLE_GIT_PARSING") != "true" || len(out.Instances) == 0 {
		return nil
	}
	snap, err := svc.List(ctx, event.Query{})
	if err != nil {
		return err
	}
	apps, told := appsByName(snap), map[string]bool{}
	for _, in := range out.Instances {
		app := apps[in.App]
		if app == nil || told[in.App] {
			continue
		}
		told[in.App] = true
		r, err := c.checkoutAt(ctx, in.App, app.Of(in.ID))
		if err != nil {
			continue // in no checkout: nothing to tell
		}
		shown := map[string]any{"versioning": r.versioning(ctx)}
		if _, err := svc.Annotate(ctx, spec.Act{Target: in.App, Options: spec.Options{Shown: shown}, Caller: spec.Caller{Cwd: c.Cwd}}); err != nil {
			return err
		}
	}
	return nil
}

// versioning is what PM2 tells of a checkout. What git cannot say is left empty.
func (r checkout) versioning(ctx context.Context) map[string]any {
	ask := func(args ...string) string {
		text, _ := r.git(ctx, args...)
		return text
	}
	remotes := strings.Fields(ask("remote"))
	v := map[string]any{
		"type": "git", "revision": r.head, "repo_path": r.dir, "remotes": some(remotes),
		"comment": ask("log", "-1", "--format=%B") + "\n", "update_time": ask("log", "-1", "--format=%cI"),
		"unstaged": ask("status", "--porcelain") != "",
		"branch":   ask("rev-parse", "--abbrev-ref", "HEAD"), "prev_rev": known(ask("rev-parse", "--verify", "--quiet", "HEAD~1")),
		"branch_exists_on_remote": false, "ahead": false, "next_rev": nil,
	}
	if len(remotes) == 0 {
		return v
	}
	remote := remotes[0]
	if upstream, _, ok := strings.Cut(ask("rev-parse", "--abbrev-ref", "@{upstream}"), "/"); ok {
		remote = upstream
	}
	v["remote"], v["url"] = remote, ask("config", "--get", "remote."+remote+".url")
	branch := "refs/remotes/" + remote + "/" + v["branch"].(string)
	if v["branch"] != "HEAD" && ask("rev-parse", "--verify", "--quiet", branch) != "" {
		v["branch_exists_on_remote"], v["ahead"] = true, ask("rev-list", "-n1", branch+"..HEAD") != ""
		first, _, _ := strings.Cut(ask("rev-list", "--first-parent", "--ancestry-path", "--reverse", "HEAD.."+branch), "\n")
		v["next_rev"] = known(first)
	}
	return v
}

// known is null in JSON where there is none.
func known(text string) any {
	if text == "" {
		return nil
	}
	return text
}
