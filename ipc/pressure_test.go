package ipc

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// full waits until the sender of ch can write no more.
func full(t *testing.T, ch *Channel) {
	t.Helper()
	for ctx := deadline(t); ch.conn.Queued() == 0; runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatal("the peer has room without end")
		}
	}
}

// TestBackPressure: who does not receive is not sent to, and nobody's memory grows.
func TestBackPressure(t *testing.T) {
	x, y := channels(t, ConnOptions{})
	text := strings.Repeat("x", 1000)
	const count = 2000
	for _, way := range [][2]*Channel{{x, y}, {y, x}} {
		for _, send := range []func(*Channel) error{
			func(ch *Channel) error { return ch.Send(deadline(t), text) },
			func(ch *Channel) error { return ch.Post(deadline(t), text) },
		} {
			a, b := way[0], way[1]
			var wg sync.WaitGroup
			wg.Go(func() {
				for range count {
					if err := send(a); err != nil {
						t.Error(err)
						return
					}
				}
				if err := a.Flush(deadline(t)); err != nil {
					t.Error(err)
				}
			})
			full(t, a)
			if n := a.conn.Queued(); n > AtomicFrame+len(text)+3 {
				t.Errorf("%d bytes are queued by a sender that waits", n)
			}
			for range count {
				if m, err := b.Receive(deadline(t)); err != nil || len(m.Data) != len(text)+2 {
					t.Error(m, err)
					return
				}
			}
			wg.Wait()
		}
	}
}

// clogged sends from x until its peer has no more room, and returns how many messages it was.
func clogged(t *testing.T, x *Channel) (count int) {
	t.Helper()
	frame := []byte(`"` + strings.Repeat("x", 20000) + "\"\n")
	for {
		err := x.conn.TrySend(frame, -1)
		if errors.Is(err, ErrWouldBlock) {
			return count
		}
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
}

// TestBackPressureOfLongMessage: one that is longer than the queue waits as others do.
func TestBackPressureOfLongMessage(t *testing.T) {
	const limit = 64 << 10
	x, y := channels(t, ConnOptions{MaxQueue: limit})
	count := clogged(t, x)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := x.Send(deadline(t), strings.Repeat("y", 3*limit)); err != nil {
			t.Error(err)
		}
	})
	full(t, x)
	for range count + 1 {
		if _, err := y.Receive(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
}

// TestPostedAfterGivenUp: what a sender left whose ctx ended takes no posted message
// with it, and who cannot wait for it has sent nothing.
func TestPostedAfterGivenUp(t *testing.T) {
	const limit = 64 << 10
	x, y := channels(t, ConnOptions{MaxQueue: limit})
	count := clogged(t, x)
	ctx, giveUp := context.WithCancel(deadline(t))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := x.Send(ctx, strings.Repeat("y", limit-10)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	full(t, x)
	giveUp()
	wg.Wait()
	if err := x.Post(ctx, "posted"); err != nil {
		t.Fatal(err)
	}
	if err := x.Send(ctx, "refused"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	x.flushPosted() // as Receive does
	wg.Go(func() {
		if err := x.Disconnect(deadline(t)); err != nil {
			t.Error(err)
		}
	})
	var got []string
	for m, err := range y.Messages(deadline(t)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(m.Data))
	}
	wg.Wait()
	if len(got) != count+2 || got[count+1] != `"posted"` {
		t.Errorf("%d messages of %d, the last: %.20s", len(got), count+2, got[len(got)-1])
	}
}

// TestBackPressureWhileWaiting: what comes before an acknowledgement is kept, up
// to the limit; then the acknowledgement waits for a receiver.
func TestBackPressureWhileWaiting(t *testing.T) {
	const limit = 64 << 10
	a, b := channels(t, ConnOptions{MaxQueue: limit})
	text := strings.Repeat("x", 1000)
	const count = 2000
	var wg sync.WaitGroup
	wg.Go(func() {
		for range count {
			if err := a.Send(deadline(t), text); err != nil {
				t.Error(err)
				return
			}
		}
	})
	full(t, a)
	l := tcpListener(t)
	wg.Go(func() {
		h, err := NewHandle(l)
		if err == nil {
			err = b.SendHandle(deadline(t), "listener", h, true)
		}
		if err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		m, err := a.Receive(deadline(t))
		if err != nil || m.Handle == nil {
			t.Error(m, err)
			return
		}
		m.Handle.Close()
	})
	weight := func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.inbox.weight
	}
	most := 0
	for range count {
		most = max(most, weight())
		if _, err := b.Receive(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if most > limit+2*peekSize {
		t.Errorf("%d bytes were kept, the limit is %d", most, limit)
	}
}
