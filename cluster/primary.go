package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/internal/wire"
	"github.com/tendproc/tend/ipc"
)

// ErrClosed is returned after [Primary.Run] ended.
var ErrClosed = errors.New("cluster: primary is closed")

// Holder is told of each listening socket, so that it can outlive this process:
// a later primary takes over what it holds with [Primary.Restore]. Its methods
// are called from Run's goroutine and should not block for long.
type Holder interface {
	// Store is called before the socket is first used; it takes a duplicate if
	// it wants one, fd stays the Primary's. An error fails the worker's listen.
	Store(name string, fd int, meta []byte) error
	// Update replaces what was stored beside the socket, before a worker can
	// know of the change.
	Update(name string, meta []byte) error
	// Delete is called before the socket is closed.
	Delete(name string) error
}

// PrimaryOptions configures a [Primary]. The zero value is useful.
type PrimaryOptions struct {
	OnEvent func(Event) // called from Run's goroutine; must not block; nil drops events
	Window  int         // connections a worker may have unanswered; default 8
	Hold    Holder      // nil for none
}

// WorkerOptions says who a worker is.
type WorkerOptions struct {
	ID        uint64 // its NODE_UNIQUE_ID: see [Env]; unique for the Primary's life
	Group     string // the app: fixed addresses are shared across groups, port 0 is not
	Was       string // another name of the group, while it is being renamed; "" for none
	Scheduler Scheduler
	Exclusive bool // no other group may serve what it serves, nor it what another does: EADDRINUSE
	Sticky    bool // it has [StickyVar]
	Worn      int  // with round-robin: WorkerWorn tells that it took so many connections; 0 for never
	Standby   bool // its questions for sockets wait until Route; WorkerWaiting tells of the first
	Drains    bool // of one to adopt: a former primary had its WorkerDrains
}

// Primary is the primary of any number of clusters. Make it with [NewPrimary],
// start it with Run. All methods may be called from any goroutine.
type Primary struct {
	options  PrimaryOptions
	poller   *sys.QuietPoller
	done     chan struct{}  // closed when Run ends
	watchers sync.WaitGroup // of forked processes; joined by Run
	bequest  atomic.Bool    // see Bequeath

	mu     sync.Mutex           // guards the following
	inbox  []func(*dispatcher)  // notes for Run, in order
	ids    map[uint64]*ipc.Conn // of workers added and not removed
	lastID uint64               // given out by Fork
	closed bool
}

// NewPrimary returns a primary that does nothing until Run.
func NewPrimary(o PrimaryOptions) (*Primary, error) {
	if o.Window <= 0 {
		o.Window = defaultWindow
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	poller, err := sys.NewQuietPoller()
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	return &Primary{options: o, poller: poller, ids: make(map[uint64]*ipc.Conn), done: make(chan struct{})}, nil
}

// Env returns the variables that make a program the worker id. The channel has
// its own (child.IPC).
func Env(id uint64) []string {
	return []string{"NODE_UNIQUE_ID=" + strconv.FormatUint(id, 10)}
}

// Run serves until ctx is done, then closes all channels and sockets. Call it once.
func (p *Primary) Run(ctx context.Context) error {
	defer p.watchers.Wait()
	defer close(p.done)
	return newDispatcher(p).run(ctx)
}

// Add takes a worker with the primary's end of its channel. Add it before or
// just after the process starts: what it says waits in the channel. On error
// conn is still the caller's.
func (p *Primary) Add(conn *ipc.Conn, o WorkerOptions) error {
	return p.take(conn, o, func(d *dispatcher) { d.add(conn, o) })
}

func (p *Primary) take(conn *ipc.Conn, o WorkerOptions, note func(*dispatcher)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if _, ok := p.ids[o.ID]; ok {
		return fmt.Errorf("cluster: add worker %d: there is one of that id", o.ID)
	}
	p.ids[o.ID] = conn
	p.postLocked(note)
	return nil
}

// Send sends an ordinary message, JSON text without newline, to a worker. The
// message is queued if the worker does not read (ipc.Conn.Flushed tells when it is
// sent); ipc.ErrQueueFull says that it is not, there being too much already.
func (p *Primary) Send(id uint64, message []byte) error {
	frame, err := wire.AppendMessage(nil, message)
	if err != nil {
		return fmt.Errorf("cluster: send to worker %d: %w", id, err)
	}
	p.mu.Lock()
	conn, closed := p.ids[id], p.closed
	p.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case conn == nil:
		return fmt.Errorf("cluster: send: no worker %d", id)
	}
	if err := conn.Send(frame, -1); err != nil {
		return fmt.Errorf("cluster: send to worker %d: %w", id, err)
	}
	if conn.Queued() > 0 {
		p.post(func(d *dispatcher) {
			if w := d.workers[id]; w != nil && w.conn == conn {
				d.flush(w)
			}
		})
	}
	return nil
}

// Unroute gives the worker no new connections. What it closes from now on does
// not close the sockets of its group.
func (p *Primary) Unroute(id uint64) { p.post(func(d *dispatcher) { d.unroute(id) }) }

// Route lets a worker on standby have the sockets that it waits for: it listens a
// moment later. From now on it is a worker as any other.
func (p *Primary) Route(id uint64) { p.post(func(d *dispatcher) { d.route(id) }) }

// Disconnect unroutes the worker and tells it to go: it closes its servers,
// finishes its connections and closes the channel (Event WorkerDisconnected).
// It may never do so; the caller keeps the deadline.
func (p *Primary) Disconnect(id uint64) { p.post(func(d *dispatcher) { d.disconnect(id) }) }

// Remove says that the process ended. Its channel is read to the end and
// closed; connections it had not acknowledged go to other workers. The id may
// then be added again.
func (p *Primary) Remove(id uint64) {
	p.post(func(d *dispatcher) {
		d.remove(id)
		p.mu.Lock()
		delete(p.ids, id)
		p.mu.Unlock()
	})
}

// Release says that the group is gone or down: its sockets close, except those
// that other groups serve too.
func (p *Primary) Release(group string) { p.post(func(d *dispatcher) { d.release(group) }) }

// Bequeath has the sockets outlive the Primary: from now on none is closed for want
// of workers, and at the end they stay with the Holder, for [Primary.Restore] of a
// later one. Who connects meanwhile waits in them.
func (p *Primary) Bequeath() { p.bequest.Store(p.options.Hold != nil) }

func (p *Primary) post(note func(*dispatcher)) { p.postOpen(note) }

// postOpen is post, and tells whether the note will be read.
func (p *Primary) postOpen(note func(*dispatcher)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.postLocked(note)
	}
	return !p.closed
}

func (p *Primary) postLocked(note func(*dispatcher)) {
	p.inbox = append(p.inbox, note)
	p.poller.Wake()
}
