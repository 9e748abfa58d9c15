package lifecycle

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// world answers the actions of Step as processes and an edge would, in any
// order that they can.
type world struct {
	p        Policy
	s        State
	now      time.Time
	procs    map[uint64]string // asked, there, ended
	deaf     map[uint64]bool   // told to end, or killed
	forgot   bool
	previous uint64 // the newest generation spawned
}

func (w *world) step(t *rapid.T, ev Event) {
	before, _ := json.Marshal(w.s)
	next, actions := Step(w.p, w.s, ev, w.now)
	if after, _ := json.Marshal(w.s); string(after) != string(before) {
		t.Fatalf("%T changed the state it was given", ev)
	}
	if w.forgot {
		return
	}
	w.s = next
	for _, a := range actions {
		w.perform(t, a)
	}
	w.check(t, ev)
}

func (w *world) perform(t *rapid.T, a Action) {
	switch a := a.(type) {
	case Spawn:
		if w.s.Goal != Up || w.s.Deleting {
			t.Fatalf("spawned %d while the goal is %v", a.Gen, w.s.Goal)
		}
		if a.Gen <= w.previous && w.procs[a.Gen] != "lost" {
			t.Fatalf("spawned %d after %d", a.Gen, w.previous)
		}
		w.previous = max(w.previous, a.Gen)
		w.procs[a.Gen] = "asked"
	case Terminate:
		if w.procs[a.Gen] != "there" || w.deaf[a.Gen] {
			t.Fatalf("terminate %d, which is %q, told before: %v", a.Gen, w.procs[a.Gen], w.deaf[a.Gen])
		}
		w.deaf[a.Gen] = true
	case Kill:
		if w.procs[a.Gen] == "" {
			t.Fatalf("kill %d, which is gone", a.Gen)
		}
	case Forget:
		if maps.DeleteFunc(w.procs, func(_ uint64, is string) bool { return is == "lost" }); len(w.procs) > 0 {
			t.Fatalf("forgets %v", w.procs)
		}
		w.forgot = true
	case Cancel, Route, Unroute, Disconnect:
	}
}

// check holds the state against what must always be true.
func (w *world) check(t *rapid.T, ev Event) {
	roles := map[Role]int{}
	for _, l := range w.s.Lives {
		roles[l.Role]++
		if w.procs[l.Gen] == "" {
			t.Fatalf("after %T generation %d is remembered and gone", ev, l.Gen)
		}
	}
	running := w.s.Phase == Running || w.s.Phase == Starting
	switch {
	case roles[Current] > 1 || roles[Successor] > 1 || roles[Successor] == 1 && w.s.Phase != Running:
		t.Fatalf("after %T: %v in phase %v", ev, roles, w.s.Phase)
	case running != (roles[Current] == 1) && w.s.Phase != Stopping:
		t.Fatalf("after %T: phase %v with %v", ev, w.s.Phase, roles)
	case len(w.procs) != len(w.s.Lives):
		t.Fatalf("after %T: lives %v, processes %v", ev, w.s.Lives, w.procs)
	case w.s.Goal == Down && w.s.Phase != Stopped && w.s.Phase != Stopping:
		t.Fatalf("after %T: goal down, phase %v", ev, w.s.Phase)
	case w.s.Held != "" && (w.s.Goal == Down || running || w.s.Phase == Failed):
		t.Fatalf("after %T: held in phase %v", ev, w.s.Phase)
	case w.s.Phase == Backoff && w.s.WakeAt.IsZero():
		t.Fatalf("after %T: nothing wakes it", ev)
	case w.s.Phase == Failed && w.s.Reason == "":
		t.Fatalf("after %T: failed without a reason", ev)
	}
}

// facts are the events that generation gen, as it is, can bring about.
func facts(gen uint64, is string) []Event {
	switch is {
	case "asked":
		return []Event{Spawned{gen, 1}, SpawnFailed{gen, "no", false}, SpawnFailed{gen, "no", true}}
	case "there":
		return []Event{
			Online{gen},
			Listening{gen},
			Prepared{gen},
			Admit{gen},
			ListenFailed{gen, "taken"},
			Hung{gen, "no answer"},
			Ready{gen},
			Leaving{gen},
			Disconnected{gen},
			Exited{gen, 0, ""},
			Exited{gen, 7, ""},
			Exited{gen, -1, "SIGKILL"},
		}
	}
	return []Event{Gone{gen}}
}

// happen applies a fact to the world and tells Step.
func (w *world) happen(t *rapid.T, gen uint64, ev Event) {
	switch ev.(type) {
	case Spawned:
		w.procs[gen] = "there"
	case SpawnFailed, Gone:
		delete(w.procs, gen)
	case Exited:
		w.procs[gen] = "ended"
	}
	w.step(t, ev)
}

func TestStepKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{p: anyPolicy(t), now: base, procs: map[uint64]string{}, deaf: map[uint64]bool{}}
		w.s.Seed = rapid.Uint64().Draw(t, "seed")
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.random(t)
		}
		w.windDown(t)
	})
}

