package event

import (
	"context"
	"errors"
	"sync"
)

// ErrClosed ends every Watch of a bus that was closed.
var ErrClosed = errors.New("the bus is closed")

// backlog is how many events an observer may be behind before they are dropped
// and it gets a [Gap] instead.
const backlog = 4096

// Bus carries events from the one who decides to all who observe. The zero Bus
// is ready for use. Publishing never waits for an observer.
type Bus struct {
	mu     sync.Mutex // guards subs and closed
	subs   map[*sub]struct{}
	closed bool
}

// sub is one observer.
type sub struct {
	wake chan struct{} // has a token when there is something to take

	mu    sync.Mutex // guards what follows
	queue []Event
	lost  bool // queue was full: what came then is not in it
	over  bool // the bus is closed
}

// Publish gives ev to every observer that has joined.
func (b *Bus) Publish(ev Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subs {
		s.put(ev)
	}
}

// Observed says whether anybody would see an event.
func (b *Bus) Observed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.subs) > 0
}

// Close ends every Watch once its observer has what was published before.
func (b *Bus) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for s := range b.subs {
		s.end()
	}
}

// Start is where an observer comes in.
type Start struct {
	Snapshot
	Missed []Event // messages from before the snapshot that the observer asked for
	Cursor string  // names the place before them
	Gap    bool    // there were more of them
}

// Watch calls fn with a Begin event and then with each event in order, until
// ctx ends or fn returns an error, which it returns. An observer that falls
// behind gets a Gap.
//
// Begin and Gap carry what start returns; what it returns as missed, after the
// cursor that it is given, comes next. It must call join in the same step in which
// it takes the snapshot, so that what is published after that step reaches the
// observer, and nothing from before does.
func (b *Bus) Watch(ctx context.Context, after string, start func(ctx context.Context, after string, join func()) (Start, error), fn func(Event) error) error {
	s := &sub{wake: make(chan struct{}, 1)}
	join := func() {
		s.clear()
		b.add(s)
	}
	defer b.remove(s)
	tell := func(ev Event) error {
		if ev.Cursor != "" {
			after = ev.Cursor
		}
		return fn(ev)
	}
	for first := Begin; ; first = Gap {
		st, err := start(ctx, after, join)
		if err != nil {
			return err
		}
		if st.Gap {
			first = Gap
		}
		if err := fn(Event{Seq: st.Seq, At: st.At, Type: first, Snapshot: &st.Snapshot, Cursor: st.Cursor}); err != nil {
			return err
		}
		after = st.Cursor
		for _, ev := range st.Missed {
			if err := tell(ev); err != nil {
				return err
			}
		}
		if err := s.follow(ctx, tell); err != nil {
			return err
		}
	}
}

func (b *Bus) add(s *sub) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs == nil {
		b.subs = make(map[*sub]struct{})
	}
	b.subs[s] = struct{}{}
	if b.closed {
		s.end()
	}
}

func (b *Bus) remove(s *sub) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.subs, s)
}

// follow gives events to fn until some were lost, which is no error.
func (s *sub) follow(ctx context.Context, fn func(Event) error) error {
	for {
		events, lost, over := s.take()
		for _, ev := range events {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(ev); err != nil {
				return err
			}
		}
		if lost {
			return nil
		}
		if over {
			return ErrClosed
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.wake:
		}
	}
}

func (s *sub) put(ev Event) {
	s.mu.Lock()
	if len(s.queue) == backlog {
		s.lost = true
	}
	if !s.lost { // what follows a gap comes with its snapshot
		s.queue = append(s.queue, ev)
	}
	s.mu.Unlock()
	s.nudge()
}

func (s *sub) end() {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.nudge()
}

func (s *sub) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take empties the queue. With lost the events are those before the gap.
func (s *sub) take() (events []Event, lost, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events = s.queue
	s.queue = nil
	return events, s.lost, s.over
}

func (s *sub) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue, s.lost = nil, false
}
