package pool

import (
	"context"
	"sync"
	"time"
)

// guard calls over when the ctx of the task that it is set for ends first. Tasks
// that follow each other with the same ctx share one registration with it.
type guard struct {
	over func(id uint64, grace time.Duration, answered <-chan struct{})

	done <-chan struct{} // of the ctx it is registered with; nil for none
	stop func() bool

	mu       sync.Mutex      // guards the rest
	id       uint64          // of the task; 0 for none
	of       <-chan struct{} // of its ctx
	grace    time.Duration
	answered chan struct{} // closed when over need not wait any more; nil if it is not running
	ended    chan struct{} // closed by over's end
}

// set has the end of ctx call over for the task id. set, unset and drop are for one
// goroutine at a time.
func (g *guard) set(ctx context.Context, id uint64, grace time.Duration) {
	done := ctx.Done()
	if done == nil {
		return
	}
	g.mu.Lock()
	g.id, g.of, g.grace = id, done, grace
	g.mu.Unlock()
	if done != g.done || ctx.Err() != nil {
		g.drop()
		g.done, g.stop = done, context.AfterFunc(ctx, func() { g.fire(done) })
	}
}

// fire is for the end of the ctx.
func (g *guard) fire(done <-chan struct{}) {
	g.mu.Lock()
	if g.id == 0 || g.of != done || g.answered != nil {
		g.mu.Unlock()
		return
	}
	id, grace := g.id, g.grace
	answered, ended := make(chan struct{}), make(chan struct{})
	g.answered, g.ended = answered, ended
	g.mu.Unlock()
	g.over(id, grace, answered)
	close(ended)
}

// unset says that the task is done. over has returned then, or will not be called.
func (g *guard) unset() {
	g.mu.Lock()
	ended := g.ended
	if g.answered != nil {
		close(g.answered)
	}
	g.id, g.of, g.answered, g.ended = 0, nil, nil, nil
	g.mu.Unlock()
	if ended != nil {
		<-ended
	}
}

// drop forgets the registration.
func (g *guard) drop() {
	if g.stop != nil {
		g.stop()
		g.done, g.stop = nil, nil
	}
}
