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
	tries int
	ended bool // err is set
	loose bool // ended before its worker had: somebody may still use the call
	err   error
}

// limits are of a task.
type limits struct {
	timeout time.Duration
	retries int
}

// end sets the outcome, once. The caller holds the pool's lock.
func (j *job) end(err error) {
	if j.ended {
		return
	}
	j.ended, j.err = true, err
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

func (l *list) pushFront(j *job) {
	j.in, j.prev, j.next = l, nil, l.first
	if l.first != nil {
		l.first.prev = j
	} else {
		l.last = j
	}
	l.first = j
	l.n++
}

// pushAfter puts j behind prev if that is in the list, and else first.
func (l *list) pushAfter(prev, j *job) {
	if prev == nil || prev.in != l {
		l.pushFront(j)
		return
	}
	if prev == l.last {
		l.push(j)
		return
	}
	j.in, j.prev, j.next = l, prev, prev.next
	prev.next.prev, prev.next = j, j
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
