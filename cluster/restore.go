package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/internal/wire"
	"github.com/tendproc/tend/ipc"
)

// Names under which a [Holder] holds:
//
//	listener/KEY      the socket of a listener
//	listener/KEY.I    its I-th socket, where each worker has its own
//	waiting/KEY/I     a connection that found nobody yet
const (
	listenerName = "listener/"
	waitingName  = "waiting/"
)

// Held is what a [Holder] gives back.
type Held struct {
	Name string
	File *os.File
	Meta []byte
}

// Takes tells whether what is held under name is a Primary's.
func Takes(name string) bool {
	return strings.HasPrefix(name, listenerName) || strings.HasPrefix(name, waitingName)
}

// heldListener is the meta of a listener's first socket: all that a later
// primary must know of it. Of the other sockets only Key and Slot are there.
type heldListener struct {
	Key  string `json:"key"`
	Slot int    `json:"slot,omitempty"`

	Kind      wire.AddressType `json:"kind,omitempty"`
	Host      string           `json:"host,omitempty"`
	HasHost   bool             `json:"has_host,omitempty"`
	Port      int              `json:"port,omitempty"`
	V6Only    bool             `json:"v6only,omitempty"`
	ReuseAddr bool             `json:"reuseaddr,omitempty"`
	ReusePort bool             `json:"reuseport,omitempty"`
	Group     string           `json:"group,omitempty"`
	Index     int              `json:"index,omitempty"`

	Bound   netip.AddrPort `json:"bound"`
	Path    string         `json:"path,omitempty"`
	File    [2]uint64      `json:"file"`
	Address string         `json:"address,omitempty"`

	Groups    []string `json:"groups,omitempty"`
	Exclusive bool     `json:"exclusive,omitempty"`

	Data  json.RawMessage `json:"data,omitempty"`
	Users []heldUse       `json:"users,omitempty"`
}

// heldUse is a [use], by the number of its worker.
type heldUse struct {
	Worker    uint64 `json:"worker"`
	Ask       int64  `json:"ask"`
	Hands     bool   `json:"hands,omitempty"`
	Listening bool   `json:"listening,omitempty"`
	Waits     bool   `json:"waits,omitempty"` // on standby
	Slot      int    `json:"slot"`            // of reusePort; else -1
}

// holdName is what the i-th socket of l is held under.
func holdName(l *listener, i int) string {
	if l.reusePort {
		return listenerName + l.key + "." + strconv.Itoa(i)
	}
	return listenerName + l.key
}

// hold tells the holder of l's i-th socket before it is used.
func (d *dispatcher) hold(l *listener, i, fd int) error {
	if d.p.options.Hold == nil {
		return nil
	}
	meta, err := json.Marshal(l.record(i))
	if err != nil {
		return err
	}
	return d.p.options.Hold.Store(holdName(l, i), fd, meta)
}

// note tells the holder what is new about l. That it could not is no reason to
// fail: a later primary would know a little less.
func (d *dispatcher) note(l *listener) {
	if d.p.options.Hold == nil || l.closed() {
		return
	}
	if meta, err := json.Marshal(l.record(0)); err == nil {
		_ = d.p.options.Hold.Update(holdName(l, 0), meta)
	}
}

// forget tells the holder that l is to be closed.
func (d *dispatcher) forget(l *listener) {
	if d.p.options.Hold == nil {
		return
	}
	for i := range max(1, len(l.slots)) {
		_ = d.p.options.Hold.Delete(holdName(l, i))
	}
}

// leaveBehind closes this process's copies of l's sockets, and of the connections
// that wait for them. The holder has its own.
func (d *dispatcher) leaveBehind(l *listener) {
	l.former = nil // those workers have ended
	d.note(l)
	for _, w := range l.waiting {
		sys.Close(w.fd)
	}
	for _, s := range l.slots {
		sys.Close(s.fd)
	}
	if l.fd >= 0 {
		sys.Close(l.fd)
	}
}

