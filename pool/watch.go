package pool

import (
	"context"
	"time"
)

// watches take tasks out of the queue when their ctx ends. One serves all tasks
// whose ctx ends by the same channel, so that a request with a thousand tasks costs
// one registration with its ctx. The pool's lock guards them.
type watches map[<-chan struct{}]*watch

type watch struct {
	tasks int         // that count on it
	stop  func() bool // forgets it
}

// keptWatches is how many watches without a task there may be: the next task often
// has the ctx of the last.
const keptWatches = 8

// watchLocked has the end of j's ctx take j out of the list where it waits. Not all
// need it: [Run] looks at the ctx itself.
func (p *Pool) watchLocked(j *job) {
	done := j.ctx.Done()
	if done == nil || j.watch != nil || j.attended {
		return
	}
	w := p.watches[done]
	if w == nil {
		w = &watch{}
		w.stop = context.AfterFunc(j.ctx, func() { p.cancelled(done) })
		p.watches[done] = w
	}
	w.tasks++
	j.watch = w
}

func (p *Pool) unwatchLocked(j *job) {
	w := j.watch
	if w == nil {
		return
	}
	j.watch = nil
	w.tasks--
	if w.tasks == 0 && len(p.watches) > keptWatches {
		w.stop()
		delete(p.watches, j.ctx.Done())
	}
}

// cancelled takes out all tasks whose ctx ends by done.
func (p *Pool) cancelled(done <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.watches, done)
	for _, l := range []*list{&p.waiting, &p.queue} {
		for j := l.first; j != nil; {
			next := j.next
			if j.watch != nil && j.ctx.Done() == done {
				p.abandonLocked(j)
			}
			j = next
		}
	}
}

// unwatchAllLocked leaves no registration behind.
func (p *Pool) unwatchAllLocked() {
	for _, w := range p.watches {
		w.stop()
	}
	clear(p.watches)
}

// enqueueLocked puts j at the end of the queue and lets a worker know. A task that
// is alone there with a worker on its way to it is not worth a watch: it waits no
// longer than that takes.
func (p *Pool) enqueueLocked(j *job) {
	alone := p.queue.n == 0
	p.watchFirstLocked()
	p.queue.push(j)
	if woken := p.wakeLocked(); !alone || !woken {
		p.watchLocked(j)
	}
}

// watchFirstLocked watches the one task that may be without: see enqueueLocked.
func (p *Pool) watchFirstLocked() {
	if p.queue.first != nil {
		p.watchLocked(p.queue.first)
	}
}

// takeLocked takes the first task of the queue for a worker; nil if there is none.
func (p *Pool) takeLocked(now time.Duration) *job {
	j := p.queue.pop()
	if j == nil {
		return nil
	}
	p.unwatchLocked(j)
	p.count.wait.add(now - j.since)
	j.since = now
	return j
}

// requeueLocked puts a task back in its turn, which a worker had and has not done,
// unless its caller was told already that its time is over.
func (p *Pool) requeueLocked(j *job) {
	if j.state != going {
		p.leaveLocked(j, nil)
		return
	}
	if isDone(p.life.forced) {
		p.leaveLocked(j, ErrClosed)
		return
	}
	p.watchFirstLocked()
	j.since = p.now()
	p.queue.insert(j)
	p.watchLocked(j)
}
