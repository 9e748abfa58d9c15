package lifecycle

import (
	"slices"
	"time"
)

// Roll is a reload of several instances, a few at a time. It is plain data.
type Roll struct {
	Parallel int           `json:"parallel"`         // how many at a time; less than 1 means 1
	Canary   int           `json:"canary,omitempty"` // how many try the new generation first, beside the old one
	For      time.Duration `json:"for,omitempty"`    // how long they are watched before the rest follows
	Back     bool          `json:"back,omitempty"`   // what is replaced goes back where the roll fails
	Slots    []RollSlot    `json:"slots"`
	Until    time.Time     `json:"until,omitzero"`   // the canaries are watched; give an event then
	Probing  bool          `json:"-"`                // answers of those on trial are awaited: the watch does not end before
	Passed   bool          `json:"passed,omitempty"` // they did well
	Reason   string        `json:"reason,omitempty"` // why it stopped before the end
	Finished bool          `json:"finished"`
}

// RollSlot is one instance of a roll.
type RollSlot struct {
	ID      int       `json:"id"`
	Stage   RollStage `json:"stage"`
	Trouble string    `json:"trouble,omitempty"` // of its successor on trial, when it was last probed
	Failed  int       `json:"failed,omitempty"`  // how many probes in a row met it
}

// trialFailures is how many probes in a row end a trial. A single one may be
// chance, unless it is the last.
const trialFailures = 3

// RollStage is how far an instance has come in a roll.
type RollStage string

const (
	Waiting   RollStage = ""          // its turn has not come
	Rolling   RollStage = "rolling"   // its successor is on its way, or the old one is going
	Replaced  RollStage = "replaced"  // the new generation serves and the old one is gone
	Kept      RollStage = "kept"      // the new generation did not come up, or was rejected
	Left      RollStage = "left"      // stopped or deleted meanwhile
	Trying    RollStage = "trying"    // its successor is on its way, on trial
	OnTrial   RollStage = "on trial"  // it serves beside the old one
	Rejecting RollStage = "rejecting" // and goes
	Returning RollStage = "returning" // the old declaration is on its way back
	Returned  RollStage = "returned"
	Stuck     RollStage = "stuck" // the old declaration did not come up any more: the new generation serves
)

// RollEvent is what became of one instance of a roll: its new Stage, and for Kept
// the reason. OnTrial, of one that is, tells how it did when it was probed: Reason is what
// it did worse than the old generation, or "". Replaced with a Reason, at once or of one
// that is, tells that the new process has ended soon. The zero RollEvent begins the
// roll, or says that time has passed.
type RollEvent struct {
	ID     int
	Stage  RollStage
	Reason string
}

// RollVerb is what is to be done to an instance of a roll.
type RollVerb string

const (
	DoReplace RollVerb = "replace" // answered by Replaced, Kept or Left
	DoTry     RollVerb = "try"     // answered by OnTrial, Kept or Left; after OnTrial by Kept or Left if it ends
	DoPromote RollVerb = "promote" // answered by Replaced or Left
	DoReject  RollVerb = "reject"  // answered by Kept or Left
	DoReturn  RollVerb = "return"  // answered by Returned, Stuck or Left
)

// RollAction is a decision of [Rollout].
type RollAction struct {
	ID int
	Do RollVerb
}

// Rollout takes a roll one step further and returns what to do now. After the
// first instance that was Kept no further one gets a new generation; with Back
// those that have it go back. The roll is Finished when nothing is on its way
// and nothing will be.
func Rollout(r Roll, ev RollEvent, now time.Time) (Roll, []RollAction) {
	r.Slots = slices.Clone(r.Slots)
	r.take(ev)
	r.judge(now)
	var out []RollAction
	if r.Reason != "" {
		out = r.undo()
	} else {
		out = r.advance(now)
	}
	going := r.count(Rolling, Trying, OnTrial, Rejecting, Returning) > 0
	if r.Reason != "" {
		r.Finished = !going && (!r.Back || r.count(Replaced) == 0)
	} else {
		r.Finished = !going && r.count(Waiting) == 0
	}
	return r, out
}

