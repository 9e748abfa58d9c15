package supervisor

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
)

// loop is the state of everything. Only the goroutine of Run touches it.
type loop struct {
	o       Options
	bus     *event.Bus
	slots   map[int]*slot
	order   []int // ids, ascending
	nextID  int
	told    told
	boots   boots
	rolls   map[string]*roll // by app, while it goes on
	past    past
	scales  scales
	inbox   *inbox
	held    map[string]bool // apps for which the edge may hold listeners
	watches map[int]*watching
	last    lastOrders
	pending []func() // what follows from the event being handled
}

// lastOrders are what Shutdown left.
type lastOrders struct {
	closing bool         // it was called
	resume  map[int]bool // who is to be started by the next daemon
}

// told is how far observers were told.
type told struct {
	seq  uint64 // of the last event
	said uint64 // the place in Options.Recent of the last message
}

func newLoop(o Options, bus *event.Bus, in *inbox) *loop {
	return &loop{
		o: o, bus: bus, told: told{said: o.Recent.last()}, inbox: in, slots: map[int]*slot{}, rolls: map[string]*roll{}, past: past{}, held: map[string]bool{}, watches: map[int]*watching{},
		boots: boots{max: o.MaxBoots, until: map[runner.Key]*booting{}},
	}
}

// step takes a slot through one event, performs what the core decides and
// tells what changed.
func (l *loop) step(sl *slot, ev lifecycle.Event) { l.stepAs(sl, ev, event.Changed) }

// stepAs is step for a fact that is told as such, whether or not it changes the
// instance.
func (l *loop) stepAs(sl *slot, ev lifecycle.Event, told event.Type) {
	if sl.deleted {
		return
	}
	before := sl.state.Phase
	var actions []lifecycle.Action
	policy := sl.policy()
	if l.last.closing {
		policy.Cron = ""
	}
	sl.state, actions = lifecycle.Step(policy, sl.state, ev, time.Now())
	l.remember(sl)
	for _, a := range actions {
		l.perform(sl, a, before)
	}
	l.adopt(sl)
	if !sl.specKept {
		l.remember(sl)
	}
	l.tell(sl, told)
	if sl.idle() {
		l.release(sl.spec.Name)
	}
	sl.settle()
	l.permitDependents(sl.spec.Name)
	l.enlist(sl)
}

func (l *loop) perform(sl *slot, a lifecycle.Action, before lifecycle.Phase) {
	key := func(gen uint64) runner.Key { return runner.Key{ID: sl.id, Gen: gen} }
	switch a := a.(type) {
	case lifecycle.Spawn:
		// What ended by itself goes before what an operator starts.
		crashed := before == lifecycle.Running || before == lifecycle.Backoff
		l.spawn(sl, a.Gen, crashed)
	case lifecycle.Cancel:
		if l.boots.cancel(key(a.Gen)) {
			l.later(sl, lifecycle.SpawnFailed{Gen: a.Gen, Reason: "no longer wanted"})
		}
	case lifecycle.Route:
		l.o.Runner.Route(key(a.Gen))
	case lifecycle.Unroute:
		l.o.Runner.Unroute(key(a.Gen))
	case lifecycle.Disconnect:
		l.o.Runner.Disconnect(key(a.Gen))
	case lifecycle.Terminate:
		l.o.Runner.Terminate(key(a.Gen))
	case lifecycle.Kill:
		l.o.Runner.Kill(key(a.Gen))
	case lifecycle.Forget:
		l.forget(sl)
	}
}

// later gives sl an event that follows from the one being handled.
func (l *loop) later(sl *slot, ev lifecycle.Event) {
	l.pending = append(l.pending, func() { l.step(sl, ev) })
}

func (l *loop) spawn(sl *slot, gen uint64, urgent bool) {
	a := sl.app()
	if !a.PM2 { // PM2 tells what was declared
		a.Instances = len(l.named(a.Name)) - a.Standby
	}
	restarts := sl.state.Restarts
	if c := sl.state.Find(gen); c != nil && c.Role == lifecycle.Successor {
		restarts++ // it counts as one when it takes over
	}
	l.held[a.Name] = true
	s := runner.Spawn{Key: runner.Key{ID: sl.id, Gen: gen}, App: a, Was: sl.spec.Name, Index: sl.index, Restarts: restarts, Standby: a.Standby > 0, Listens: sl.state.Listens}
	if costly(a) {
		l.boots.add(s, urgent)
		return
	}
	l.o.Runner.Spawn(s)
}

