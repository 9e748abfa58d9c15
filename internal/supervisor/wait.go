package supervisor

import (
	"errors"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
)

// tailLines is how many last lines of a process explain why it did not come up.
const tailLines = 30

// wait is a command that is not complete yet. The loop writes it until done is
// closed, then whoever gave the command reads it.
type wait struct {
	l        *loop
	op       string // "start", for messages
	ids      []int  // the instances of the outcome
	pending  int    // what it still waits for
	err      error
	tail     *runner.Key // of the process whose last lines belong to err
	warnings []string
	fresh    []int // instances that the command created
	out      event.Outcome
	whole    bool    // an error does not complete it before the rest is
	others   []error // after the first
	over     bool
	done     chan struct{}
}

// finish notes that one of the pending is complete. The first error is the
// command's, and completes it unless it is to be whole.
func (w *wait) finish(err error) {
	w.pending--
	if w.over {
		return
	}
	if w.err != nil && err != nil {
		w.others = append(w.others, err)
	}
	if w.err == nil {
		w.err = err
	}
	if w.pending == 0 || w.err != nil && !w.whole {
		w.complete()
	}
}

func (w *wait) complete() {
	w.over = true
	w.out = event.Outcome{Instances: w.l.views(w.ids), Warnings: w.warnings}
	close(w.done)
}

// awaitUp waits until a generation of sl from want on is up.
func (w *wait) awaitUp(sl *slot, want uint64) {
	w.pending++
	c := coming{want: want}
	sl.await(func(sl *slot) bool {
		if w.over {
			return true
		}
		switch c.look(sl) {
		case undecided:
			return false
		case failed:
			if sl.spec.PM2 && sl.last.err == nil { // it was there: PM2 asks no more of a start
				w.finish(nil)
				return true
			}
			w.fail(sl, c)
		case left:
			w.finish(leftFault(w.op, sl))
		case finished:
			w.warnings = append(w.warnings, sl.label()+": "+sl.state.Reason)
			w.finish(nil)
		case up:
			w.finish(nil)
		}
		return true
	})
}

// awaitGone waits until nothing of the lives that sl has now is left.
func (w *wait) awaitGone(sl *slot) {
	w.pending++
	newest := sl.state.Gen
	sl.await(func(sl *slot) bool {
		if !sl.deleted {
			for _, life := range sl.state.Lives {
				if life.Gen <= newest {
					return false
				}
			}
			if sl.state.Deleting {
				return false // gone, and about to be forgotten
			}
		}
		w.finish(nil)
		return true
	})
}

func (w *wait) fail(sl *slot, c coming) {
	if w.tail == nil && c.alive {
		w.tail = &runner.Key{ID: sl.id, Gen: c.failure.Gen}
	}
	w.finish(c.fault(w.op, sl))
}

// verdict is what became of a generation that one waits for.
type verdict int

const (
	undecided verdict = iota
	up
	finished // it ended by itself, and well
	failed
	left // stopped or deleted meanwhile
)

// coming watches a slot for a generation that shall come up.
type coming struct {
	want    uint64
	failure lifecycle.Failure // the first one from want on
	alive   bool              // what failed lives on: it is only late

	replaced bool // what failed had come up, and the old process is gone
}

// look judges the slot as it is now. A failure is told only once the process
// is gone, for its last lines are then known.
func (c *coming) look(sl *slot) verdict {
	st := &sl.state
	if c.failure.IsZero() && st.Failure.Gen >= c.want {
		c.failure = st.Failure
	}
	if !c.failure.IsZero() && !sl.deleted {
		life := st.Find(c.failure.Gen)
		c.alive = life != nil && life.Overdue
		if life != nil && !life.Overdue && !c.stayed(life) {
			return undecided
		}
		return failed
	}
	current := st.Current()
	switch {
	case sl.deleted || st.Goal == lifecycle.Down:
		return left
	case st.Phase == lifecycle.Running && current != nil && current.Gen >= c.want:
		return up
	case st.Phase == lifecycle.Failed:
		c.failure = lifecycle.Failure{Gen: st.Gen, Reason: st.Reason}
		return failed
	case st.Phase == lifecycle.Stopped && st.Held == "":
		return finished
	}
	return undecided
}

// stayed says that a late process became ready just after it was judged, or
// leaves in its own time: there is nothing to wait for.
func (c *coming) stayed(life *lifecycle.Life) bool {
	return life.Stage == lifecycle.Serving || life.Leaves()
}

func (c *coming) fault(op string, sl *slot) error {
	f := &fault.Error{
		Code: fault.StartFailed, Op: op + " " + sl.label(), Message: c.failure.Reason,
		Remedy: "See more of its output: tend logs " + itoa(sl.id) + " --lines 200",
	}
	if p := sl.state.Phase; !c.alive && (p == lifecycle.Backoff || p == lifecycle.Starting) {
		f.Remedy += ". It is started again until you stop it: tend stop " + sl.spec.Name
	}
	if sl.last.gen != c.failure.Gen {
		return f
	}
	f.Log = sl.last.log
	if cause, ok := errors.AsType[*fault.Error](sl.last.err); ok {
		g := *cause
		g.Op = f.Op
		if !final(cause) {
			g.Code = fault.StartFailed
		}
		return &g
	}
	return f
}

func leftFault(op string, sl *slot) error {
	what := "stopped"
	if sl.deleted || sl.state.Deleting {
		what = "deleted"
	}
	return &fault.Error{Code: fault.Conflict, Op: op + " " + sl.label(), Message: "it was " + what + " meanwhile"}
}

// during names the command in front of an error.
func during(op string, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		if err == nil {
			return nil
		}
		return &fault.Error{Code: fault.Internal, Op: op, Message: err.Error(), Err: nil}
	}
	if f.Op != "" {
		return err
	}
	g := *f
	g.Op = op
	return &g
}
