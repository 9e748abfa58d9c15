package pool

import (
	"context"
	"time"
)

// job is what the pool knows of one run of a task.
type job struct {
	call       Call
	limits     *limits
	ctx        context.Context //nolint:containedctx // it travels with the task from one goroutine to another
	done       chan struct{}   // gets one item when err is set
	admitted   chan error      // gets one item when it is in the queue, or ended; nil if nobody waits for that
	watch      *watch          // takes it out of the queue when ctx ends; nil for none
	attended   bool            // its caller waits and looks at ctx, so it needs no watch
	prev, next *job
	in         *list // where it waits, nil if nowhere

	since time.Duration // it waits, and then: it runs; the pool's clock
	turn  uint64        // its place among all that were admitted
	tries int
	state state
	err   error // once it has ended
}

// state is how far a job is for its caller.
type state uint8

const (
	going state = iota
	ended       // err is set
	loose       // ended before its worker had: somebody may still use the call
)

// limits are of a task.
type limits struct {
	timeout time.Duration
	retries int
}

// end sets the outcome, once. The caller holds the pool's lock.
func (j *job) end(err error) { j.endAs(ended, err) }

func (j *job) endAs(s state, err error) {
	if j.state != going {
		return
	}
	j.state, j.err = s, err
	j.admit(err)
	j.done <- struct{}{} // has room
}

func (j *job) admit(err error) {
	if j.admitted != nil {
		j.admitted <- err // has room
		j.admitted = nil
	}
}

// list is a queue from which any job can be taken.
type list struct {
	first, last *job
	n           int
}

func (l *list) push(j *job) {
	j.in, j.prev, j.next = l, l.last, nil
	if l.last != nil {
		l.last.next = j
	} else {
		l.first = j
	}
	l.last = j
	l.n++
}

// insert puts j back where its turn is, which is near the front.
func (l *list) insert(j *job) {
	next := l.first
	for next != nil && next.turn < j.turn {
		next = next.next
	}
	if next == nil {
		l.push(j)
		return
	}
	j.in, j.prev, j.next = l, next.prev, next
	if next.prev != nil {
		next.prev.next = j
	} else {
		l.first = j
	}
	next.prev = j
	l.n++
}

func (l *list) remove(j *job) {
	if j.prev != nil {
		j.prev.next = j.next
	} else {
		l.first = j.next
	}
	if j.next != nil {
		j.next.prev = j.prev
	} else {
		l.last = j.prev
	}
	j.in, j.prev, j.next = nil, nil, nil
	l.n--
}

// pop takes the first job; nil if there is none.
func (l *list) pop() *job {
	j := l.first
	if j != nil {
		l.remove(j)
	}
	return j
}
