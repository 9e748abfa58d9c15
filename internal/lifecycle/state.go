package lifecycle

import (
	"slices"
	"time"
)

// Policy is how one instance wants to be guarded. It comes from the app's
// declaration and may change between two steps.
type Policy struct {
	Cluster       bool          // it gets its connections from us
	Overlap       bool          // a successor can run beside the old process; always with Cluster
	WaitReady     bool          // only [Ready] makes it ready
	Lenient       bool          // who is there counts as ready, unless it is to say so; who is not ready in time as well
	Immediate     bool          // no built-in backoff
	Autorestart   bool          // spawn again what ended by itself
	StopExitCodes []int         // these ends are final
	MaxRestarts   int           // short lives within Window before Failed
	Window        time.Duration // of the restart intensity
	MinUptime     time.Duration // shorter lives are unstable
	RestartDelay  time.Duration // fixed pause before a restart; 0 for none
	Backoff       time.Duration // first delay of the operator's own backoff; 0 for the built-in one
	BackoffReset  time.Duration // uptime that ends the operator's own backoff; 0 for the built-in one
	ListenTimeout time.Duration // how long it may take to become ready
	Prove         time.Duration // who neither listens nor says ready is ready after staying up this long
	MaxAge        time.Duration // a process that served so long, give or take a tenth, is recycled; 0 for never
	Cron          string        // pattern of the times at which it is replaced or, if it ends of its own accord, run; "" for none
	Drain         time.Duration // how long a process may take to finish its old connections
	Grace         time.Duration // how long a process may take to end
}

// State is all that is known of one instance. It is plain data: it can be
// written down and given to a later Step. The zero State is a stopped instance
// without a past.
type State struct {
	Goal     Goal        `json:"goal"`
	Phase    Phase       `json:"phase"`
	Reason   string      `json:"reason,omitempty"`  // why it is in this phase, when that is not what was asked for
	Held     string      `json:"held,omitempty"`    // what a start waits for; "" when none does
	WakeAt   time.Time   `json:"wake_at,omitzero"`  // the one deadline: give [Tick] then
	Due      time.Time   `json:"due,omitzero"`      // in Backoff: when it is spawned again
	Cron     string      `json:"cron,omitempty"`    // the pattern of CronAt
	CronAt   time.Time   `json:"cron_at,omitzero"`  // when it comes due next
	Gen      uint64      `json:"gen"`               // the newest generation
	Lives    []Life      `json:"lives,omitempty"`   // processes not yet gone, oldest first
	Failure  Failure     `json:"failure,omitzero"`  // the last generation that did not come up
	Restarts int         `json:"restarts"`          // since created or reset
	Unstable int         `json:"unstable"`          // short lives in a row
	Streak   int         `json:"streak,omitempty"`  // delays of the backoff so far
	Short    []time.Time `json:"short,omitempty"`   // when short lives ended, within the window
	Listens  bool        `json:"listens,omitempty"` // some generation has listened, so the next one must
	Deleting bool        `json:"deleting,omitempty"`
	Seed     uint64      `json:"seed,omitempty"` // of the jitter; the shell's choice
}

// Life is one process of an instance.
type Life struct {
	Gen       uint64    `json:"gen"`
	PID       int       `json:"pid,omitempty"` // 0 before it is spawned and after it ended
	Role      Role      `json:"role"`
	Stage     Stage     `json:"stage"`
	SpawnedAt time.Time `json:"spawned_at,omitzero"`
	OnlineAt  time.Time `json:"online_at,omitzero"`
	Deadline  time.Time `json:"deadline,omitzero"`  // of the stage
	Overdue   bool      `json:"overdue,omitempty"`  // counts as up, but never became ready
	Trial     bool      `json:"trial,omitempty"`    // a successor that waits for Promote or Reject when it is ready
	Trouble   string    `json:"trouble,omitempty"`  // what it will mostly die of
	Waits     bool      `json:"waits,omitempty"`    // on standby: it has come as far as to listen, and may not yet
	Admitted  bool      `json:"admitted,omitempty"` // it waited so, and was let in
}

// Role is what a life is to its instance. At most one is Current, and at most
// one is Successor.
type Role string

const (
	Old       Role = "old"       // on its way out
	Current   Role = "current"   // fills the instance
	Successor Role = "successor" // fills it once it is ready
)

// Stage is how far a life has come.
type Stage string

const (
	Spawning Stage = "spawning" // asked for, not yet there
	Booting  Stage = "booting"  // there, not yet ready
	Serving  Stage = "serving"  // ready
	Draining Stage = "draining" // takes no new work; without a deadline it left of its own accord
	Ending   Stage = "ending"   // terminated, or to be terminated as soon as it is there
	Killed   Stage = "killed"
	Ended    Stage = "ended" // the main process ended; the rest of its tree is not yet gone
)

// Failure is a generation that ended, or was given up waiting for, before it
// was ready.
type Failure struct {
	Gen    uint64 `json:"gen"`
	Reason string `json:"reason"`
}

// IsZero says that there was none.
func (f Failure) IsZero() bool { return f == Failure{} }

// Leaves says that the process announced its end and takes the time it likes.
func (l *Life) Leaves() bool { return l.Stage == Draining && l.Deadline.IsZero() }

// InService says that the life has its part of the app's work, or is about to.
func (l *Life) InService() bool {
	return l != nil && (l.Stage == Serving && !l.Waits || l.Stage == Booting && l.Admitted)
}

// Current returns the life that fills the instance, nil if there is none.
func (s *State) Current() *Life { return s.as(Current) }

// Find returns the life of generation gen, nil if it is gone.
func (s *State) Find(gen uint64) *Life {
	if i := s.index(gen); i >= 0 {
		return &s.Lives[i]
	}
	return nil
}

func (s *State) as(r Role) *Life {
	for i := range s.Lives {
		if s.Lives[i].Role == r {
			return &s.Lives[i]
		}
	}
	return nil
}

func (s *State) index(gen uint64) int {
	return slices.IndexFunc(s.Lives, func(l Life) bool { return l.Gen == gen })
}

// wakeAt is the earliest of all deadlines.
func (s *State) wakeAt() time.Time {
	at := s.Due
	if at.IsZero() || !s.CronAt.IsZero() && s.CronAt.Before(at) {
		at = s.CronAt
	}
	for _, l := range s.Lives {
		if at.IsZero() || !l.Deadline.IsZero() && l.Deadline.Before(at) {
			at = l.Deadline
		}
	}
	return at
}