// take notes what became of an instance.
func (r *Roll) take(ev RollEvent) {
	for i := range r.Slots {
		s := &r.Slots[i]
		if s.ID == ev.ID && s.Stage == Replaced && ev.Stage == Replaced && r.Reason == "" {
			r.Reason = ev.Reason
		}
		if s.ID != ev.ID || ev.Stage == Waiting || slices.Contains(settled, s.Stage) {
			continue
		}
		if s.Stage == OnTrial && ev.Stage == OnTrial {
			r.probed(s, ev.Reason)
			continue
		}
		s.Stage = ev.Stage
		if (ev.Stage == Kept || ev.Stage == Replaced) && r.Reason == "" {
			r.Reason = ev.Reason
		}
	}
}

// probed notes how one on trial did.
func (r *Roll) probed(s *RollSlot, trouble string) {
	s.Trouble = trouble
	if s.Failed++; trouble == "" {
		s.Failed = 0
	}
	if s.Failed >= trialFailures && r.Reason == "" {
		r.Reason = trouble
	}
}

// watches says that the watch of the canaries is not over, if it has begun.
func (r *Roll) watches(now time.Time) bool { return now.Before(r.Until) || r.Probing }

// judge ends the watch of the canaries where one of them does badly at its end.
func (r *Roll) judge(now time.Time) {
	if r.Until.IsZero() || r.watches(now) {
		return
	}
	for _, s := range r.Slots {
		if s.Stage == OnTrial && s.Failed > 0 && r.Reason == "" {
			r.Reason = s.Trouble
		}
	}
}

// settled are the stages in which nothing becomes of an instance by itself.
var settled = []RollStage{Replaced, Kept, Left, Returned, Stuck}

// advance gives the next instances their turn.
func (r *Roll) advance(now time.Time) (out []RollAction) {
	canaries := min(r.Canary, len(r.Slots))
	if canaries > 0 && !r.Passed {
		out = r.each(canaries, r.Parallel, move{Waiting, Trying, DoTry})
		if r.count(Trying) > 0 || r.countIn(canaries, Waiting) > 0 {
			return out
		}
		if r.Until.IsZero() {
			r.Until = now.Add(r.For)
		}
		if r.watches(now) && r.count(OnTrial) > 0 {
			return out
		}
		r.Passed, r.Until = true, time.Time{}
	}
	out = r.each(len(r.Slots), r.Parallel, move{OnTrial, Rolling, DoPromote})
	return append(out, r.each(len(r.Slots), r.Parallel, move{Waiting, Rolling, DoReplace})...)
}

// undo takes back what has the new generation.
func (r *Roll) undo() (out []RollAction) {
	r.Until = time.Time{}
	all := len(r.Slots)
	out = r.each(all, all+1, move{OnTrial, Rejecting, DoReject})
	out = append(out, r.each(all, all+1, move{Trying, Rejecting, DoReject})...)
	if r.Back {
		out = append(out, r.each(all, r.Parallel, move{Replaced, Returning, DoReturn})...)
	}
	return out
}

// move is what happens to an instance, and how it is asked for.
type move struct {
	from, to RollStage
	do       RollVerb
}

// each makes m of those of the first n instances that can, as long as at most
// limit are on their way.
func (r *Roll) each(n, limit int, m move) (out []RollAction) {
	for i := range r.Slots[:n] {
		if s := &r.Slots[i]; s.Stage == m.from && r.count(Rolling, Trying, Returning) < max(1, limit) {
			s.Stage = m.to
			out = append(out, RollAction{s.ID, m.do})
		}
	}
	return out
}

// In returns the ids of the instances in stage.
func (r Roll) In(stages ...RollStage) (ids []int) {
	for _, s := range r.Slots {
		if slices.Contains(stages, s.Stage) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func (r Roll) count(stages ...RollStage) int { return len(r.In(stages...)) }

func (r Roll) countIn(n int, stage RollStage) int {
	return Roll{Slots: r.Slots[:n]}.count(stage)
}
