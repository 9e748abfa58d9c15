package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
)

// What is remembered, by key:
//
//	slot/ID    slotRecord: an instance and the state of its lives
//	spec/ID    specRecord: its declaration
//	roll/APP   rollRecord: a reload that is going on
//	past/APP   []spec.App: declarations that it had before
//	ids        idsRecord
const (
	slotPrefix = "slot/"
	specPrefix = "spec/"
	rollPrefix = "roll/"
	pastPrefix = "past/"
	idsName    = "ids"
)

type slotRecord struct {
	Index     int             `json:"index"`
	CreatedAt time.Time       `json:"created_at"`
	State     lifecycle.State `json:"state"`
	LastExit  *event.Exit     `json:"last_exit,omitempty"`
	Said      *event.Said     `json:"said,omitempty"`   // without metrics
	Resume    bool            `json:"resume,omitempty"` // it was up when the daemon ended on purpose
}

type specRecord struct {
	Spec    spec.App  `json:"spec"`
	Next    *spec.App `json:"next,omitempty"` // of the generations from NextGen on
	NextGen uint64    `json:"next_gen,omitempty"`
}

type rollRecord struct {
	Core  lifecycle.Roll   `json:"core"`
	Specs map[int]spec.App `json:"specs,omitempty"`
	Down  map[int]bool     `json:"down,omitempty"`
	Turns map[int]rollTurn `json:"turns,omitempty"`
	From  map[int]spec.App `json:"from,omitempty"`
	Past  bool             `json:"past,omitempty"`
}

// rollTurn is the generations that an instance has in a reload.
type rollTurn struct {
	Old uint64 `json:"old"`
	New uint64 `json:"new"`
}

type idsRecord struct {
	Next int `json:"next"`
}

func rollKey(app string) string { return rollPrefix + app }

// put remembers v, which is always a JSON value.
func (l *loop) put(key string, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		l.o.Log("remember %s: %v", key, err)
		return nil
	}
	l.o.Memory.Put(key, text)
	return text
}

// remember keeps what sl has become. It comes before the actions that were
// decided with it: who does them again does no harm, who never learns of them does.
func (l *loop) remember(sl *slot) {
	if _, none := l.o.Memory.(forgetful); none {
		return
	}
	id := itoa(sl.id)
	if !sl.specKept {
		l.put(specPrefix+id, specRecord{sl.spec, sl.next, sl.nextGen})
		sl.specKept = true
	}
	text, err := json.Marshal(slotRecord{sl.index, sl.created, sl.state, sl.lastExit, lasting(sl.view.Said), l.last.resume[sl.id]})
	if err != nil {
		l.o.Log("remember %s: %v", sl.label(), err)
		return
	}
	if !bytes.Equal(text, sl.kept) {
		sl.kept = text
		l.o.Memory.Put(slotPrefix+id, text)
	}
}

func (l *loop) unremember(sl *slot) {
	l.o.Memory.Delete(slotPrefix + itoa(sl.id))
	l.o.Memory.Delete(specPrefix + itoa(sl.id))
}

func (l *loop) unrememberAll() {
	for _, id := range l.order {
		l.unremember(l.slots[id])
	}
	for app := range l.rolls {
		l.o.Memory.Delete(rollKey(app))
	}
	for app := range l.past {
		l.forgetPast(app)
	}
	l.o.Memory.Delete(idsName)
}

func (l *loop) rememberIDs() { l.put(idsName, idsRecord{l.nextID}) }

func (l *loop) rememberRoll(r *roll) {
	if !r.core.Finished {
		l.put(rollKey(r.app), rollRecord{r.core, r.specs, r.down, r.turns, r.from, r.past})
	}
}

// rememberUp notes who is to be started by the next daemon.
func (l *loop) rememberUp() {
	l.last.resume = map[int]bool{}
	for _, id := range l.order {
		if sl := l.slots[id]; sl.up() && !sl.state.Deleting {
			l.last.resume[id] = true
			l.remember(sl)
		}
	}
}

// restore takes over from a former daemon: what it remembered, and the
// processes that are still there.
func (l *loop) restore() {
	found := l.o.Memory.Found()
	resume := l.restoreSlots(found)
	for _, id := range slices.Clone(l.order) {
		l.restoreLives(l.slots[id])
	}
	for _, sl := range l.living(slices.Clone(l.order)) {
		if sl.state.Deleting && len(sl.state.Lives) == 0 { // it was just about to be forgotten
			l.forget(sl)
		}
	}
	l.restorePast(found)
	l.restoreRolls(found)
	for _, id := range resume {
		if sl := l.slots[id]; sl != nil {
			l.begin(sl)
		}
	}
	for _, id := range l.order {
		l.permitDependents(l.slots[id].spec.Name)
	}
	for _, k := range l.o.Runner.Retain(slices.Collect(maps.Keys(l.held))) {
		l.o.Log("ending what was left of instance %d, generation %d: nothing is remembered of it", k.ID, k.Gen)
	}
	for name := range l.held {
		l.release(name)
	}
	l.drain()
}

