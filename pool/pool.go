package pool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Options bound a [Pool]. The zero value is usable.
type Options struct {
	// Size is how many tasks run at once; 0 or less means what the Executor says, and
	// at least 1.
	Size int
	// Queue is how many more may wait for a worker; 0 means none. Calls beyond that
	// wait at the door, see [Run] and [Submit], or are refused, see [TrySubmit].
	Queue int
	// Spares is how many workers beside those that the tasks need are kept started,
	// so that one is at hand when another dies or is replaced, or a burst comes.
	// They are started with the first task, or by [Pool.Warm].
	Spares int
}

// Pool runs tasks on the workers of one [Executor], in the order in which they
// came. Workers are started when tasks need them, and kept. Its methods, and
// [Run], [Submit] and [TrySubmit], may be called from any goroutine.
type Pool struct {
	options Options
	life    life
	epoch   time.Time

	mu      sync.Mutex // guards the rest
	queue   list       // admitted, without a worker
	waiting list       // not admitted: the pool is full
	inside  int        // admitted and not ended
	slots   map[*slot]bool
	idle    []*slot // the last one used at the end
	active  int     // slots that are not idle and not being started
	closed  bool
	watches watches
	count   counters

	drained chan struct{} // closed when closed and inside is 0
	running sync.WaitGroup
}

// life is how workers begin and end.
type life struct {
	start  func() (Worker, error)
	end    func(Worker)
	force  context.CancelCauseFunc // ends every worker
	forced <-chan struct{}
	detach func() bool // from the context given to New

	refused time.Duration // when a worker could not be started; guarded by Pool.mu
}

// slot is the place of one worker.
type slot struct {
	worker Worker        // nil while it is being started
	run    func()        // works until the queue is empty
	booted chan struct{} // closed when it is started, or could not be
	err    error         // why, once booted is closed
}

// refusalPause is how long workers are not started after one could not be, while
// others do the work.
const refusalPause = time.Second

// New returns a pool, and starts nothing yet. The end of ctx closes it by force, as
// [Pool.Close] does with a ctx that has ended. Whoever makes a pool closes it, also
// then: Close returns when nothing of it is left.
func New(ctx context.Context, e Executor, o Options) *Pool {
	if o.Size <= 0 {
		o.Size = max(e.Size(), 1)
	}
	p := &Pool{options: o, epoch: time.Now(), slots: map[*slot]bool{}, watches: watches{}, drained: make(chan struct{})}
	own, force := context.WithCancelCause(context.WithoutCancel(ctx))
	booting := make(chan struct{}, runtime.GOMAXPROCS(0)) // more at once only take each other's time
	p.life = life{
		start: func() (Worker, error) {
			booting <- struct{}{}
			defer func() { <-booting }()
			return e.Start(own)
		},
		end:    func(w Worker) { _ = w.Close(own) },
		force:  force,
		forced: own.Done(),
	}
	p.life.detach = context.AfterFunc(ctx, p.halt)
	return p
}

// Warm starts all workers that are missing, spares too, and returns when they can
// take tasks. The error joins those of the workers that could not be started, or is
// ErrClosed, or the cause of ctx's end: then they go on starting.
func (p *Pool) Warm(ctx context.Context) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ErrClosed
	}
	for len(p.slots) < p.options.Size+p.options.Spares {
		p.startLocked()
	}
	all := slices.Collect(maps.Keys(p.slots))
	p.mu.Unlock()
	var errs []error
	for _, s := range all {
		select {
		case <-s.booted:
			errs = append(errs, s.err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return errors.Join(errs...)
}

// Close takes no more tasks, waits until those it has are done, and ends the
// workers. If ctx ends before, they are ended by force: tasks that wait fail with
// ErrClosed, those that run in processes too. Tasks on a [Thread] cannot be ended:
// then Close does not wait for them and returns an error. It may be called more
// than once.
func (p *Pool) Close(ctx context.Context) error {
	p.life.detach()
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		p.dropLocked(&p.waiting)
		p.drainedLocked()
	}
	p.mu.Unlock()
	detach := context.AfterFunc(ctx, p.halt)
	defer detach()
	select {
	case <-p.drained:
	case <-p.life.forced:
		if n := p.unstoppable(); n > 0 {
			return fmt.Errorf("close pool: %d tasks still run: %w", n, context.Cause(ctx))
		}
	}
	<-p.drained
	p.dismiss()
	p.running.Wait()
	p.life.force(ErrClosed)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// halt closes by force.
func (p *Pool) halt() {
	p.mu.Lock()
	p.closed = true
	p.dropLocked(&p.waiting)
	p.inside -= p.queue.n
	p.dropLocked(&p.queue)
	p.drainedLocked()
	p.mu.Unlock()
	p.life.force(ErrClosed)
	p.dismiss()
}

func (p *Pool) dropLocked(l *list) {
	for j := l.pop(); j != nil; j = l.pop() {
		p.unwatchLocked(j)
		j.end(ErrClosed)
	}
}

func (p *Pool) drainedLocked() {
	select {
	case <-p.drained:
	default:
		if p.closed && p.inside == 0 {
			p.unwatchAllLocked()
			close(p.drained)
		}
	}
}

// unstoppable counts the tasks that no force can end.
func (p *Pool) unstoppable() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.slots {
		if s.worker != nil && s.worker.Lost() == nil && !slices.Contains(p.idle, s) {
			n++
		}
	}
	return n
}

// dismiss ends the idle workers.
func (p *Pool) dismiss() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.idle {
		delete(p.slots, s)
		p.running.Go(func() { p.life.end(s.worker) })
	}
	p.idle = nil
}

