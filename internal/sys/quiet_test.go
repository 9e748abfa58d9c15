//go:build linux

package sys

import (
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

func quiet(t *testing.T) (p *QuietPoller, near, far *os.File) {
	t.Helper()
	p, err := NewQuietPoller()
	if err != nil {
		t.Fatal(err)
	}
	near, far, err = Socketpair("test")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Add(int(near.Fd()), Readable, 7); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		near.Close()
		far.Close()
	})
	return p, near, far
}

func TestQuietPollerSeesEachEdge(t *testing.T) {
	p, near, far := quiet(t)
	var ready [4]Ready
	buf := make([]byte, 8)
	for i := range 100 {
		said := make(chan error, 1)
		go func() {
			if i%2 == 0 {
				Nap(100 * time.Microsecond) // so that Wait is parked
			}
			_, err := far.Write([]byte("x"))
			said <- err
		}()
		n, err := p.Wait(ready[:])
		if err != nil || n != 1 || ready[0].Token != 7 || !ready[0].Readable {
			t.Fatalf("Wait %d = %d, %v: %+v", i, n, err, ready[0])
		}
		if err := <-said; err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := Recv(int(near.Fd()), buf); err != nil {
			t.Fatal(err)
		}
	}
}

func TestQuietPollerWakes(t *testing.T) {
	p, _, _ := quiet(t)
	var ready [1]Ready
	p.Wake() // before
	if n, err := p.Wait(ready[:]); n != 0 || err != nil {
		t.Errorf("Wait after Wake = %d, %v", n, err)
	}
	go func() {
		Nap(time.Millisecond)
		p.Wake() // during
	}()
	if n, err := p.Wait(ready[:]); n != 0 || err != nil {
		t.Errorf("Wait = %d, %v", n, err)
	}
	ended := make(chan error)
	go func() {
		_, err := p.Wait(ready[:])
		ended <- err
	}()
	Nap(time.Millisecond) // mostly it is parked by then; it ends in any case
	p.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Wait after Close = %v", err)
	}
}

// Each note that is followed by a Wake is seen, however the two sides meet.
func TestQuietPollerLosesNoWake(t *testing.T) {
	p, _, _ := quiet(t)
	const notes = 200_000
	var left, seen atomic.Int64
	go func() {
		for i := range int64(notes) {
			left.Store(i + 1)
			p.Wake()
			if i%64 == 0 { // let the other side park now and then
				for seen.Load() < i+1 {
					Nap(time.Microsecond)
				}
			}
		}
	}()
	stuck := time.AfterFunc(time.Minute, func() { p.file.Close() })
	defer stuck.Stop()
	var ready [1]Ready
	for seen.Load() < notes {
		if _, err := p.Wait(ready[:]); err != nil {
			t.Fatalf("after %d of %d: %v", seen.Load(), left.Load(), err)
		}
		seen.Store(left.Load())
	}
}
