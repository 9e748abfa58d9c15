package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/internal/wire"
)

// backlog is what our sockets queue at least: connections wait there, not here.
const backlog = 4096

// query answers a worker that wants to listen: with a key it will be handed
// connections for, with a socket lent, or with an errno.
func (d *dispatcher) query(w *worker, m *wire.ClusterMessage) {
	id := identify(w, &m.Query)
	l := d.table[id]
	if l != nil && d.repeated(w, l, m.Seq) {
		return
	}
	var err error
	switch {
	case id.kind == wire.AddressNone || m.Query.FD >= 0:
		// A descriptor number of ours means nothing to the program.
		err = syscall.EINVAL
		if id.kind == wire.UDP4 || id.kind == wire.UDP6 {
			err = syscall.EBADF
		}
	case l != nil && w.using([]byte(l.key)) != nil:
		err = syscall.EADDRINUSE // one key twice would crash the worker
	case l != nil && l.bars(w):
		err = l.taken()
	case l == nil:
		l, err = d.open(w, id, &m.Query)
	case l.path != "" && sys.SocketFile(l.path) != l.file:
		err = d.renew(l, &m.Query)
	}
	if err != nil {
		d.refuse(w, m, err)
		return
	}
	if l.data == nil && m.Query.Data != nil {
		l.data = bytes.Clone(m.Query.Data)
	}
	if !w.Standby {
		d.admit(w, l, m)
		return
	}
	d.join(l, use{worker: w, ask: m.Seq, waits: true})
	d.note(l)
	d.event(Event{Worker: w.ID, Type: WorkerWaiting, Address: l.address})
}

// admit answers a question for l, which is open.
func (d *dispatcher) admit(w *worker, l *listener, m *wire.ClusterMessage) {
	var slot *slot
	var err error
	if l.reusePort {
		slot, err = d.occupy(w, l)
	}
	fd := -1
	switch {
	case slot != nil:
		fd = slot.fd
	case lends(w, l.ident):
		fd = l.fd
	}
	if err == nil && fd < 0 && len(l.sources) == 0 {
		err = d.accept(l, l.fd)
	}
	if err != nil {
		d.refuse(w, m, err)
		return
	}
	// Before the reply: if that ends the channel, the worker leaves all it uses.
	// Nothing is handed to it before this round is over.
	d.join(l, use{worker: w, ask: m.Seq, hands: fd < 0 || slot != nil})
	d.steer(l)
	d.note(l)
	d.reply(w, sent{listener: l, ask: m.Seq}, fd)
}

// route answers what a worker on standby waits for.
func (d *dispatcher) route(id uint64) {
	w := d.workers[id]
	if w == nil {
		return
	}
	w.Standby = false
	for _, l := range slices.Clone(w.uses) {
		u := l.use(w)
		if u == nil || !u.waits || w.conn == nil {
			continue
		}
		l.users = slices.DeleteFunc(l.users, func(o *use) bool { return o == u })
		w.uses = slices.DeleteFunc(w.uses, func(o *listener) bool { return o == l })
		d.admit(w, l, &wire.ClusterMessage{Seq: u.ask, Query: l.asked()})
		if l.use(w) == nil {
			d.note(l) // it was refused, and waits no more
		}
	}
}

// asked is the question for l, as far as a refusal repeats it.
func (l *listener) asked() wire.Query {
	return wire.Query{AddressType: l.kind, Address: l.ident.host, HasAddress: l.hasHost, Port: l.port}
}

// lends reports whether the worker gets the socket itself.
func lends(w *worker, id ident) bool {
	return w.Scheduler != RoundRobin || id.kind == wire.UDP4 || id.kind == wire.UDP6
}

// identify tells which listener a worker means.
func identify(w *worker, q *wire.Query) ident {
	id := ident{
		kind:    q.AddressType,
		host:    q.Address,
		hasHost: q.HasAddress,
		port:    q.Port,
		v6Only:  q.Flags&1 != 0,
	}
	switch id.kind {
	case wire.UnixPath:
		id.port, id.v6Only = 0, false
		if name, ok := q.AbstractName(); ok {
			id.host = "\x00" + name
		}
		return id
	case wire.UDP4, wire.UDP6:
		id.reuseAddr = q.Flags&4 != 0
	case wire.AddressNone, wire.TCP4, wire.TCP6:
		id.reusePort = w.Scheduler == ReusePort
	}
	if id.port == 0 {
		id.group, id.index = w.Group, q.Index
	}
	return id
}

