package supervisor

import (
	"iter"
	"sync"
)

// inbox is what waits for the loop. It has no bound: who reports must never
// block, and the loop is faster than what reports.
type inbox struct {
	wake chan struct{} // has a token when there is something to take

	mu    sync.Mutex // guards queue
	queue []func(*loop)
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

func (b *inbox) put(fn func(*loop)) {
	b.mu.Lock()
	b.queue = append(b.queue, fn)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// all takes and yields what is in the inbox when it is called, in order.
func (b *inbox) all() iter.Seq[func(*loop)] {
	b.mu.Lock()
	batch := b.queue
	b.queue = nil
	b.mu.Unlock()
	return func(yield func(func(*loop)) bool) {
		for _, fn := range batch {
			if !yield(fn) {
				return
			}
		}
	}
}