func anyPolicy(t *rapid.T) Policy {
	p := defaults()
	p.Cluster = rapid.Bool().Draw(t, "cluster")
	p.Overlap = p.Cluster || rapid.Bool().Draw(t, "overlap")
	p.WaitReady = rapid.Bool().Draw(t, "wait ready")
	p.Lenient, p.Immediate = rapid.Bool().Draw(t, "lenient"), rapid.Bool().Draw(t, "immediate")
	p.Autorestart = rapid.IntRange(0, 4).Draw(t, "autorestart") > 0
	p.MaxRestarts = rapid.IntRange(0, 4).Draw(t, "max restarts")
	p.StopExitCodes = []int{7}
	p.MaxAge = rapid.SampledFrom([]time.Duration{0, 0, 5 * time.Second}).Draw(t, "max age")
	p.Cron = rapid.SampledFrom([]string{"", "", "*/10 * * * * *"}).Draw(t, "cron")
	p.RestartDelay = rapid.SampledFrom([]time.Duration{0, 0, time.Second}).Draw(t, "delay")
	p.Backoff = rapid.SampledFrom([]time.Duration{0, 0, time.Second}).Draw(t, "backoff")
	return p
}

func (w *world) random(t *rapid.T) {
	commands := []Event{Start{}, Start{}, Stop{}, Restart{}, Reload{}, Reload{Trial: true}, Promote{}, Reject{}, Recycle{}, Start{Hold: "db"}, Permit{}, Refuse{"no db"}, Reset{}, Tick{}}
	if rapid.IntRange(0, 30).Draw(t, "delete") == 0 {
		commands = []Event{Delete{}, Delete{Drain: true}, Stop{Drain: true}}
	}
	switch kind := rapid.IntRange(0, 10).Draw(t, "kind"); {
	case kind == 10:
		w.crash(t)
	case kind < 3 || w.previous == 0:
		w.step(t, rapid.SampledFrom(commands).Draw(t, "command"))
	case kind < 5: // time passes
		w.now = w.now.Add(time.Duration(rapid.Int64Range(0, int64(40*time.Second)).Draw(t, "pause")))
		w.step(t, Tick{})
	default: // of any life there ever was
		gen := rapid.Uint64Range(1, w.previous).Draw(t, "gen")
		is := w.procs[gen]
		ev := rapid.SampledFrom(facts(gen, is)).Draw(t, "fact")
		if is == "" {
			w.step(t, ev) // old news
			return
		}
		w.happen(t, gen, ev)
	}
}

// crash is the death of who performs: the next one finds each life, in whatever
// state it came to meanwhile, or nothing of it. What that had been told it may not have heard.
func (w *world) crash(t *rapid.T) {
	w.deaf = map[uint64]bool{}
	for _, l := range w.s.Lives {
		is := w.procs[l.Gen]
		if rapid.IntRange(0, 2).Draw(t, "lost") > 0 {
			if is == "asked" {
				w.procs[l.Gen] = "there"
			}
			w.step(t, Adopted{l.Gen, 1})
			continue
		}
		w.procs[l.Gen] = "lost"
		next, actions := Step(w.p, w.s, Lost{l.Gen}, w.now)
		if w.forgot {
			return
		}
		w.s = next
		for _, a := range actions {
			w.perform(t, a)
		}
		if w.procs[l.Gen] == "lost" {
			delete(w.procs, l.Gen)
		}
		w.check(t, Lost{l.Gen})
	}
}

// windDown stops it: whatever it was at, it must come to rest, with processes
// that end by nothing but a kill.
func (w *world) windDown(t *rapid.T) {
	w.p.Cron = ""
	w.step(t, Stop{})
	for range 100 {
		if w.forgot || w.s.Phase == Stopped && len(w.procs) == 0 {
			if !w.s.WakeAt.IsZero() && !w.forgot {
				t.Fatalf("stopped, and wakes at %v", w.s.WakeAt)
			}
			return
		}
		for gen, is := range w.procs {
			switch is {
			case "asked":
				w.happen(t, gen, Spawned{gen, 1})
			case "ended":
				w.happen(t, gen, Gone{gen})
			case "there":
				if l := w.s.Find(gen); l != nil && l.Stage == Killed {
					w.happen(t, gen, Exited{gen, -1, "SIGKILL"})
				}
			}
		}
		if w.s.WakeAt.After(w.now) {
			w.now = w.s.WakeAt
		}
		w.step(t, Tick{})
	}
	t.Fatalf("did not come to rest: %+v, processes %v", w.s, w.procs)
}

