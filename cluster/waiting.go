package cluster

import (
	"slices"
	"strconv"

	"github.com/tendproc/tend/internal/sys"
)

// waiter is a connection that is accepted and no worker's: it was refused, or who
// had it died, or could not take it just then. The holder has it too, so that it
// outlives this process.
type waiter struct {
	fd   int    // owned
	held string // the holder's name for it; "" if it has it not
}

// await puts a connection behind those that wait for a worker of l, or before them.
func (d *dispatcher) await(l *listener, fd int, first bool) {
	w := waiter{fd: fd}
	if d.p.options.Hold != nil {
		name := waitingName + l.key + "/" + strconv.FormatInt(d.now.UnixMicro(), 36) + "." + strconv.FormatUint(d.nextToken(), 36)
		if d.p.options.Hold.Store(name, fd, []byte("{}")) == nil {
			w.held = name
		}
	}
	if first {
		l.waiting = slices.Insert(l.waiting, 0, w)
	} else {
		l.waiting = append(l.waiting, w)
	}
	d.activate(l)
}

// unhold takes a connection out of the holder: its copy would keep it open, and a
// later primary would give it to a second worker.
func (d *dispatcher) unhold(w waiter) (fd int) {
	if w.held != "" {
		_ = d.p.options.Hold.Delete(w.held)
	}
	return w.fd
}

// hangUp closes the connections that wait for l.
func (d *dispatcher) hangUp(l *listener) {
	for _, w := range l.waiting {
		sys.Close(d.unhold(w))
	}
	l.waiting = nil
}
