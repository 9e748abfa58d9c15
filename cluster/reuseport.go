package cluster

import (
	"fmt"
	"syscall"

	"github.com/tendproc/tend/internal/sys"
)

// slot is one socket of a listener of the ReusePort kind. The kernel numbers the
// sockets of the group in the order of listen(2), and closing one renumbers
// them: so all stay open as long as the listener, whether they have a worker
// or not, and the kernel is told which of them get connections.
type slot struct {
	fd     int     // owned
	worker *worker // nil when vacant
}

func (l *listener) slot(w *worker) *slot {
	for _, s := range l.slots {
		if s.worker == w {
			return s
		}
	}
	return nil
}

// occupy gives the worker a socket of its own: a vacant one, with the
// connections that wait there, or a new one.
func (d *dispatcher) occupy(w *worker, l *listener) (*slot, error) {
	for _, s := range l.slots {
		if s.worker == nil {
			d.stopAccepting(l, s.fd)
			s.worker = w
			return s, nil
		}
	}
	fd, err := sys.ListenStream(sys.Bind{
		Addr: l.bound.Addr(), Port: int(l.bound.Port()), V6Only: l.v6Only, ReuseAddr: true, ReusePort: true,
	}, backlog)
	if err != nil {
		return nil, err
	}
	if err := d.hold(l, len(l.slots), fd); err != nil {
		sys.Close(fd)
		return nil, fmt.Errorf("%w: %w", syscall.EIO, err)
	}
	s := &slot{fd: fd, worker: w}
	l.slots = append(l.slots, s)
	return s, nil
}

// vacate ends the worker's hold on its socket. What waits there is accepted by
// the primary and given to the others.
func (d *dispatcher) vacate(w *worker, l *listener) {
	s := l.slot(w)
	if s == nil {
		return
	}
	s.worker = nil
	if err := d.accept(l, s.fd); err != nil {
		return // a successor in the slot serves them
	}
	d.steer(l)
}

// steer tells the kernel which sockets get new connections: those of workers
// that stay. When there is none they go on as before and wait for a successor.
func (d *dispatcher) steer(l *listener) {
	var live []int
	for i, s := range l.slots {
		if s.worker != nil && !s.worker.load.away {
			live = append(live, i)
		}
	}
	if len(live) > 0 {
		// Without the filter the kernel spreads over all; the rest are rescued.
		_ = sys.Steer(l.slots[0].fd, live)
	}
}
