package cluster

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/internal/wire"
)

// ident tells listeners apart: workers that ask for the same share one.
type ident struct {
	kind      wire.AddressType
	host      string // or the path; "" when no host was given
	hasHost   bool
	port      int
	v6Only    bool
	reuseAddr bool
	reusePort bool   // a socket for each worker
	group     string // of port 0 only
	index     int    // of port 0 only: the worker's n-th server of the kind
}

// listener is one address that workers serve. The dispatcher's.
type listener struct {
	ident
	place
	key       string              // its name on the wire; "" when closed
	fd        int                 // -1 when closed, and for reusePort
	groups    map[string]struct{} // it stays open while there is one
	users     []*use              // who has it and has not closed it
	former    []heldUse           // who had it under a former primary and is not back yet
	seats     []*seat             // of the users that are handed connections
	exclusive bool                // its group shares it with no other
	data      []byte              // of the first TLS server, for all
	slots     []*slot             // reusePort
	templates [2]*wire.NewConn    // Node, Bun
	inflow
}

// inflow is how connections come to a listener that hands them out.
type inflow struct {
	sources []*source // sockets that the primary accepts from
	waiting []waiter  // connections that found nobody yet; owned
	active  bool      // in dispatcher.active
	sticky  bool      // connections are looked at for their session
	turns   uint64
}

// place is where a listener is bound.
type place struct {
	bound   netip.AddrPort // not valid for a Unix socket
	path    string         // of a Unix socket
	file    [2]uint64      // path's file as we made it
	address string         // for people: "tcp [::]:3000"
}

// source is a socket that the primary accepts from. It does not own fd.
type source struct {
	listener *listener
	fd       int
	token    uint64
	more     bool // connections may be waiting: the event that said so is used up
}

// use is what is known of a worker at a listener.
type use struct {
	worker    *worker
	ask       int64 // the seq of the question that gave it the listener
	hands     bool  // it is handed connections
	waits     bool  // it has no answer yet, being on standby
	listening bool  // it said that it serves
}

func (l *listener) closed() bool { return l.key == "" }

func (l *listener) tcp() bool {
	return l.kind == wire.TCP4 || l.kind == wire.TCP6
}

func (l *listener) use(w *worker) *use {
	for _, u := range l.users {
		if u.worker == w {
			return u
		}
	}
	return nil
}

func (l *listener) seat(w *worker) *seat {
	for _, s := range l.seats {
		if s.worker == w {
			return s
		}
	}
	return nil
}

// newConn is the template of messages that hand out l's connections.
func (l *listener) newConn(bun bool) *wire.NewConn {
	i := 0
	if bun {
		i = 1
	}
	if l.templates[i] == nil {
		t := wire.NewConnTemplate(l.key, bun)
		l.templates[i] = &t
	}
	return l.templates[i]
}

// join makes the worker a user of l.
func (d *dispatcher) join(l *listener, u use) {
	w := u.worker
	l.groups[w.Group] = struct{}{}
	l.users = append(l.users, &u)
	if w.Sticky && u.hands && !l.sticky {
		l.sticky = true
		sys.DeferAccept(l.fd)
	}
	w.uses = append(w.uses, l)
	if !u.hands {
		return
	}
	// A newcomer is served first, and not for all the turns it was not there.
	s := &seat{worker: w, load: &w.load}
	if len(l.seats) > 0 {
		s.turn = slices.MinFunc(l.seats, func(a, b *seat) int { return int(int64(a.turn - b.turn)) }).turn
	}
	l.seats = append(l.seats, s)
	if len(l.waiting) > 0 || len(l.sources) > 0 {
		d.activate(l)
	}
}

// leave ends the worker's use of l.
func (d *dispatcher) leave(w *worker, l *listener) {
	l.users = slices.DeleteFunc(l.users, func(u *use) bool { return u.worker == w })
	l.seats = slices.DeleteFunc(l.seats, func(s *seat) bool { return s.worker == w })
	w.uses = slices.DeleteFunc(w.uses, func(u *listener) bool { return u == l })
	d.vacate(w, l)
	d.note(l)
}

// accept makes the primary take connections from fd for l.
func (d *dispatcher) accept(l *listener, fd int) error {
	s := &source{listener: l, fd: fd, token: d.nextToken(), more: true}
	if err := d.poller.Add(fd, sys.Readable, s.token); err != nil {
		return err
	}
	d.byToken[s.token] = s
	l.sources = append(l.sources, s)
	d.activate(l)
	return nil
}

// stopAccepting ends what accept began.
func (d *dispatcher) stopAccepting(l *listener, fd int) {
	l.sources = slices.DeleteFunc(l.sources, func(s *source) bool {
		if s.fd != fd {
			return false
		}
		d.poller.Remove(s.fd)
		delete(d.byToken, s.token)
		return true
	})
}

// shut closes the listener for good.
func (d *dispatcher) shut(l *listener) {
	delete(d.table, l.ident)
	for len(l.sources) > 0 {
		d.stopAccepting(l, l.sources[0].fd)
	}
	for _, u := range l.users {
		w := u.worker
		w.uses = slices.DeleteFunc(w.uses, func(u *listener) bool { return u == l })
	}
	d.hangUp(l)
	if l.path != "" && l.file == sys.SocketFile(l.path) {
		sys.RemoveSocketFile(l.path) // ours still, not a successor's
	}
	d.forget(l)
	for _, s := range l.slots {
		sys.Close(s.fd)
	}
	if l.fd >= 0 {
		sys.Close(l.fd)
	}
	l.key, l.fd = "", -1
	l.users, l.seats, l.slots = nil, nil, nil
}

// show writes an address for people.
func show(kind wire.AddressType, host string, port int, path string) string {
	network := "tcp"
	switch kind {
	case wire.UnixPath:
		if path != "" && path[0] == 0 {
			path = "@" + path[1:]
		}
		return "unix " + path
	case wire.UDP4, wire.UDP6:
		network = "udp"
	case wire.AddressNone, wire.TCP4, wire.TCP6:
	}
	return network + " " + net.JoinHostPort(host, strconv.Itoa(port))
}