func (p *Pool) now() time.Duration { return time.Since(p.epoch) }

// entry says what to do with a task when the pool is full.
type entry int

const (
	wait    entry = iota // for the end of the task
	waitFor              // for its admission
	refuse
)

func (p *Pool) enter(j *job, e entry) error {
	admitted, err := p.submit(j, e)
	if admitted == nil {
		return err
	}
	return <-admitted
}

func (p *Pool) submit(j *job, e entry) (admitted <-chan error, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	full := p.inside >= p.options.Size+p.options.Queue
	switch {
	case p.closed:
		return nil, ErrClosed
	case full && e == refuse:
		return nil, ErrFull
	case full && e == waitFor:
		j.admitted = make(chan error, 1)
	}
	j.attended = e == wait
	j.since = p.now()
	if full {
		p.waiting.push(j)
		p.watchLocked(j)
	} else {
		p.admitLocked(j)
	}
	return j.admitted, nil
}

func (p *Pool) admitLocked(j *job) {
	j.admit(nil)
	p.inside++
	p.count.admitted++
	j.turn = p.count.admitted
	p.enqueueLocked(j)
}

// wakeLocked lets an idle worker look at the queue, if there is one, and starts those
// that are missing.
func (p *Pool) wakeLocked() (woken bool) {
	if n := len(p.idle); n > 0 && p.queue.n > 0 && p.active < p.options.Size {
		s := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.goLocked(s)
		woken = true
	}
	p.fillLocked()
	return woken
}

func (p *Pool) goLocked(s *slot) {
	p.active++
	p.running.Add(1)
	go s.run()
}

// fillLocked starts the workers that are missing.
func (p *Pool) fillLocked() {
	want := min(p.options.Size, p.inside)
	if !p.closed && (p.inside > 0 || len(p.slots) > 0) {
		want += p.options.Spares
	}
	for len(p.slots) < want {
		if len(p.slots) > 0 && p.life.refused != 0 && p.now()-p.life.refused < refusalPause {
			return
		}
		p.startLocked()
	}
}

// startLocked starts one worker.
func (p *Pool) startLocked() {
	s := &slot{booted: make(chan struct{})}
	s.run = func() { p.work(s) }
	p.slots[s] = true
	p.running.Go(func() {
		w, err := p.life.start()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.bootedLocked(s, w, err)
		s.err = err
		close(s.booted)
	})
}

// bootedLocked has a new worker take tasks. If it could not be started and there is
// no other, the task that has waited longest fails: each is worth one try.
func (p *Pool) bootedLocked(s *slot, w Worker, err error) {
	if err != nil {
		delete(p.slots, s)
		p.life.refused = p.now()
		if len(p.slots) == 0 {
			if j := p.takeLocked(p.now()); j != nil {
				p.leaveLocked(j, err)
			}
			if p.queue.n > 0 {
				p.fillLocked()
			}
		}
		return
	}
	s.worker = w
	p.life.refused = 0
	if p.closed && p.inside == 0 {
		delete(p.slots, s)
		p.running.Go(func() { p.life.end(w) })
		return
	}
	p.idle = append(p.idle, s)
	if lost := w.Lost(); lost != nil {
		p.running.Go(func() {
			<-lost
			p.lost(s)
		})
	}
	if p.queue.n > 0 {
		p.wakeLocked()
	}
}

// lost takes a worker away that died without a task.
func (p *Pool) lost(s *slot) {
	p.mu.Lock()
	i := slices.Index(p.idle, s)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
		delete(p.slots, s)
		p.count.replaced++
		p.fillLocked()
	}
	p.mu.Unlock()
	if i >= 0 {
		p.life.end(s.worker)
	}
}
