package runner

import (
	"context"
	"syscall"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/sys"
)

// slack is what the grace of a tree is longer than its app's: the caller of
// Terminate keeps the deadline, and this one is there if it does not.
const slack = 500 * time.Millisecond

// wish is what the caller wants to become of a process. A later one counts
// only if it is stronger.
type wish int

const (
	none wish = iota
	terminate
	kill
)

// ending is a stop under way. The zero ending is none. Guarded by life.mu, but for all.
type ending struct {
	wish   wish
	cancel context.CancelFunc // ends the grace
	done   chan struct{}      // closed when the stop is over; nil: none was begun
	all    bool               // after done: nothing is left of the tree
}

// want takes a wish. The process need not be there yet.
func (l *life) want(w wish) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w <= l.ending.wish {
		return
	}
	l.ending.wish = w
	switch {
	case l.ending.done != nil:
		l.ending.cancel()
	case l.stdin != nil:
		l.beginStopLocked()
	}
}

// beginStopLocked starts to end the process as is wished. It needs mu held, and a
// live process.
func (l *life) beginStopLocked() {
	app := l.spawn.App
	var o child.StopOptions
	if l.ending.wish == terminate {
		sig, err := sys.ParseSignal(app.StopSignal)
		if err != nil {
			sig = syscall.SIGTERM // spec checks the name; "" is the default
		}
		grace := app.KillTimeout
		if app.Overlaps() { // it may be one that was replaced, and finishes
			grace = max(grace, app.DrainTimeout)
		}
		o = child.StopOptions{Signal: sig, Grace: grace + slack, Tree: app.TreeKill}
		if app.StopMessage {
			o.First = func() error { return l.send([]byte(`"shutdown"`)) }
		}
	}
	ctx, cancel := context.WithCancel(lifetime(l.r.cut))
	done := make(chan struct{})
	l.ending.cancel, l.ending.done = cancel, done
	proc := l.proc
	go func() { // run waits for it, in clear
		defer close(done)
		defer cancel()
		_, err := proc.Stop(ctx, o)
		l.ending.all = err == nil // else clear tries again
	}()
}

// clear returns when nothing is left of the tree of a process that has ended:
// what was asked to go has its grace, all else is killed. It is false if the
// runner lets go before.
func (l *life) clear() bool {
	return l.waitForStop() || l.proc.Sweep(lifetime(l.r.cut)) == nil
}

// waitForStop joins the goroutine of a stop that was begun, and tells whether that
// has ended the whole tree.
func (l *life) waitForStop() (all bool) {
	l.mu.Lock()
	done := l.ending.done
	l.mu.Unlock()
	if done == nil {
		return false
	}
	<-done
	return l.ending.all
}