// tell publishes the slot as it is now, unless that is nothing new.
func (l *loop) tell(sl *slot, told event.Type) {
	now := sl.look()
	if sl.deleted || told == event.Changed && now == sl.view {
		return
	}
	sl.view = now
	l.publish(sl, event.Event{Type: told})
}

func (l *loop) publish(sl *slot, ev event.Event) {
	l.told.seq++
	view := sl.view
	ev.Seq, ev.At, ev.Instance = l.told.seq, time.Now(), &view
	l.bus.Publish(ev)
}

// create makes a new stopped instance of a.
func (l *loop) create(a spec.App) *slot {
	a.Env = l.common(a.Env)
	sl := &slot{
		id: l.nextID, index: l.freeIndex(a.Name, nil), spec: a, created: time.Now(),
		state: lifecycle.State{Seed: rand.Uint64()}, listening: map[uint64][]string{},
	}
	l.nextID++
	l.rememberIDs()
	l.slots[sl.id] = sl
	l.order = append(l.order, sl.id)
	sl.view = sl.look()
	l.publish(sl, event.Event{Type: event.Created})
	return sl
}

// common returns env, or that of the last instance where it is equal: most come from
// one shell, and their environment is most of what an app takes.
func (l *loop) common(env map[string]string) map[string]string {
	if n := len(l.order); n > 0 {
		if last := l.slots[l.order[n-1]].spec.Env; maps.Equal(env, last) {
			return last
		}
	}
	return env
}

// forget drops a deleted slot.
func (l *loop) forget(sl *slot) {
	sl.deleted = true
	l.watch(sl, time.Time{})
	sl.view = sl.look()
	delete(l.slots, sl.id)
	l.order = slices.DeleteFunc(l.order, func(id int) bool { return id == sl.id })
	l.o.Memory.Together(func() {
		l.unremember(sl)
		if len(l.named(sl.spec.Name)) == 0 {
			l.forgetPast(sl.spec.Name)
		}
		if len(l.order) == 0 {
			l.nextID = 0
			l.rememberIDs()
		}
	})
	l.publish(sl, event.Event{Type: event.Deleted})
}

// release lets the edge close the listeners of an app of which nothing runs.
func (l *loop) release(name string) {
	if !l.held[name] {
		return
	}
	for _, sl := range l.named(name) {
		if !sl.idle() {
			return
		}
	}
	delete(l.held, name)
	l.o.Runner.Release(name)
}

// named returns the slots of an app, by id.
func (l *loop) named(name string) (list []*slot) {
	for _, id := range l.order {
		if sl := l.slots[id]; sl.spec.Name == name {
			list = append(list, sl)
		}
	}
	return list
}

// freeIndex is the smallest number that no instance of the app has but self.
func (l *loop) freeIndex(name string, self *slot) int {
	taken := map[int]bool{}
	for _, sl := range l.named(name) {
		if sl != self {
			taken[sl.index] = true
		}
	}
	n := 0
	for taken[n] {
		n++
	}
	return n
}

// tick gives every slot whose deadline has come its Tick.
func (l *loop) tick(now time.Time) {
	for _, id := range slices.Clone(l.order) {
		if sl := l.slots[id]; sl != nil && due(sl.state.WakeAt, now) {
			l.step(sl, lifecycle.Tick{})
		}
	}
	l.tickRolls(now)
	l.weigh(now)
	l.drain()
	l.boot(now)
}

// drain handles what earlier events left behind.
func (l *loop) drain() {
	for len(l.pending) > 0 {
		fn := l.pending[0]
		l.pending = l.pending[1:]
		fn()
	}
}

