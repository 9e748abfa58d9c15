package supervisor

import (
	"strings"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

// begin starts an instance: at once, or when what its app depends on is there.
func (l *loop) begin(sl *slot) {
	var names []string
	for _, d := range sl.app().DependsOn {
		names = append(names, d.App)
	}
	if len(names) == 0 {
		l.step(sl, lifecycle.Start{})
		return
	}
	l.step(sl, lifecycle.Start{Hold: "waits for " + strings.Join(names, ", ")})
	// The command that starts this one may start those, too.
	l.pending = append(l.pending, func() { l.permit(sl) })
}

// permit starts what is held if nothing is lacking, or gives it up.
func (l *loop) permit(sl *slot) {
	if sl.state.Held == "" || sl.deleted {
		return
	}
	for _, d := range sl.app().DependsOn {
		met, never := l.need(d)
		if never != nil {
			sl.last = words{gen: sl.state.Gen, err: never}
			l.step(sl, lifecycle.Refuse{Reason: "depends on " + d.App + ": " + never.Message})
			return
		}
		if !met {
			return
		}
	}
	l.step(sl, lifecycle.Permit{})
}

// permitDependents is for when something became of an instance of app.
func (l *loop) permitDependents(app string) {
	for _, id := range l.order {
		sl := l.slots[id]
		if sl.state.Held == "" {
			continue
		}
		for _, d := range sl.app().DependsOn {
			if d.App == app {
				l.pending = append(l.pending, func() { l.permit(sl) })
				break
			}
		}
	}
}

// need says whether a dependency is met; or why it will not be, left alone.
func (l *loop) need(d spec.Dependency) (met bool, never *fault.Error) {
	there, ok := 0, 0
	for _, sl := range l.named(d.App) {
		if sl.state.Deleting {
			continue
		}
		there++
		met, problem, remedy := far(sl, d.Until)
		if problem != "" {
			return false, &fault.Error{Code: fault.Conflict, Field: "--depends-on", Message: d.App + " " + problem, Remedy: remedy}
		}
		if met {
			ok++
		}
	}
	if there == 0 {
		return false, &fault.Error{
			Code: fault.NotFound, Field: "--depends-on", Message: "there is no app " + d.App, Remedy: "Start it first, or leave the dependency out.",
		}
	}
	return ok == there || ok > 0 && d.Until == spec.UntilStarted, nil
}

// far says whether an instance has come as far as another app needs it; or what
// keeps it from that, and what to do.
func far(sl *slot, until spec.Until) (met bool, problem, remedy string) {
	st, c := &sl.state, sl.state.Current()
	ended := st.Phase == lifecycle.Stopped && st.Held == "" && st.Goal == lifecycle.Up
	why := "See why: tend logs " + sl.spec.Name
	switch {
	case st.Goal == lifecycle.Down:
		return false, "is stopped", "Start it first: tend start " + sl.spec.Name
	case st.Phase == lifecycle.Failed:
		return false, "failed: " + st.Reason, why
	case until == spec.UntilStarted:
		return c != nil && c.PID > 0 || ended, "", ""
	case until == spec.UntilReady && ended:
		return false, st.Reason, why
	case until == spec.UntilReady && c != nil && c.Overdue:
		return false, "is not ready: " + st.Reason, why
	case until == spec.UntilReady:
		return st.Phase == lifecycle.Running, "", ""
	case ended && sl.lastExit != nil && (sl.lastExit.Code != 0 || sl.lastExit.Signal != ""):
		return false, st.Reason, why
	case sl.spec.Autorestart && len(sl.spec.StopExitCodes) == 0:
		return false, "is started again whenever it ends, so it is never completed", "Start it with --no-autorestart."
	}
	return ended, "", ""
}

// depends refuses declarations that depend on each other in a circle, together
// with those that there are: with instead of some of them, and more.
func (l *loop) depends(with map[int]spec.App, more ...spec.App) error {
	needs := map[string][]spec.Dependency{}
	for _, id := range l.order {
		a, ok := with[id]
		if !ok {
			a = l.slots[id].spec
		}
		needs[a.Name] = a.DependsOn
	}
	for _, a := range more {
		needs[a.Name] = a.DependsOn
	}
	_, err := spec.Order(needs)
	return err
}

// layers are the instances in the order in which they are to be stopped: those first
// on which none of the others depends.
func (l *loop) layers() (ids [][]int) {
	needs := map[string][]spec.Dependency{}
	for _, sl := range l.slots {
		needs[sl.spec.Name] = sl.spec.DependsOn
	}
	order, err := spec.Order(needs)
	if err != nil { // cannot be: it is checked
		return [][]int{l.order}
	}
	for _, layer := range order {
		var list []int
		for _, app := range layer {
			for _, sl := range l.named(app) {
				list = append(list, sl.id)
			}
		}
		ids = append([][]int{list}, ids...)
	}
	return ids
}
