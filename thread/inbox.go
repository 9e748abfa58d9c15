package thread

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// message is a value on its way: already the receiver's copy.
type message struct {
	value any
	ports []*Port // that travel with it; closed if it is never received
}

// drop ends what the message carries: nobody will receive it.
func (m message) drop() {
	for _, p := range m.ports {
		p.Close()
	}
}

// open gives what the receiver sees.
func (m message) open() (any, error) {
	if bad, ok := m.value.(*MessageError); ok {
		return nil, bad
	}
	return m.value, nil
}

// inbox is one direction of a channel: an unbounded queue, first in, first out.
type inbox struct {
	mu    sync.Mutex // guards queue, head and ended
	queue []message
	head  int  // what is before it has been taken
	ended bool // nothing more will be put in

	ready chan struct{} // holds a token while the queue may have something for a waiting receiver
	room  chan struct{} // … may have room for a waiting sender
	end   chan struct{} // closed when ended
}

func newInbox() *inbox {
	return &inbox{ready: make(chan struct{}, 1), room: make(chan struct{}, 1), end: make(chan struct{})}
}

// signal leaves a token for one who waits, now or later.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put appends l if fewer than limit messages wait; 0 is no limit. What moves with
// it is claimed when there is a place.
func (b *inbox) put(l *letter, limit int) (full bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return false, ErrClosed
	}
	waiting := len(b.queue) - b.head
	if limit > 0 && waiting >= limit {
		return true, nil
	}
	if err := l.claim(); err != nil {
		return false, err
	}
	if b.head > waiting { // half of it is used up: move the rest down
		n := copy(b.queue, b.queue[b.head:])
		clear(b.queue[n:])
		b.queue, b.head = b.queue[:n], 0
	}
	b.queue = append(b.queue, l.message)
	signal(b.ready)
	if limit > 0 && waiting+1 < limit {
		signal(b.room) // for the next who waits
	}
	return false, nil
}

// take removes the first message for p, which is nil for what has no ports. The
// error is io.EOF or that p is detached.
func (b *inbox) take(p *Port) (m message, ok bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case p != nil && p.Detached():
		signal(b.ready) // for the one who has it now
		return m, false, fmt.Errorf("receive: port %w", ErrDetached)
	case b.head < len(b.queue):
	case b.ended:
		return m, false, io.EOF
	default:
		return m, false, nil
	}
	m, b.queue[b.head] = b.queue[b.head], message{}
	b.head++
	switch {
	case b.head < len(b.queue):
		signal(b.ready)
	case cap(b.queue) > Backlog:
		b.queue, b.head = nil, 0 // a burst is over
	default:
		b.queue, b.head = b.queue[:0], 0
	}
	signal(b.room)
	return m, true, nil
}

// receive is take that waits.
func (b *inbox) receive(ctx context.Context, p *Port) (message, error) {
	var gone chan struct{}
	if p != nil {
		gone = p.gone
	}
	for {
		m, ok, err := b.take(p)
		if ok || err != nil {
			return m, err
		}
		select {
		case <-b.ready:
		case <-b.end:
		case <-gone:
		case <-ctx.Done():
			return m, fmt.Errorf("receive: %w", context.Cause(ctx))
		}
	}
}

// close lets nothing more in; what waits can still be taken.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.ended = true
		close(b.end)
	}
}

// discard closes b and drops what waits.
func (b *inbox) discard() {
	b.close()
	b.mu.Lock()
	left := b.queue[b.head:]
	b.queue, b.head = nil, 0
	b.mu.Unlock()
	for _, m := range left {
		m.drop()
	}
}
