package event

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// told is a source of numbered events and their snapshot.
type told struct {
	bus Bus
	seq uint64
}

func (s *told) publish(n int) {
	for range n {
		s.seq++
		s.bus.Publish(Event{Seq: s.seq, Type: Changed})
	}
}

func (s *told) start(_ context.Context, _ string, join func()) (Start, error) {
	join()
	return Start{Snapshot: Snapshot{Seq: s.seq}}, nil
}

func TestSlowObserverGetsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &told{}
		s.publish(3)
		blocked, done := make(chan struct{}), make(chan error, 1)
		var types []Type
		var last uint64
		enough := errors.New("enough")
		go func() {
			done <- s.bus.Watch(t.Context(), "", s.start, func(ev Event) error {
				if ev.Snapshot == nil && ev.Seq != last+1 {
					t.Errorf("event %d after %d", ev.Seq, last)
				}
				last = ev.Seq
				if len(types) == 0 || types[len(types)-1] != ev.Type {
					types = append(types, ev.Type)
				}
				if ev.Seq == 4 {
					<-blocked
				}
				if ev.Seq == 2*backlog+5 {
					return enough
				}
				return nil
			})
		}()
		synctest.Wait()
		s.publish(1)
		synctest.Wait()
		s.publish(2 * backlog) // does not wait for it
		close(blocked)
		synctest.Wait()
		s.publish(1)
		if err := <-done; err != enough {
			t.Errorf("watch: %v", err)
		}
		if len(types) != 4 || types[0] != Begin || types[1] != Changed || types[2] != Gap || types[3] != Changed {
			t.Errorf("types %v", types)
		}
		if s.bus.Observed() {
			t.Error("still observed")
		}
	})
}

func TestCloseEndsEveryWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := &told{}, 0
		done := make(chan error, 1)
		go func() {
			done <- s.bus.Watch(t.Context(), "", s.start, func(Event) error { n++; return nil })
		}()
		synctest.Wait()
		s.publish(2)
		s.bus.Close()
		if err := <-done; !errors.Is(err, ErrClosed) || n != 3 {
			t.Errorf("%v after %d events", err, n)
		}
		if err := s.bus.Watch(t.Context(), "", s.start, func(Event) error { return nil }); !errors.Is(err, ErrClosed) {
			t.Errorf("late: %v", err)
		}
	})
}

func TestWatchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &told{}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.bus.Watch(ctx, "", s.start, func(Event) error { return nil }) }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
