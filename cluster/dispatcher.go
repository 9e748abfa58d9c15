package cluster

import (
	"context"
	"errors"
	"io"
	"runtime"
	"time"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/internal/wire"
	"github.com/tendproc/tend/ipc"
)

// dispatcher is the state of a Primary. All of it belongs to the goroutine in
// run; descriptors in it are owned by what holds them.
type dispatcher struct {
	p       *Primary
	poller  *sys.QuietPoller
	now     time.Time // when the present round began
	token   uint64    // last one given out
	keys    uint64    // number of keys given out
	workers map[uint64]*worker
	byToken map[uint64]any // *worker or *source
	table   map[ident]*listener
	active  []*listener // those that have, or may have, connections waiting
	linger  []lingering
	pause   time.Time  // short of descriptors: hand nothing out until then
	frame   []byte     // scratch for what is being sent
	head    [1024]byte // scratch for what is peeked at
	timer   *time.Timer
	due     time.Time // when timer fires; zero when it is stopped
}

// lingering is a listener whose last user closed it.
type lingering struct {
	l  *listener
	by *worker
	at time.Time // close it then
}

func newDispatcher(p *Primary) *dispatcher {
	return &dispatcher{
		p:       p,
		poller:  p.poller,
		workers: make(map[uint64]*worker),
		byToken: make(map[uint64]any),
		table:   make(map[ident]*listener),
	}
}

func (d *dispatcher) run(ctx context.Context) error {
	d.timer = time.AfterFunc(time.Hour, d.p.wake)
	d.timer.Stop()
	stop := context.AfterFunc(ctx, d.p.wake)
	defer stop()
	defer d.close()
	ready := make([]sys.Ready, 128)
	var naps napper
	for {
		n, err := d.poller.Wait(ready)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		d.now = time.Now()
		for _, note := range d.p.notes() {
			note(d)
		}
		for _, r := range ready[:n] {
			switch s := d.byToken[r.Token].(type) {
			case *worker:
				d.serve(s, r.Writable)
			case *source:
				s.more = true
				d.activate(s.listener)
			}
		}
		d.expire()
		d.pumpAll()
		d.setTimer()
		if crowded(d.unanswered()) {
			naps.nap(d.now)
		}
	}
}

// napper is how a busy loop rests.
type napper struct {
	yielded time.Time
}

// nap lets events gather. From a goroutine that was never interrupted for 10 ms the runtime
// takes its processor in the middle of a nap, and then its monitor looks every 20 µs for
// what else to take: a sixth of what the loop costs. So it yields before that.
func (n *napper) nap(now time.Time) {
	if now.Sub(n.yielded) > yieldAfter {
		n.yielded = now
		runtime.Gosched()
	}
	sys.Nap(napTime)
}

// unanswered is how many connections all workers were handed and have not answered.
func (d *dispatcher) unanswered() (n int) {
	for _, w := range d.workers {
		n += w.load.pending
	}
	return n
}

// close closes everything. Notes that come later find the Primary closed.
func (d *dispatcher) close() {
	d.timer.Stop()
	rest := d.p.end()
	for _, note := range rest {
		note(d) // so that channels given to Add are closed too
	}
	for _, w := range d.workers {
		d.drop(w)
	}
	for _, l := range d.table {
		if d.p.bequest.Load() {
			d.leaveBehind(l)
		} else {
			d.shut(l)
		}
	}
	d.p.mu.Lock()
	d.poller.Close()
	d.p.mu.Unlock()
}

func (d *dispatcher) nextToken() uint64 {
	d.token++
	return d.token
}

func (d *dispatcher) event(e Event) { d.p.options.OnEvent(e) }

// add takes a worker in.
func (d *dispatcher) add(conn *ipc.Conn, o WorkerOptions) *worker {
	w := &worker{WorkerOptions: o, conn: conn, token: d.nextToken()}
	w.hears = func(f *ipc.Frame) error {
		d.hear(w, f)
		return nil
	}
	d.workers[o.ID] = w
	d.byToken[w.token] = w
	if err := d.poller.Add(conn.Fd(), sys.Readable, w.token); err != nil {
		d.lose(w, err)
	}
	return w
}

func (d *dispatcher) unroute(id uint64) {
	if w := d.workers[id]; w != nil {
		d.setAway(w)
	}
}

func (d *dispatcher) disconnect(id uint64) {
	if w := d.workers[id]; w != nil && w.conn != nil {
		d.setAway(w)
		d.post(w, wire.AppendAct(nil, wire.ActDisconnect, w.nextSeq(), w.bun), -1)
	}
}

// setAway gives the worker nothing more.
func (d *dispatcher) setAway(w *worker) {
	if w.load.away {
		return
	}
	w.load.away = true
	for _, l := range w.uses {
		d.steer(l)
	}
}