// open makes the listener. Where an address is taken by a socket of this group
// that nobody serves any more, that one makes room.
func (d *dispatcher) open(w *worker, id ident, q *wire.Query) (*listener, error) {
	l := &listener{ident: id, fd: -1, groups: map[string]struct{}{}, exclusive: w.Exclusive}
	fd, err := d.bind(l, q)
	if errors.Is(err, syscall.EADDRINUSE) && d.makeRoom(w.Group, id) {
		fd, err = d.bind(l, q)
	}
	if err != nil {
		if other := d.neighbour(id); other != nil && errors.Is(err, syscall.EADDRINUSE) {
			err = other.taken()
		}
		return nil, err
	}
	d.keys++
	l.key = strconv.FormatUint(d.keys, 36)
	if id.kind == wire.UnixPath {
		l.path, l.file = id.host, sys.SocketFile(id.host)
		l.address = show(id.kind, "", 0, l.path)
	} else {
		l.address = show(id.kind, l.bound.Addr().String(), int(l.bound.Port()), "")
	}
	l.fd = fd
	if id.reusePort {
		l.fd = -1
		l.slots = []*slot{{fd: fd}}
	}
	l.groups[w.Group] = struct{}{}
	if err := d.hold(l, 0, fd); err != nil {
		d.shut(l)
		return nil, err
	}
	d.table[id] = l
	return l, nil
}

// renew binds a Unix socket anew whose file is gone: many a program removes it
// before it listens, also when another worker serves it.
func (d *dispatcher) renew(l *listener, q *wire.Query) error {
	fd, err := d.bind(l, q)
	if err != nil {
		return err
	}
	file := l.file
	l.file = sys.SocketFile(l.path)
	if err := d.hold(l, 0, fd); err != nil {
		l.file = file
		sys.Close(fd)
		return err
	}
	if len(l.sources) > 0 {
		for { // those who connected before
			conn, err := sys.AcceptConn(l.fd)
			if err != nil {
				break
			}
			d.await(l, conn, false)
		}
		d.stopAccepting(l, l.fd)
	}
	sys.Close(l.fd)
	l.fd = fd
	if len(l.seats) > 0 {
		return d.accept(l, fd)
	}
	return nil
}

// bind makes the socket as libuv does and sets l.bound.
func (d *dispatcher) bind(l *listener, q *wire.Query) (fd int, err error) {
	b := sys.Bind{
		Port: l.port, V6Only: l.v6Only, ReusePort: l.reusePort,
		ReuseAddr: l.reuseAddr || l.kind == wire.TCP4 || l.kind == wire.TCP6,
	}
	switch {
	case l.kind == wire.UnixPath:
		b.Path = l.ident.host
		b.Mode = socketMode(q)
	case l.hasHost:
		if b.Addr, err = netip.ParseAddr(l.ident.host); err != nil {
			return -1, syscall.EINVAL
		}
	case l.kind == wire.UDP4:
		b.Addr = netip.IPv4Unspecified()
	default:
		b.Addr = netip.IPv6Unspecified()
	}
	if fd, err = socket(l.kind, b, q.Backlog); err != nil && l.kind == wire.TCP4 && !l.hasHost {
		// As Node: any failure of "::" falls back to IPv4 alone.
		b.Addr, b.V6Only = netip.IPv4Unspecified(), false
		fd, err = socket(l.kind, b, q.Backlog)
	}
	if err != nil {
		return -1, err
	}
	if l.bound, err = sys.LocalAddr(fd); err != nil {
		sys.Close(fd)
		return -1, err
	}
	return fd, nil
}

func socket(kind wire.AddressType, b sys.Bind, asked int) (fd int, err error) {
	if kind == wire.UDP4 || kind == wire.UDP6 {
		return sys.BindDatagram(b)
	}
	return sys.ListenStream(b, max(asked, backlog))
}

func socketMode(q *wire.Query) (mode fs.FileMode) {
	if q.ReadableAll {
		mode |= 0o444
	}
	if q.WritableAll {
		mode |= 0o222
	}
	return mode
}

// makeRoom closes the listeners on id's port or path that only this group has
// and that no worker serves: left by a former version of the program.
func (d *dispatcher) makeRoom(group string, id ident) (made bool) {
	for _, l := range d.table {
		_, ours := l.groups[group]
		same := l.port == id.port && l.port != 0 || l.kind == wire.UnixPath && l.ident.host == id.host
		if same && ours && len(l.groups) == 1 && len(l.users) == 0 {
			d.shut(l)
			made = true
		}
	}
	return made
}

// neighbour is a listener that may be in the way of id, or nil.
func (d *dispatcher) neighbour(id ident) *listener {
	for _, l := range d.table {
		if l.port == id.port && l.port != 0 && l.datagrams() == id.datagrams() && mayMeet(l.host, id.host) {
			return l
		}
	}
	return nil
}

