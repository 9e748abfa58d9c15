package pool

import (
	"context"
	"errors"
	"fmt"
)

// errGoexit is what a task that ended its goroutine failed with.
var errGoexit = errors.New("it called runtime.Goexit")

// work runs tasks on one worker until the queue is empty.
func (p *Pool) work(s *slot) {
	defer p.running.Done()
	if w, ok := s.worker.(*processWorker); ok && w.ahead > 0 {
		c := convoy{p: p, s: s, w: w}
		c.work()
		return
	}
	var j *job
	defer func() {
		if j == nil {
			return
		}
		// The task left by Goexit, and this goroutine ends.
		if next := p.step(s, j, fmt.Errorf("task %s: %w", j.call.Name(), errGoexit)); next != nil {
			p.requeue(s, next)
		}
	}()
	for j = p.step(s, nil, nil); j != nil; {
		j = p.step(s, j, p.do(s.worker, j))
	}
}

// requeue gives a task back that this goroutine cannot run, and the worker another.
func (p *Pool) requeue(s *slot, j *job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requeueLocked(j)
	p.running.Add(1)
	go s.run()
}

// step notes how a task ended, and takes the next for the same worker; nil if the
// worker has none.
func (p *Pool) step(s *slot, j *job, err error) (next *job) {
	p.mu.Lock()
	now := p.now()
	if j != nil {
		p.count.run.add(now - j.since)
		p.finishLocked(j, err)
	}
	spent := s.worker.Spent()
	if spent || p.closed && p.inside == 0 { // idle, nobody would end it any more
		delete(p.slots, s)
		p.active--
		if spent {
			p.count.replaced++
		}
		if !p.wakeLocked() {
			p.watchFirstLocked()
		}
		p.mu.Unlock()
		p.life.end(s.worker)
		return nil
	}
	if next = p.takeLocked(now); next == nil {
		p.active--
		p.idle = append(p.idle, s)
	}
	p.mu.Unlock()
	return next
}

// finishLocked ends the task, or has it run again.
func (p *Pool) finishLocked(j *job, err error) {
	crash, crashed := errors.AsType[*CrashError](err)
	switch {
	case !crashed || j.state != going:
	case isDone(p.life.forced):
		err = ErrClosed
	case j.ctx.Err() != nil:
		err = context.Cause(j.ctx)
	default:
		p.count.crashed++
		crash.Task = j.call.Name()
		if j.tries < j.limits.retries {
			j.tries++
			p.requeueLocked(j)
			return
		}
	}
	p.leaveLocked(j, err)
}

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// leaveLocked ends an admitted task; the next comes in.
func (p *Pool) leaveLocked(j *job, err error) {
	p.inside--
	p.count.done++
	if err != nil || j.state == loose {
		p.count.failed++
	}
	j.end(err)
	if next := p.waiting.pop(); next != nil {
		p.admitLocked(next)
	}
	p.drainedLocked()
}

// do runs one task on a worker.
func (p *Pool) do(w Worker, j *job) error {
	if j.ctx.Err() != nil {
		return context.Cause(j.ctx)
	}
	ctx, unbind := p.bound(j)
	defer unbind()
	return w.Do(ctx, j.call)
}

// bound gives the ctx of a task whose time begins now. unbind is for its end.
func (p *Pool) bound(j *job) (ctx context.Context, unbind func()) {
	if j.limits.timeout <= 0 {
		return j.ctx, func() {}
	}
	over := &TimeoutError{Task: j.call.Name(), After: j.limits.timeout}
	ctx, cancel := context.WithTimeoutCause(j.ctx, over.After, over)
	stop := context.AfterFunc(ctx, func() {
		if context.Cause(ctx) == over { //nolint:errorlint // this very one
			p.expire(j, over)
		}
	})
	return ctx, func() {
		stop()
		cancel()
	}
}

// expire tells the caller of a task that its time is over.
func (p *Pool) expire(j *job, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	j.endAs(loose, err)
}

// abandon takes a task out that waits, as its ctx has ended. It returns false if
// the task runs or has ended.
func (p *Pool) abandon(j *job) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.abandonLocked(j)
}

func (p *Pool) abandonLocked(j *job) bool {
	switch j.in {
	case nil:
		return false
	case &p.waiting:
		p.waiting.remove(j)
		p.unwatchLocked(j)
		j.end(context.Cause(j.ctx))
	default:
		p.queue.remove(j)
		p.unwatchLocked(j)
		p.leaveLocked(j, context.Cause(j.ctx))
	}
	return true
}
