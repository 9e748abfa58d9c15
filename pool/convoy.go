package pool

import (
	"context"
	"slices"
	"time"
)

// A worker process that says so in its first message is given tasks ahead: while it
// does one, the next lie in its socket already, so that neither side falls asleep
// between short ones (docs/protocol/pool.md).
//
//	pool                             worker
//	                       ◀──────   {"ready":true,"ahead":7}
//	  {"id":1,…} {"id":2,…} ─────▶
//	                       ◀──────   {"id":2,"returned":true}, when 1 takes long
//	                       ◀──────   {"id":1,"out":45}

const (
	// shortTask is how long a task may take for others to be given ahead, and for a
	// worker to keep those it has.
	shortTask = time.Millisecond
	// maxAhead is how many a worker of this package has ahead.
	maxAhead = 7
	// aheadSize bounds a request that is worth a place in the socket.
	aheadSize = 16 << 10
	// aheadGrace is for a task that was cancelled while it was ahead: a worker that
	// has its cancellation in the same look at the socket need not be killed.
	aheadGrace = 20 * time.Millisecond
)

// convoy gives tasks to one worker process. It belongs to one goroutine.
type convoy struct {
	p     *Pool
	s     *slot
	w     *processWorker
	tasks []errand // in the order in which they were sent
	short bool     // the last task was
	over  bool     // the worker has ended
}

// errand is a task that the worker has.
type errand struct {
	j      *job
	id     uint64
	ctx    context.Context //nolint:containedctx // the task's, with its time limit once its turn has come
	unbind func()          // of ctx; nil before its turn
}

// end is for a task that the worker has no longer.
func (c *convoy) end(e *errand) {
	if e.unbind != nil {
		c.w.guard.unset()
		e.unbind()
	}
}

// work does tasks until the queue is empty or the worker has ended.
func (c *convoy) work() {
	for c.load() {
		if len(c.tasks) > 0 {
			c.hear()
		}
	}
}

// load gives the worker what it may have. It returns false when there is nothing to
// do, or nobody to do it.
func (c *convoy) load() bool {
	if c.over {
		return false
	}
	if len(c.tasks) == 0 {
		j := c.p.step(c.s, nil, nil)
		if j == nil {
			return false
		}
		c.give(j)
	}
	for range c.p.share(c.room()) {
		if j := c.p.take(); j != nil {
			c.give(j)
		}
	}
	return true
}

func (c *convoy) room() int {
	w := c.w
	if !c.short || w.spent.Load() || w.rules.MaxRSS > 0 || len(w.buf) > aheadSize {
		return 0
	}
	room := w.ahead + 1 - len(c.tasks)
	if most := uint64(w.rules.MaxTasks); most > 0 {
		room = min(room, int(most-min(w.id, most)))
	}
	return room
}

// share is how many of n more tasks a worker may have, so that all have as many.
func (p *Pool) share(n int) int {
	if n <= 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(n, (p.queue.n+p.active-1)/max(p.active, 1))
}

func (p *Pool) take() *job {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.takeLocked(p.now())
}

// give sends one task.
func (c *convoy) give(j *job) {
	if j.ctx.Err() != nil {
		c.p.conclude(j, context.Cause(j.ctx))
		return
	}
	if err := c.w.prepare(j.call); err != nil {
		c.p.conclude(j, err)
		return
	}
	c.tasks = append(c.tasks, errand{j: j, id: c.w.id, ctx: j.ctx})
	c.turn()
	if err := c.w.ch.SendRaw(c.w.ctx, c.w.buf); err != nil {
		c.w.spent.Store(true)
		c.w.kill() // its last answers are still to be heard
	}
}

// turn sees to it that the first task is bounded by its ctx and its timeout.
func (c *convoy) turn() {
	if len(c.tasks) == 0 || c.tasks[0].unbind != nil {
		return
	}
	e := &c.tasks[0]
	grace := c.w.rules.Grace
	if e.ctx.Err() != nil {
		grace = max(grace, aheadGrace)
	}
	e.ctx, e.unbind = c.p.bound(e.j)
	c.w.guard.set(e.ctx, e.id, grace)
	e.j.since = c.p.now()
}

// hear takes one message of the worker.
func (c *convoy) hear() {
	a, err := c.w.receive(c.w.ctx, c.tasks[0].id)
	if err != nil {
		c.wreck()
		return
	}
	i := slices.IndexFunc(c.tasks, func(e errand) bool { return e.id == a.ID })
	if i < 0 {
		return // none of ours
	}
	e := c.tasks[i]
	c.tasks = slices.Delete(c.tasks, i, i+1)
	if a.Returned {
		c.short = false
		c.giveBack(&e)
	} else {
		c.short = c.p.now()-e.j.since < c.w.short
		c.answered(&e, &a)
	}
	if a.Panic != nil && len(c.tasks) > 0 {
		c.wreck() // it does no more
	}
	c.turn()
}

func (c *convoy) answered(e *errand, a *answer) {
	ended := e.ctx.Err() != nil
	cause := context.Cause(e.ctx)
	c.end(e)
	c.w.account()
	if a.Panic != nil {
		c.w.spent.Store(true)
	}
	if ended {
		c.p.conclude(e.j, cause)
	} else {
		c.p.conclude(e.j, a.settle(e.j.call))
	}
}

// giveBack returns a task to the queue.
func (c *convoy) giveBack(e *errand) {
	c.end(e)
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.p.requeueLocked(e.j)
	c.p.wakeLocked()
}

// wreck ends the worker. The task that it had begun has failed, the others go back.
func (c *convoy) wreck() {
	exit := c.w.stop(c.tasks[0].ctx)
	begun := c.w.board.begun()
	var failed *job
	var err error
	for i := range c.tasks {
		e := &c.tasks[i]
		if e.id != begun {
			c.giveBack(e)
			continue
		}
		failed, err = e.j, &CrashError{PID: c.w.p.PID(), Exit: exit}
		if e.ctx.Err() != nil {
			err = context.Cause(e.ctx)
		}
		c.end(e)
	}
	c.tasks = nil
	c.over = true
	c.p.step(c.s, failed, err) // which has no more for this worker
}

// conclude notes how a task ended.
func (p *Pool) conclude(j *job, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count.run.add(p.now() - j.since)
	p.finishLocked(j, err)
}
