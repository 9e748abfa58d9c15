package supervisor

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

// maxPast is how many earlier declarations of an app are kept.
const maxPast = 10

// past holds the declarations that apps had and came up with, the oldest first.
type past map[string][]spec.App

func (p past) newest(app string) (a spec.App, ok bool) {
	list := p[app]
	if len(list) == 0 {
		return a, false
	}
	return list[len(list)-1], true
}

// keepPast notes a declaration that an app had.
func (l *loop) keepPast(a spec.App) {
	a.Instances = 0 // the number is no part of it
	if newest, ok := l.past.newest(a.Name); ok && reflect.DeepEqual(newest, a) {
		return
	}
	list := append(slices.Clone(l.past[a.Name]), a)
	l.past[a.Name] = list[max(0, len(list)-maxPast):]
	l.rememberPast(a.Name)
}

// keepRolled notes what a reload that is over means for the app's past.
func (l *loop) keepRolled(r *roll) {
	if r.core.Reason != "" || len(r.specs) == 0 {
		return
	}
	if r.past {
		if len(r.core.In(lifecycle.Replaced)) < len(r.core.Slots) {
			return // some have not gone back
		}
		l.dropPast(r.app)
		return
	}
	for _, id := range r.core.In(lifecycle.Replaced) {
		if a, ok := r.from[id]; ok {
			l.keepPast(a)
			return
		}
	}
}

// dropPast forgets the newest declaration of the app's past.
func (l *loop) dropPast(app string) {
	l.past[app] = l.past[app][:max(0, len(l.past[app])-1)]
	l.rememberPast(app)
}

// keepMoved is [loop.keepRolled] for apps all of whose processes were ended first.
func (l *loop) keepMoved(moved []*plan, back bool) {
	for _, p := range moved {
		name, was := p.stay[0].spec.Name, p.from[p.stay[0].id]
		if back {
			l.dropPast(name)
		} else {
			l.keepPast(was)
		}
	}
}

// respecKept is respec by a command, which can be taken back.
func (l *loop) respecKept(sl *slot, a spec.App) {
	if old := sl.spec; sl.state.Phase == lifecycle.Running && !reflect.DeepEqual(old, a) {
		l.keepPast(old)
	}
	l.respec(sl, a)
}

// renamePast goes with an app that gets another name.
func (l *loop) renamePast(from, to string) {
	list := l.past[from]
	if len(list) == 0 || len(l.past[to]) > 0 {
		return
	}
	l.forgetPast(from)
	for i := range list {
		list[i].Name = to
	}
	l.past[to] = list
	l.rememberPast(to)
}

// forgetPast is for an app of which there is no instance any more.
func (l *loop) forgetPast(app string) {
	if len(l.past[app]) > 0 {
		l.past[app] = nil
		l.rememberPast(app)
	}
}

func (l *loop) rememberPast(app string) {
	if len(l.past[app]) > 0 {
		l.put(pastPrefix+app, l.past[app])
		return
	}
	delete(l.past, app)
	l.o.Memory.Delete(pastPrefix + app)
}

func (l *loop) restorePast(found map[string]json.RawMessage) {
	for key, text := range found {
		app, ok := strings.CutPrefix(key, pastPrefix)
		var list []spec.App
		if ok && json.Unmarshal(text, &list) == nil {
			l.past[app] = list
		}
	}
}
