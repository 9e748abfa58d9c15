package lifecycle

import "slices"

// Roll is a reload of several instances, a few at a time. It is plain data.
type Roll struct {
	Parallel int        `json:"parallel"` // how many at a time; less than 1 means 1
	Slots    []RollSlot `json:"slots"`
	Reason   string     `json:"reason,omitempty"` // why it stopped before the end
	Finished bool       `json:"finished"`
}

// RollSlot is one instance of a roll.
type RollSlot struct {
	ID    int       `json:"id"`
	Stage RollStage `json:"stage"`
}

// RollStage is how far an instance has come in a roll.
type RollStage string

const (
	Waiting  RollStage = ""         // its turn has not come
	Rolling  RollStage = "rolling"  // its successor is on its way, or the old one is going
	Replaced RollStage = "replaced" // the new generation serves and the old one is gone
	Kept     RollStage = "kept"     // the new generation did not come up
	Left     RollStage = "left"     // stopped or deleted meanwhile
)

// RollEvent is what became of one instance of a roll: its new Stage, Replaced,
// Kept or Left, and for Kept the reason. The zero RollEvent begins the roll.
type RollEvent struct {
	ID     int
	Stage  RollStage
	Reason string
}

// Rollout takes a roll one step further and returns the instances to [Reload]
// now. After the first instance that was Kept no further one is touched. The
// roll is Finished when none is Rolling and none will be.
func Rollout(r Roll, ev RollEvent) (Roll, []int) {
	r.Slots = slices.Clone(r.Slots)
	for i := range r.Slots {
		if s := &r.Slots[i]; ev.Stage != Waiting && s.ID == ev.ID && (s.Stage == Rolling || s.Stage == Waiting) {
			s.Stage = ev.Stage
			if ev.Stage == Kept && r.Reason == "" {
				r.Reason = ev.Reason
			}
		}
	}
	var next []int
	for i := range r.Slots {
		if s := &r.Slots[i]; s.Stage == Waiting && r.Reason == "" && r.count(Rolling) < max(1, r.Parallel) {
			s.Stage = Rolling
			next = append(next, s.ID)
		}
	}
	r.Finished = r.count(Rolling) == 0 && (r.Reason != "" || r.count(Waiting) == 0)
	return r, next
}

// In returns the ids of the instances in stage.
func (r Roll) In(stage RollStage) (ids []int) {
	for _, s := range r.Slots {
		if s.Stage == stage {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func (r Roll) count(stage RollStage) int { return len(r.In(stage)) }