func TestStateSurvivesJSON(t *testing.T) {
	s := State{}
	for _, ev := range []Event{
		Start{}, Spawned{1, 7}, Online{1}, Listening{1}, Exited{1, 1, ""}, Tick{}, Reload{}, ListenFailed{2, "taken"},
	} {
		s, _ = Step(defaults(), s, ev, base)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back State
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(s, back) {
		t.Errorf("%v\n got %+v\nwant %+v", err, back, s)
	}
}

func TestJitterStaysWithinATenth(t *testing.T) {
	seen := map[string]bool{}
	for gen := range uint64(1000) {
		j := jitter(1, gen)
		if j < 0.9 || j > 1.1 {
			t.Fatalf("jitter %v", j)
		}
		seen[fmt.Sprintf("%.3f", j)] = true
	}
	if len(seen) < 150 {
		t.Errorf("%d values", len(seen))
	}
}

// TestRolloutKeepsItsPromises rolls over any instances with any outcomes.
func TestRolloutKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Roll{
			Parallel: rapid.IntRange(0, 4).Draw(t, "parallel"), Canary: rapid.IntRange(0, 3).Draw(t, "canary"),
			For: time.Minute, Back: rapid.Bool().Draw(t, "back"),
		}
		n := rapid.IntRange(0, 8).Draw(t, "instances")
		for id := range n {
			r.Slots = append(r.Slots, RollSlot{ID: id})
		}
		at := map[int]RollVerb{} // what was last done to each
		ails := map[int]int{}    // probes of those on trial that failed, in a row
		now, ev, failed := base, RollEvent{}, false
		for range 100 {
			var next []RollAction
			r, next = Rollout(r, ev, now)
			for _, a := range next {
				checkTurn(t, r, a, at, failed)
				at[a.ID] = a.Do
			}
			if len(r.In(Rolling, Trying, Returning)) > max(1, r.Parallel) {
				t.Fatalf("%+v at a time", r.Slots)
			}
			if r.Finished {
				checkEnd(t, r, failed)
				return
			}
			if !r.Until.IsZero() && rapid.Bool().Draw(t, "time passes") {
				now, ev = r.Until, RollEvent{}
				for _, id := range r.In(OnTrial) {
					failed = failed || ails[id] > 0
				}
				continue
			}
			ev = outcome(t, r)
			if ev.Stage == OnTrial && slices.Contains(r.In(OnTrial), ev.ID) {
				if ails[ev.ID]++; ev.Reason == "" {
					ails[ev.ID] = 0
				}
			}
			failed = failed || ev.Stage == Kept || ev.Stage == Replaced && ev.Reason != "" || ails[ev.ID] >= 3
			if done := r.In(Replaced); len(done) > 0 && rapid.IntRange(0, 9).Draw(t, "one that is replaced ends") == 0 {
				ev, failed = RollEvent{ID: done[0], Stage: Replaced, Reason: "died"}, true
			}
		}
		t.Fatalf("never finished: %+v", r)
	})
}

// checkTurn says what may follow what.
func checkTurn(t *rapid.T, r Roll, a RollAction, at map[int]RollVerb, failed bool) {
	before := at[a.ID]
	switch a.Do {
	case DoReplace, DoTry:
		if before != "" || failed || a.Do == DoReplace && r.Canary > 0 && !r.Passed {
			t.Fatalf("%v after %q, failed %v: %+v", a, before, failed, r)
		}
	case DoPromote:
		if before != DoTry || failed || !r.Passed {
			t.Fatalf("%v after %q, failed %v", a, before, failed)
		}
	case DoReject:
		if before != DoTry || !failed {
			t.Fatalf("%v after %q, failed %v", a, before, failed)
		}
	case DoReturn:
		if before != DoReplace && before != DoPromote || !failed || !r.Back {
			t.Fatalf("%v after %q, failed %v", a, before, failed)
		}
	}
}

// outcome draws what became of one of those that are on their way.
func outcome(t *rapid.T, r Roll) RollEvent {
	ev := RollEvent{ID: rapid.SampledFrom(r.In(Rolling, Trying, OnTrial, Rejecting, Returning)).Draw(t, "id"), Reason: "died"}
	stage := r.Slots[slices.IndexFunc(r.Slots, func(s RollSlot) bool { return s.ID == ev.ID })].Stage
	ev.Stage = rapid.SampledFrom(map[RollStage][]RollStage{
		Rolling: {Replaced, Replaced, Kept, Left}, Trying: {OnTrial, OnTrial, Kept, Left}, OnTrial: {Kept, Left, OnTrial, OnTrial, OnTrial},
		Rejecting: {Kept, Left}, Returning: {Returned, Stuck, Left},
	}[stage]).Draw(t, "stage")
	if (ev.Stage == OnTrial || ev.Stage == Replaced) && rapid.Bool().Draw(t, "does well") {
		ev.Reason = ""
	}
	return ev
}

func checkEnd(t *rapid.T, r Roll, failed bool) {
	if n := r.count(Waiting, Kept, Returned, Stuck); !failed && n > 0 {
		t.Fatalf("finished with %+v", r.Slots)
	}
	if failed && r.Back && r.count(Replaced) > 0 {
		t.Fatalf("failed, and did not go back: %+v", r.Slots)
	}
}
