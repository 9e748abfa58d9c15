package cluster

import (
	"errors"
	"slices"
	"syscall"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/ipc"
)

// activate says that l has, or may have, connections waiting.
func (d *dispatcher) activate(l *listener) {
	if !l.active {
		l.active = true
		d.active = append(d.active, l)
	}
}

// pumpAll hands out what can be handed out now.
func (d *dispatcher) pumpAll() {
	if d.now.Before(d.pause) {
		return
	}
	kept := d.active[:0]
	for _, l := range d.active {
		if !l.closed() && d.pump(l) {
			kept = append(kept, l)
			continue
		}
		l.active = false
	}
	clear(d.active[len(kept):])
	d.active = kept
}

// pump hands out l's connections while somebody has room, and reports whether
// more are or may be waiting. Nothing is accepted that cannot be handed on at
// once: what waits, waits in the kernel.
func (d *dispatcher) pump(l *listener) (more bool) {
	for {
		if d.now.Before(d.pause) {
			return true
		}
		s := next(l.seats, d.p.options.Window, d.now)
		if s == nil {
			return len(l.waiting) > 0 || slices.ContainsFunc(l.sources, func(s *source) bool { return s.more })
		}
		fd, ok := d.take(l)
		if !ok {
			return d.now.Before(d.pause)
		}
		if l.sticky {
			s = d.prefer(l, fd, s)
		}
		d.hand(s, l, fd)
	}
}

// prefer gives the seat of the worker that has the session of the connection's
// first request, if that is here and the worker has room; else s, whose worker
// passes the request on.
func (d *dispatcher) prefer(l *listener, fd int, s *seat) *seat {
	n, _, err := sys.Peek(fd, d.head[:])
	if err != nil {
		return s
	}
	id, ok := sessionOwner(d.head[:n])
	if !ok {
		return s
	}
	owner := l.seat(d.workers[id])
	if owner == nil || !owner.load.room(d.p.options.Window, d.now) || d.now.Before(owner.until) {
		return s
	}
	return owner
}

// take gets the next connection of l. It is the caller's.
func (d *dispatcher) take(l *listener) (fd int, ok bool) {
	if len(l.waiting) > 0 {
		fd = d.unhold(l.waiting[0])
		l.waiting = l.waiting[1:]
		return fd, true
	}
	for _, s := range l.sources {
		if !s.more {
			continue
		}
		fd, err := sys.AcceptConn(s.fd)
		if err == nil {
			return fd, true
		}
		if sys.Shortage(err) {
			d.pause = d.now.Add(shortagePause)
			return -1, false
		}
		// Errors of the connection itself come once each (accept(2)).
		s.more = !errors.Is(err, syscall.EAGAIN)
		if s.more && !passing(err) {
			s.more = false
		}
		if s.more {
			return d.take(l)
		}
	}
	return -1, false
}

// passing reports whether an error of accept is about one connection only.
func passing(err error) bool {
	for _, e := range []error{
		syscall.EPROTO, syscall.ENETDOWN, syscall.ENOPROTOOPT, syscall.EHOSTDOWN,
		syscall.EHOSTUNREACH, syscall.EOPNOTSUPP, syscall.ENETUNREACH, syscall.EPERM,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// hand gives the connection fd to the worker of s and keeps it until the worker
// has answered. If it cannot be sent now it waits for another turn.
func (d *dispatcher) hand(s *seat, l *listener, fd int) {
	w := s.worker
	switch err := d.pass(w, sent{fd: fd, listener: l}); {
	case err == nil:
		l.turns++
		s.turn = l.turns
		return
	case errors.Is(err, ipc.ErrWouldBlock):
		d.watch(w, true)
	case sys.Shortage(err):
		d.pause = d.now.Add(shortagePause)
	default:
		d.broken(w, err)
	}
	d.await(l, fd, true)
}

// pass sends a connection and notes it, or does nothing.
func (d *dispatcher) pass(w *worker, s sent) error {
	d.frame = s.listener.newConn(w.bun).Append(d.frame[:0], w.seq)
	if err := w.conn.TryPass(d.frame, s.fd); err != nil {
		return err
	}
	s.seq, s.at = w.seq, d.now
	w.seq++
	w.sent.add(s)
	w.sent.trim(&w.load)
	return nil
}

// answered takes the worker's word on the connection that was sent with seq.
func (d *dispatcher) answered(w *worker, seq int64, accepted bool) {
	found := w.sent.answer(seq)
	if found == nil {
		return
	}
	s := *found
	w.sent.trim(&w.load)
	seat := s.listener.seat(w)
	switch {
	case s.taken != nil && accepted:
		s.end(nil)
	case s.taken != nil:
		s.end(errRefused)
	case accepted:
		sys.Close(s.fd)
		if seat != nil {
			seat.accepted()
		}
		if w.taken++; w.Worn > 0 && w.taken%w.Worn == 0 {
			d.event(Event{Worker: w.ID, Type: WorkerWorn})
		}
	default:
		if seat != nil {
			seat.refused(d.now)
		}
		d.again(s)
	}
}

// again puts a connection back that its worker did not take.
func (d *dispatcher) again(s sent) {
	if s.listener.closed() {
		sys.Close(s.fd)
		return
	}
	d.await(s.listener, s.fd, false)
}

// end says what became of a connection that was for one worker alone, and closes it.
func (s *sent) end(err error) {
	sys.Close(s.fd)
	if s.taken != nil {
		s.taken <- err
	}
}

// refusedHandle deals with a worker that found no descriptor with a message:
// it has too many open. A connection goes elsewhere, a listener is sent again.
func (d *dispatcher) refusedHandle(w *worker) {
	s := w.sent.acknowledged()
	if s == nil {
		return
	}
	s.answered = true
	what := *s
	w.sent.trim(&w.load)
	if what.fd < 0 {
		d.lendAgain(w, what)
		return
	}
	if what.taken != nil {
		what.end(errRefused)
		return
	}
	if seat := what.listener.seat(w); seat != nil {
		seat.refused(d.now)
	}
	d.again(what)
}

// settle decides about what a worker had when it died.
func (d *dispatcher) settle(w *worker) {
	for _, s := range w.sent.entries[w.sent.head:] {
		switch s.fate() {
		case done:
		case lost:
			s.end(errWentAway)
		case again:
			d.again(s)
		}
	}
	w.sent = ledger{}
	w.load.pending = 0
}
