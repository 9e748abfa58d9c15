// Package lifecycle decides what becomes of one process slot: [Step] for its
// life, [Rollout] for replacing what runs by a new generation. Events in,
// actions out; no clock, no I/O. The shell that performs the actions is
// internal/supervisor.
package lifecycle

// Goal is what the operator wants of an instance.
type Goal int

const (
	Down Goal = iota // shall not run
	Up               // shall run
)

// Phase is what is the case with an instance.
type Phase int

const (
	Stopped  Phase = iota // no process, none wanted or none due
	Starting              // spawned, not yet ready
	Running               // ready
	Stopping              // asked to end, not yet gone
	Backoff               // will be spawned again at WakeAt
	Failed                // gave up; Reason says why
)

func (g Goal) String() string { return [...]string{"down", "up"}[g] }

func (p Phase) String() string {
	return [...]string{"stopped", "starting", "running", "stopping", "backoff", "failed"}[p]
}

// MarshalText gives the word, so that JSON carries words and not numbers.
func (g Goal) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// MarshalText gives the word, so that JSON carries words and not numbers.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText takes a word of [Goal.String]; an unknown one is Down.
func (g *Goal) UnmarshalText(b []byte) error {
	*g = Down
	if string(b) == "up" {
		*g = Up
	}
	return nil
}

// UnmarshalText takes a word of [Phase.String]; an unknown one is Stopped.
func (p *Phase) UnmarshalText(b []byte) error {
	*p = Stopped
	for q := Stopped; q <= Failed; q++ {
		if q.String() == string(b) {
			*p = q
		}
	}
	return nil
}