// restoreSlots makes the slots, and returns those that are to be started.
func (l *loop) restoreSlots(found map[string]json.RawMessage) (resume []int) {
	for key, text := range found {
		rest, ok := strings.CutPrefix(key, slotPrefix)
		id, err := strconv.Atoi(rest)
		if !ok || err != nil {
			continue
		}
		var rec slotRecord
		var decl specRecord
		if err = json.Unmarshal(text, &rec); err == nil {
			err = json.Unmarshal(found[specPrefix+rest], &decl)
		}
		if err != nil {
			l.o.Log("instance %d cannot be restored: %v", id, err)
			continue
		}
		decl.Spec.Env = l.common(decl.Spec.Env)
		sl := &slot{
			id: id, index: rec.Index, created: rec.CreatedAt, state: rec.State, lastExit: rec.LastExit,
			spec: decl.Spec, next: decl.Next, nextGen: decl.NextGen, specKept: true, kept: text,
			listening: map[uint64][]string{},
		}
		sl.view = sl.look()
		sl.view.Said = rec.Said
		l.slots[id] = sl
		l.order = append(l.order, id)
		l.held[sl.spec.Name] = true
		l.nextID = max(l.nextID, id+1)
		if rec.Resume {
			resume = append(resume, id)
		}
	}
	slices.Sort(l.order)
	slices.Sort(resume)
	if len(found) > 0 { // beyond all that a former daemon can have told
		l.told.seq = uint64(time.Now().UnixMicro())
	}
	var ids idsRecord
	if json.Unmarshal(found[idsName], &ids) == nil && len(l.order) > 0 {
		l.nextID = max(l.nextID, ids.Next)
	}
	return resume
}

// restoreLives takes over the processes of an instance.
func (l *loop) restoreLives(sl *slot) {
	for _, life := range slices.Clone(sl.state.Lives) {
		a := sl.spec
		if sl.next != nil && life.Gen >= sl.nextGen {
			a = *sl.next
		}
		a.Instances = len(l.named(a.Name)) - a.Standby
		s := runner.Spawn{
			Key: runner.Key{ID: sl.id, Gen: life.Gen}, App: a, Was: sl.spec.Name, Index: sl.index, Restarts: sl.state.Restarts, PID: life.PID, Listens: sl.state.Listens,
			Standby: a.Standby > 0 && !life.Admitted && (life.Stage == lifecycle.Spawning || life.Stage == lifecycle.Booting),
		}
		if !l.o.Runner.Adopt(s) {
			l.step(sl, lifecycle.Lost{Gen: life.Gen})
		}
	}
	l.adopt(sl)
	l.o.Runner.Listen(sl.spec.Name, sl.spec.Listen)
	since := time.Now()
	if c := sl.state.Current(); c != nil && !c.SpawnedAt.IsZero() {
		since = c.SpawnedAt // what has changed meanwhile, nobody has told
	}
	l.watch(sl, since)
}

// restoreRolls goes on with reloads. Who gave the command is not there any more
// to be told.
func (l *loop) restoreRolls(found map[string]json.RawMessage) {
	for key, text := range found {
		app, ok := strings.CutPrefix(key, rollPrefix)
		var rec rollRecord
		if !ok || json.Unmarshal(text, &rec) != nil {
			continue
		}
		r := &roll{app: app, core: rec.Core, specs: rec.Specs, down: rec.Down, turns: rec.Turns, from: rec.From, past: rec.Past, alone: true}
		r.w = &wait{l: l, op: "reload", whole: true, pending: 1, done: make(chan struct{})}
		if r.down == nil {
			r.down = map[int]bool{}
		}
		if r.turns == nil {
			r.turns = map[int]rollTurn{}
		}
		if r.from == nil {
			r.from = map[int]spec.App{}
		}
		l.rolls[app] = r
		l.resumeRoll(r)
	}
}

// resumeRoll goes on with every instance that was on its way.
func (l *loop) resumeRoll(r *roll) {
	for _, id := range r.core.In(lifecycle.Rolling, lifecycle.Trying, lifecycle.OnTrial, lifecycle.Rejecting, lifecycle.Returning) {
		if sl := l.slots[id]; sl == nil {
			l.roll(r, lifecycle.RollEvent{ID: id, Stage: lifecycle.Left})
		} else {
			l.resumeTurn(r, sl)
		}
	}
	for _, id := range r.core.In(lifecycle.Replaced) {
		if sl := l.slots[id]; sl != nil {
			l.watchReplaced(r, sl, &shortLife{gen: r.turns[id].New})
		}
	}
	if again := time.Now().Add(2 * trialPause); len(l.onTrial(r)) > 0 && r.core.Until.Before(again) {
		r.core.Until = again // the last answers may have gone with the former daemon
	}
	if !r.core.Finished {
		l.roll(r, lifecycle.RollEvent{})
	}
}

func (l *loop) resumeTurn(r *roll, sl *slot) {
	stage, turn := r.stage(sl.id), r.turns[sl.id]
	begun := turn.New != 0 && sl.state.Gen >= turn.New
	switch stage {
	case lifecycle.Rolling:
		if begun {
			l.step(sl, lifecycle.Promote{}) // if it was about to be
			l.watchTurn(r, sl, lifecycle.Replaced, lifecycle.Kept)
		} else {
			l.turn(r, sl, lifecycle.DoReplace)
		}
	case lifecycle.Trying, lifecycle.OnTrial:
		if begun {
			l.watchTrial(r, sl)
		} else {
			l.turn(r, sl, lifecycle.DoTry)
		}
	case lifecycle.Rejecting:
		l.turn(r, sl, lifecycle.DoReject)
	case lifecycle.Returning:
		if from, ok := r.from[sl.id]; ok && sl.next == nil && !sl.same(from) {
			l.turn(r, sl, lifecycle.DoReturn)
		} else {
			l.watchTurn(r, sl, lifecycle.Returned, lifecycle.Stuck)
		}
	}
}

// forgetful is no memory.
type forgetful struct{}

func (forgetful) Found() map[string]json.RawMessage { return nil }
func (forgetful) Put(string, []byte)                {}
func (forgetful) Delete(string)                     {}
func (forgetful) Together(fn func())                { fn() }
func (forgetful) Sync(context.Context) error        { return nil }