func (id *ident) datagrams() bool { return id.kind == wire.UDP4 || id.kind == wire.UDP6 }

// mayMeet tells whether one socket for each of two hosts may be too many for a port: not
// if they are addresses of which none is for all.
func mayMeet(a, b string) bool {
	one, err := netip.ParseAddr(a)
	other, err2 := netip.ParseAddr(b)
	return err != nil || err2 != nil || one == other || one.IsUnspecified() || other.IsUnspecified()
}

// bars tells whether w may not share l.
func (l *listener) bars(w *worker) bool {
	_, ours := l.groups[w.Group]
	_, was := l.groups[w.Was]
	was = was && w.Was != ""
	return !ours && !was && len(l.groups) > 0 && (l.exclusive || w.Exclusive)
}

// taken is EADDRINUSE, and says whose l is.
func (l *listener) taken() error {
	groups := slices.Sorted(maps.Keys(l.groups))
	return fmt.Errorf("%w: %s has it", syscall.EADDRINUSE, strings.Join(groups, ", "))
}

// reply answers the question s.ask about s.listener; fd is the socket lent, or -1.
func (d *dispatcher) reply(w *worker, s sent, fd int) {
	l := s.listener
	r := wire.Reply{Key: l.key, Ack: s.ask, Data: l.data, Shared: fd >= 0, Bun: w.bun}
	if fd < 0 && l.kind != wire.UnixPath {
		r.Sockname = sockname(l.bound)
	}
	s.seq, s.fd, s.at = w.nextSeq(), -1, d.now
	line, err := wire.AppendReply(nil, r, s.seq)
	if err == nil && fd >= 0 && !w.bun {
		handle := wire.Envelope{Type: "net.Native", Msg: line[:len(line)-1]}
		if l.kind == wire.UDP4 || l.kind == wire.UDP6 {
			handle.Type = "dgram.Native"
		}
		line, err = wire.AppendEnvelope(nil, handle)
	}
	if err != nil {
		d.lose(w, err)
		return
	}
	if d.post(w, line, fd) && fd >= 0 {
		w.sent.add(s)
	}
}

// lendAgain repeats a reply whose socket did not arrive. A worker that cannot
// take it after some tries is told so.
func (d *dispatcher) lendAgain(w *worker, s sent) {
	l := s.listener
	fd := l.fd
	if slot := l.slot(w); slot != nil {
		fd = slot.fd
	}
	if l.closed() || fd < 0 {
		return
	}
	if s.tries < 3 {
		d.reply(w, sent{listener: l, ask: s.ask, tries: s.tries + 1}, fd)
		return
	}
	d.leave(w, l)
	d.refuse(w, &wire.ClusterMessage{Seq: s.ask, Query: l.asked()}, syscall.EMFILE)
}

// refuse answers with the errno of err.
func (d *dispatcher) refuse(w *worker, m *wire.ClusterMessage, err error) {
	errno, ok := errors.AsType[syscall.Errno](err)
	if !ok || errno == 0 {
		errno = syscall.EIO
	}
	r := wire.Reply{Errno: -int(errno), Key: "none", Ack: m.Seq, Bun: w.bun}
	line, aerr := wire.AppendReply(nil, r, w.nextSeq())
	if aerr != nil {
		d.lose(w, aerr)
		return
	}
	d.event(Event{Worker: w.ID, Type: WorkerListenFailed, Address: asked(&m.Query), Err: err})
	d.post(w, line, -1)
}

func sockname(a netip.AddrPort) *wire.Sockname {
	s := &wire.Sockname{Address: a.Addr().String(), Family: "IPv6", Port: int(a.Port())}
	if a.Addr().Is4() {
		s.Family = "IPv4"
	}
	return s
}

// asked writes the address of a question, or of a notice, for people.
func asked(q *wire.Query) string {
	host := q.Address
	if !q.HasAddress {
		host = "::"
		if q.AddressType == wire.UDP4 {
			host = "0.0.0.0"
		}
	}
	if name, ok := q.AbstractName(); ok {
		return show(q.AddressType, "", 0, "\x00"+name)
	}
	return show(q.AddressType, host, q.Port, q.Address)
}

// servedBy is the listener that a worker's listening notice is about, nil if it
// was given none.
func servedBy(w *worker, q *wire.Query) *listener {
	for _, l := range w.uses {
		if l.kind != q.AddressType {
			continue
		}
		if l.kind == wire.UnixPath && strings.HasSuffix(q.Address, l.ident.host) ||
			l.kind != wire.UnixPath && l.hasHost == q.HasAddress && int(l.bound.Port()) == q.Port {
			return l
		}
	}
	return nil
}