func (l *listener) record(i int) heldListener {
	h := heldListener{Key: l.key, Slot: i}
	if i > 0 {
		return h
	}
	h.Kind, h.Host, h.HasHost, h.Port, h.V6Only = l.kind, l.ident.host, l.hasHost, l.port, l.v6Only
	h.ReuseAddr, h.ReusePort, h.Group, h.Index = l.reuseAddr, l.reusePort, l.group, l.index
	h.Bound, h.Path, h.File, h.Address, h.Data, h.Exclusive = l.bound, l.path, l.file, l.address, l.data, l.exclusive
	for g := range l.groups {
		h.Groups = append(h.Groups, g)
	}
	slices.Sort(h.Groups)
	for _, u := range l.users {
		slot := slices.IndexFunc(l.slots, func(s *slot) bool { return s.worker == u.worker })
		h.Users = append(h.Users, heldUse{
			Worker: u.worker.ID, Ask: u.ask, Hands: u.hands, Listening: u.listening, Waits: u.waits, Slot: slot,
		})
	}
	h.Users = append(h.Users, l.former...)
	return h
}

// Restore takes over the sockets of a former primary, as its [Holder] gives
// them back; the holder still has them. Call it before the first [Primary.Adopt],
// with all of them. It takes the files. What cannot be read is closed, and is
// the error; the rest is restored.
func (p *Primary) Restore(held []Held) error {
	var errs []error
	var listeners []*restored
	for _, h := range held {
		fd, err := takeFile(h.File)
		if err != nil {
			errs = append(errs, fmt.Errorf("cluster: restore %s: %w", h.Name, err))
			continue
		}
		r := &restored{name: h.Name, fd: fd}
		if key, ok := strings.CutPrefix(h.Name, waitingName); ok {
			r.waits, _, _ = strings.Cut(key, "/")
		} else if err := json.Unmarshal(h.Meta, &r.heldListener); err != nil {
			sys.Close(fd)
			errs = append(errs, fmt.Errorf("cluster: restore %s: %w", h.Name, err))
			continue
		}
		listeners = append(listeners, r)
	}
	p.post(func(d *dispatcher) { d.restore(listeners) })
	return errors.Join(errs...)
}

// takeFile gives the descriptor of f alone, out of the runtime's poller.
func takeFile(f *os.File) (fd int, err error) {
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	cerr := raw.Control(func(from uintptr) {
		if fd, err = sys.Dup(int(from)); err == nil {
			err = sys.EnsureNonblock(fd)
		}
	})
	return fd, errors.Join(cerr, err)
}

// restored is a socket that was held.
type restored struct {
	heldListener
	name  string
	fd    int
	waits string // the key of the listener whose connection it is
}

// restore makes listeners of what was held: first sockets first, then the others.
func (d *dispatcher) restore(list []*restored) {
	slices.SortStableFunc(list, func(a, b *restored) int { return a.Slot - b.Slot })
	byKey := map[string]*listener{}
	for _, r := range list {
		l := byKey[r.Key]
		switch {
		case r.waits != "":
		case r.Slot > 0 && l != nil && len(l.slots) == r.Slot:
			l.slots = append(l.slots, &slot{fd: r.fd})
			_ = d.hold(l, r.Slot, r.fd) // held already; now it is known as ours
		case r.Slot > 0 || l != nil:
			sys.Close(r.fd)
		default:
			byKey[r.Key] = d.restoreListener(r)
		}
	}
	d.restoreWaiting(list, byKey)
	for _, l := range byKey {
		for _, s := range l.slots {
			_ = d.accept(l, s.fd) // until its worker is back, if it is; an error: its successor serves what waits
		}
	}
}

// restoreWaiting takes back the connections that found nobody yet.
func (d *dispatcher) restoreWaiting(list []*restored, byKey map[string]*listener) {
	for _, r := range list {
		if r.waits == "" {
			continue
		}
		w := waiter{fd: r.fd}
		if d.p.options.Hold != nil {
			w.held = r.name
			_ = d.p.options.Hold.Store(r.name, r.fd, []byte("{}")) // held already; now it is known as ours
		}
		l := byKey[r.waits]
		if l == nil {
			sys.Close(d.unhold(w))
			continue
		}
		l.waiting = append(l.waiting, w)
		d.activate(l)
	}
}

