package pm2rpc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/spec"
)

// versioner notes in PM2's records which commit each process was started from. PM2's
// library goes by that when it pulls.
type versioner struct {
	*Server

	mu    sync.Mutex    // guards fresh
	fresh map[int]bool  // instances that were started since
	some  chan struct{} // there are such
}

// version notes it until ctx ends.
func (s *Server) version(ctx context.Context) error {
	v := &versioner{Server: s, fresh: map[int]bool{}, some: make(chan struct{}, 1)}
	var wg sync.WaitGroup
	defer wg.Wait()
	own, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { v.note(own) })
	pids := map[int]int{}
	err := s.Service.Watch(ctx, "", func(ev event.Event) error {
		started := []event.Instance{}
		if ev.Snapshot != nil {
			started = ev.Snapshot.Instances
		} else if ev.Instance != nil {
			started = append(started, *ev.Instance)
		}
		for _, in := range started {
			if in.PID > 0 && in.PID != pids[in.ID] {
				v.add(in.ID)
			}
			pids[in.ID] = in.PID
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (v *versioner) add(id int) {
	v.mu.Lock()
	v.fresh[id] = true
	v.mu.Unlock()
	select {
	case v.some <- struct{}{}:
	default:
	}
}

func (v *versioner) note(ctx context.Context) {
	for {
		select {
		case <-v.some:
		case <-ctx.Done():
			return
		}
		v.mu.Lock()
		fresh := v.fresh
		v.fresh = map[int]bool{}
		v.mu.Unlock()
		if err := v.noteThese(ctx, fresh); err != nil && ctx.Err() == nil {
			v.Log("versioning: %v", err)
		}
	}
}

// noteThese asks git once for each folder.
func (v *versioner) noteThese(ctx context.Context, fresh map[int]bool) error {
	snap, err := v.Service.List(ctx, event.Query{Brief: true, Specs: true})
	if err != nil {
		return err
	}
	known := map[checkout]map[string]any{}
	for _, in := range snap.Instances {
		if !fresh[in.ID] || in.Spec == nil || in.Spec.Shown["vizion"] == false {
			continue
		}
		c, ok := checkoutOf(ctx, *in.Spec)
		if !ok {
			continue // nothing to tell
		}
		if known[c] == nil {
			known[c] = c.versioning(ctx)
		}
		req := spec.Act{Target: spec.ByID(in.ID), Options: spec.Options{Shown: map[string]any{"versioning": known[c]}}, Caller: spec.Caller{Cwd: "/"}}
		_, aerr := v.Service.Annotate(ctx, req)
		err = errors.Join(err, aerr)
	}
	return err
}

// checkout is a folder that git has made, and its commit.
type checkout struct{ dir, head string }

// checkoutOf is where the app's script is; where that is in no checkout, as with a
// program of the system, the folder it runs in.
func checkoutOf(ctx context.Context, app spec.App) (c checkout, ok bool) {
	dirs := []string{app.Cwd}
	if filepath.IsAbs(app.Script) {
		dirs = []string{filepath.Dir(app.Script), app.Cwd}
	}
	for _, dir := range dirs {
		c.dir = dir
		if c.head = c.git(ctx, "rev-parse", "HEAD^{commit}"); c.head != "" {
			return c, true
		}
	}
	return c, false
}

// git is what git prints, "" where it cannot say.
func (c checkout) git(ctx context.Context, args ...string) string {
	env := append(os.Environ(), "GIT_TERMINAL_PROMPT=0")
	out, err := child.ExecFile(ctx, "git", append([]string{"-C", c.dir}, args...), child.ExecOptions{Env: env, MaxBuffer: 16 << 20})
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out.Stdout))
}

// versioning is what PM2 tells of a checkout. What git cannot say is left empty.
func (c checkout) versioning(ctx context.Context) map[string]any {
	remotes := strings.Fields(c.git(ctx, "remote"))
	v := map[string]any{
		"type": "git", "revision": c.head, "repo_path": c.dir, "remotes": append([]string{}, remotes...),
		"comment": c.git(ctx, "log", "-1", "--format=%B") + "\n", "update_time": c.git(ctx, "log", "-1", "--format=%cI"),
		"unstaged": c.git(ctx, "status", "--porcelain") != "",
		"branch":   c.git(ctx, "rev-parse", "--abbrev-ref", "HEAD"), "prev_rev": known(c.git(ctx, "rev-parse", "--verify", "--quiet", "HEAD~1")),
		"branch_exists_on_remote": false, "ahead": false, "next_rev": nil,
	}
	if len(remotes) == 0 {
		return v
	}
	remote := remotes[0]
	if upstream, _, ok := strings.Cut(c.git(ctx, "rev-parse", "--abbrev-ref", "@{upstream}"), "/"); ok {
		remote = upstream
	}
	v["remote"], v["url"] = remote, c.git(ctx, "config", "--get", "remote."+remote+".url")
	branch := "refs/remotes/" + remote + "/" + v["branch"].(string)
	if v["branch"] != "HEAD" && c.git(ctx, "rev-parse", "--verify", "--quiet", branch) != "" {
		v["branch_exists_on_remote"], v["ahead"] = true, c.git(ctx, "rev-list", "-n1", branch+"..HEAD") != ""
		first, _, _ := strings.Cut(c.git(ctx, "rev-list", "--first-parent", "--ancestry-path", "--reverse", "HEAD.."+branch), "\n")
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
