package pool

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// Task is a function that any [Executor] can run. Where it runs in another
// process, In and Out travel as JSON (package encoding/json), and errors as text
// ([*TaskError]). Use it by its pointer; do not change it once it is in use.
type Task[In, Out any] struct {
	// Name tells a worker which task is meant.
	Name string
	// Func does it. It may be nil if only workers that are other programs do.
	Func func(ctx context.Context, in In) (Out, error)
	// Timeout bounds the time on a worker, not that in the queue; 0 means no bound. A task that takes
	// longer fails with a [*TimeoutError]; a worker process is killed and replaced,
	// see [Process].Grace.
	Timeout time.Duration
	// Retries is how often the task is run again after a [*CrashError]. A task with
	// effects outside may then have had them twice.
	Retries int

	calls sync.Pool // of *call[In, Out]
}

// NewTask names a function.
func NewTask[In, Out any](name string, fn func(ctx context.Context, in In) (Out, error)) *Task[In, Out] {
	return &Task[In, Out]{Name: name, Func: fn}
}

// call is one run of a task.
type call[In, Out any] struct {
	job
	task *Task[In, Out]
	max  limits
	in   In
	out  Out
}

func (t *Task[In, Out]) call(ctx context.Context, in In) *call[In, Out] {
	c, _ := t.calls.Get().(*call[In, Out])
	if c == nil {
		c = &call[In, Out]{task: t, max: limits{t.Timeout, t.Retries}}
		c.job = job{call: c, limits: &c.max, done: make(chan struct{}, 1)}
	}
	c.ctx, c.in = ctx, in
	return c
}

// recycle makes c fit for another run. Nobody may have it but the caller.
func (t *Task[In, Out]) recycle(c *call[In, Out]) {
	var in In
	var out Out
	c.in, c.out = in, out
	c.job = job{call: c, limits: &c.max, done: c.done}
	t.calls.Put(c)
}

// Run runs t with in on the pool and returns what it returns. It waits for room in
// the queue, for a worker, and for the task. If ctx ends, Run returns at once: a
// task that waits is taken out, one that runs is told by its ctx, and a worker
// process is killed (see [Process].Grace). The error is what the task returned (in
// another process a [*TaskError]), a [*PanicError], [*CrashError] or [*TimeoutError],
// the cause of ctx's end, ErrClosed, or why no worker could be started.
func Run[In, Out any](ctx context.Context, p *Pool, t *Task[In, Out], in In) (Out, error) {
	var none Out
	c := t.call(ctx, in)
	if err := p.enter(&c.job, wait); err != nil {
		t.recycle(c)
		return none, err
	}
	if done := ctx.Done(); done == nil {
		<-c.done
	} else {
		select {
		case <-c.done:
		case <-done:
			if !p.abandon(&c.job) {
				return none, context.Cause(ctx)
			}
			<-c.done
		}
	}
	if c.state == loose {
		return none, c.err
	}
	out, err := c.out, c.err
	if t.Timeout == 0 { // else its timer may be about to look at it
		t.recycle(c)
	}
	return out, err
}

// Future is the outcome of a task that was submitted.
type Future[Out any] struct {
	job *job
	out *Out
}

// Submit gives t to the pool and returns when it is in the queue; it waits while
// that is full. The end of ctx ends the task too, as for [Run], also after Submit has
// returned. The error is ErrClosed, or the cause of ctx's end before there was room.
func Submit[In, Out any](ctx context.Context, p *Pool, t *Task[In, Out], in In) (Future[Out], error) {
	return submit(p, t.call(ctx, in), waitFor)
}

// TrySubmit is [Submit] for who will not wait: ErrFull says that the queue is full.
// A nil error says that the task is in it.
func TrySubmit[In, Out any](ctx context.Context, p *Pool, t *Task[In, Out], in In) (Future[Out], error) {
	return submit(p, t.call(ctx, in), refuse)
}

func submit[In, Out any](p *Pool, c *call[In, Out], e entry) (Future[Out], error) {
	if err := p.enter(&c.job, e); err != nil {
		return Future[Out]{}, err
	}
	return Future[Out]{job: &c.job, out: &c.out}, nil
}

// Wait returns what the task returned, when it has. The end of ctx ends only the
// wait. It may be called more than once, from any goroutine.
func (f Future[Out]) Wait(ctx context.Context) (Out, error) {
	var none Out
	select {
	case <-f.job.done:
	default:
		select {
		case <-f.job.done:
		case <-ctx.Done():
			return none, context.Cause(ctx)
		}
	}
	f.job.done <- struct{}{} // for the next who waits
	if f.job.err != nil {
		return none, f.job.err
	}
	return *f.out, nil
}

func (c *call[In, Out]) Name() string { return c.task.Name }

func (c *call[In, Out]) Run(ctx context.Context) (err error) {
	if c.task.Func == nil {
		return fmt.Errorf("task %s: it has no function, so only another program can run it", c.task.Name)
	}
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Task: c.task.Name, Value: v, Stack: string(debug.Stack())}
		}
	}()
	c.out, err = c.task.Func(ctx, c.in)
	return err
}

func (c *call[In, Out]) AppendInput(dst []byte) ([]byte, error) {
	dst, err := appendJSON(dst, c.in)
	if err != nil {
		return dst, fmt.Errorf("task %s: input: %w", c.task.Name, err)
	}
	return dst, nil
}

func (c *call[In, Out]) SetOutput(text []byte) error {
	if err := json.Unmarshal(text, &c.out); err != nil {
		return fmt.Errorf("task %s: output: %w", c.task.Name, err)
	}
	return nil
}