func (d *dispatcher) restoreListener(r *restored) *listener {
	l := &listener{
		ident: ident{
			kind: r.Kind, host: r.Host, hasHost: r.HasHost, port: r.Port, v6Only: r.V6Only,
			reuseAddr: r.ReuseAddr, reusePort: r.ReusePort, group: r.Group, index: r.Index,
		},
		place: place{bound: r.Bound, path: r.Path, file: r.File, address: r.Address},
		key:   r.Key, fd: r.fd, groups: map[string]struct{}{}, exclusive: r.Exclusive, data: r.Data, former: r.Users,
	}
	if l.reusePort {
		l.fd, l.slots = -1, []*slot{{fd: r.fd}}
	}
	for _, g := range r.Groups {
		l.groups[g] = struct{}{}
	}
	d.table[l.ident] = l
	_ = d.hold(l, 0, r.fd) // held already; now it is known as ours
	if n, err := strconv.ParseUint(l.key, 36, 64); err == nil {
		d.keys = max(d.keys, n)
	}
	return l
}

// Retain is [Primary.Release] for every group that is not among groups: what was
// restored for others is of no use any more.
func (p *Primary) Retain(groups []string) {
	p.post(func(d *dispatcher) {
		for _, l := range d.table {
			for g := range l.groups {
				if !slices.Contains(groups, g) {
					d.release(g)
				}
			}
		}
	})
}

// Adopt is [Primary.Add] for a worker of a former primary, with this side's end
// of its channel. It has what it had been given before; its events of being online
// and of listening are told again. What it has not answered yet is its own: it
// waits in its channel, and is no longer waited for here.
func (p *Primary) Adopt(conn *ipc.Conn, o WorkerOptions) error {
	return p.take(conn, o, func(d *dispatcher) { d.adopt(conn, o) })
}

func (d *dispatcher) adopt(conn *ipc.Conn, o WorkerOptions) {
	w := d.add(conn, o)
	if w.conn != nil {
		d.flush(w) // what a former primary could not send
	}
	// Beyond all that a former primary can have sent: answers to that mean nothing here.
	w.seq = time.Now().UnixMicro()
	var serves, waits []string
	for _, l := range d.table {
		i := slices.IndexFunc(l.former, func(u heldUse) bool { return u.Worker == o.ID })
		if i < 0 || w.conn == nil {
			continue
		}
		u := l.former[i]
		l.former = slices.Delete(l.former, i, i+1)
		d.rejoin(w, l, u)
		switch {
		case u.Listening:
			serves = append(serves, l.address)
		case u.Waits:
			waits = append(waits, l.address)
		}
	}
	if len(w.uses) > 0 {
		d.event(Event{Worker: w.ID, Type: WorkerOnline})
	}
	slices.Sort(serves)
	for _, address := range serves {
		d.event(Event{Worker: w.ID, Type: WorkerListening, Address: address})
	}
	for _, address := range waits {
		d.event(Event{Worker: w.ID, Type: WorkerWaiting, Address: address})
	}
}

// rejoin gives a worker back what it has.
func (d *dispatcher) rejoin(w *worker, l *listener, u heldUse) {
	if u.Slot >= 0 && u.Slot < len(l.slots) {
		s := l.slots[u.Slot]
		d.stopAccepting(l, s.fd)
		s.worker = w
	} else if u.Hands && len(l.sources) == 0 {
		if err := d.accept(l, l.fd); err != nil {
			d.lose(w, err)
			return
		}
	}
	d.join(l, use{worker: w, ask: u.Ask, hands: u.Hands, listening: u.Listening, waits: u.Waits})
	d.steer(l)
}

// repeated answers a question that was answered before by a primary that died:
// the worker's message came again, or its answer was lost. A worker that has the
// answer drops the second one.
func (d *dispatcher) repeated(w *worker, l *listener, ask int64) bool {
	u := l.use(w)
	if u == nil || u.ask != ask {
		return false
	}
	if u.waits {
		return true // it goes on waiting
	}
	fd := -1
	switch s := l.slot(w); {
	case s != nil:
		fd = s.fd
	case !u.hands:
		fd = l.fd
	}
	d.reply(w, sent{listener: l, ask: ask}, fd)
	return true
}

// Freeze stops the primary between two messages, with nothing in its own memory
// that only it has, so that the process can execute another program in place.
// It returns once that is so. thaw lets it go on; call it if there is no other program.
func (p *Primary) Freeze() (thaw func()) {
	frozen, goOn := make(chan struct{}), make(chan struct{})
	p.post(func(*dispatcher) {
		close(frozen)
		<-goOn
	})
	select {
	case <-frozen:
	case <-p.done:
	}
	return func() { close(goOn) }
}