func due(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// wakeAt is the earliest deadline of all, zero if there is none.
func (l *loop) wakeAt() time.Time {
	at := l.boots.wakeAt()
	if w := l.weighAt(time.Now()); !w.IsZero() && (at.IsZero() || w.Before(at)) {
		at = w
	}
	if w := l.rollWake(); !w.IsZero() && (at.IsZero() || w.Before(at)) {
		at = w
	}
	for _, sl := range l.slots {
		if w := sl.state.WakeAt; !w.IsZero() && (at.IsZero() || w.Before(at)) {
			at = w
		}
	}
	return at
}

// snapshot is all state now.
func (l *loop) snapshot() event.Snapshot {
	snap := l.moment()
	snap.Apps = l.declared()
	return snap
}

// moment is a snapshot without the apps.
func (l *loop) moment() event.Snapshot {
	return event.Snapshot{Seq: l.told.seq, At: time.Now(), Instances: l.views(l.order), Apps: []event.App{}}
}

// declared are the apps, and where they listen.
func (l *loop) declared() []event.App {
	apps := make([]event.App, 0, len(l.order))
	at := map[string]int{}
	for _, id := range l.order {
		sl := l.slots[id]
		i, ok := at[sl.spec.Name]
		if !ok {
			i = len(apps)
			at[sl.spec.Name] = i
			apps = append(apps, event.App{Spec: sl.spec})
			apps[i].Spec.Instances = -sl.spec.Standby
		}
		a := &apps[i]
		if ok && !sl.same(a.Spec) {
			if a.Variants == nil {
				a.Variants = map[int]spec.App{}
			}
			a.Variants[id] = sl.spec
		}
		a.Spec.Instances++
		for _, address := range sl.spec.Listen {
			if strings.HasPrefix(address, spec.UnixAddress) {
				address = strings.Replace(address, ":", " ", 1)
			} else {
				address = "tcp " + address
			}
			a.Listening = append(a.Listening, address)
		}
		for _, addresses := range sl.listening {
			a.Listening = append(a.Listening, addresses...)
		}
	}
	for i := range apps {
		slices.Sort(apps[i].Listening)
		apps[i].Listening = slices.Compact(apps[i].Listening)
	}
	return apps
}

// views returns the instances with these ids that still exist.
func (l *loop) views(ids []int) []event.Instance {
	list := make([]event.Instance, 0, len(ids))
	for _, id := range ids {
		if sl := l.slots[id]; sl != nil {
			list = append(list, sl.view)
		}
	}
	return list
}

func (l *loop) entries() []spec.Entry {
	list := make([]spec.Entry, 0, len(l.order))
	for _, id := range l.order {
		a := &l.slots[id].spec
		list = append(list, spec.Entry{ID: id, Name: a.Name, Namespace: a.Namespace, Script: a.Script, Module: a.Module != ""})
	}
	return list
}

// match returns the ids that target names.
func (l *loop) match(target, cwd string) ([]int, error) {
	return spec.Select(l.entries(), target, cwd)
}

// open is an error once Shutdown was called.
func (l *loop) open() error {
	if l.last.closing {
		return ending()
	}
	return nil
}

// specs returns the declarations of ids.
func (l *loop) specs(ids []int) map[int]spec.App {
	m := make(map[int]spec.App, len(ids))
	for _, id := range ids {
		m[id] = l.slots[id].spec
	}
	return m
}

// respec gives a slot another declaration, for its next life.
func (l *loop) respec(sl *slot, a spec.App) {
	renamed, old := a.Name != sl.spec.Name, sl.spec.Name
	a.Env = l.common(a.Env)
	sl.spec = a
	sl.specKept = false
	if renamed {
		sl.index = l.freeIndex(a.Name, sl)
		l.o.Runner.Rename(old, a.Name)
		l.release(old)
		l.renamePast(old, a.Name)
	}
	l.o.Runner.Listen(a.Name, a.Listen)
	l.watch(sl, time.Time{})
}

// adopt makes the declaration of a reload the slot's own once its generation is
// the current one.
func (l *loop) adopt(sl *slot) {
	if c := sl.state.Current(); sl.next != nil && c != nil && c.Gen >= sl.nextGen {
		a := *sl.next
		sl.next, sl.specKept = nil, false
		l.respec(sl, a)
	}
}

// conflict says that a reload of one of the apps is going on.
func (l *loop) conflict(ids []int) error {
	for _, name := range slices.Sorted(maps.Keys(l.rolls)) {
		for _, id := range ids {
			if l.slots[id].spec.Name == name {
				return &fault.Error{
					Code: fault.Conflict, Message: "a reload of " + name + " is going on",
					Remedy: "Wait for it to end. Stop and delete end it.",
				}
			}
		}
	}
	return nil
}