// remove takes the end of the process's channel as it is now, also where a
// descendant holds it open.
func (d *dispatcher) remove(id uint64) {
	w := d.workers[id]
	if w == nil {
		return
	}
	if w.conn != nil {
		d.read(w)
	}
	if w.conn != nil {
		d.lose(w, nil)
	}
	delete(d.workers, id)
}

func (d *dispatcher) release(group string) {
	if d.p.bequest.Load() {
		return
	}
	for _, l := range d.table {
		if _, ok := l.groups[group]; !ok {
			continue
		}
		delete(l.groups, group)
		if len(l.groups) == 0 {
			d.shut(l)
		} else {
			d.note(l)
		}
	}
}

// serve does what a worker's channel is ready for.
func (d *dispatcher) serve(w *worker, writable bool) {
	if !writable {
		d.heard(w, w.conn.ReadEdge(w.hears))
		return
	}
	d.flush(w)
	if w.conn != nil {
		d.read(w) // to the end, if this is a hangup: the end is no event of its own
	}
}

// read handles all that the worker has said.
func (d *dispatcher) read(w *worker) { d.heard(w, w.conn.Read(w.hears)) }

// heard deals with how reading ended.
func (d *dispatcher) heard(w *worker, err error) {
	switch {
	case w.conn == nil:
	case errors.Is(err, io.EOF):
		d.lose(w, nil)
	case err != nil:
		d.lose(w, err)
	default:
		d.flush(w) // what the channel answered by itself
	}
}

// post sends a frame, or queues it. A worker that lets the queue overflow is cut off.
func (d *dispatcher) post(w *worker, frame []byte, fd int) bool {
	if err := w.conn.Send(frame, fd); err != nil {
		d.broken(w, err)
		return false
	}
	d.flush(w)
	return true
}

// broken deals with a failed write. Where the other end is gone what it said
// before still waits to be read: reading meets the end.
func (d *dispatcher) broken(w *worker, err error) {
	w.load.full = true
	if errors.Is(err, ipc.ErrQueueFull) {
		d.lose(w, err)
	}
}

// flush goes on with what is queued and watches for room when that is needed.
func (d *dispatcher) flush(w *worker) {
	pending, err := w.conn.Flush()
	if err != nil {
		d.broken(w, err)
		return
	}
	d.watch(w, pending)
}

// watch says whether the worker's channel is full.
func (d *dispatcher) watch(w *worker, full bool) {
	if w.load.full == full {
		return
	}
	w.load.full = full
	interest := sys.Readable
	if full {
		interest |= sys.Writable
	}
	if err := d.poller.Modify(w.conn.Fd(), interest, w.token); err != nil {
		d.lose(w, err)
	}
}

// lose ends a worker's channel: what it had not touched goes to others.
func (d *dispatcher) lose(w *worker, err error) {
	d.drop(w)
	d.event(Event{Worker: w.ID, Type: WorkerDisconnected, Err: err})
}

func (d *dispatcher) drop(w *worker) {
	if w.conn == nil {
		return
	}
	w.load.away = true
	d.poller.Remove(w.conn.Fd())
	delete(d.byToken, w.token)
	w.conn.Close()
	w.conn = nil
	for len(w.uses) > 0 {
		d.leave(w, w.uses[len(w.uses)-1])
	}
	d.settle(w)
}

// setTimer makes the loop wake up for what is due next, and for nothing else.
func (d *dispatcher) setTimer() {
	var at time.Time
	for _, g := range d.linger {
		at = earliest(at, g.at)
	}
	if len(d.active) > 0 {
		if d.now.Before(d.pause) {
			at = earliest(at, d.pause)
		}
		for _, l := range d.active {
			at = earliest(at, wake(l.seats, d.now))
		}
	}
	if at.Equal(d.due) {
		return
	}
	d.due = at
	if at.IsZero() {
		d.timer.Stop()
		return
	}
	d.timer.Reset(time.Until(at))
}

// expire closes what has lingered long enough. A worker that closed its server
// and then went was on its way out: its listener stays for its successor.
func (d *dispatcher) expire() {
	kept := d.linger[:0]
	for _, g := range d.linger {
		switch {
		case g.l.closed() || g.by.load.away || len(g.l.users) > 0 || d.p.bequest.Load():
		case d.now.Before(g.at):
			kept = append(kept, g)
		default:
			delete(g.l.groups, g.by.Group)
			if len(g.l.groups) == 0 {
				d.shut(g.l)
			}
		}
	}
	clear(d.linger[len(kept):])
	d.linger = kept
	if !d.due.IsZero() && !d.now.Before(d.due) {
		d.due = time.Time{}
	}
}

// notes takes what was left for Run.
func (p *Primary) notes() []func(*dispatcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	notes := p.inbox
	p.inbox = nil
	return notes
}

// end takes the last notes; none come after.
func (p *Primary) end() []func(*dispatcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	notes := p.inbox
	p.inbox = nil
	return notes
}

// wake makes Run go round once.
func (p *Primary) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.poller.Wake()
	}
}
