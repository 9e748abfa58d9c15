package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/ipc"
)

var (
	errRefused   = errors.New("it refuses the connection")
	errWentAway  = errors.New("it went away")
	errNotThere  = errors.New("there is no such worker")
	errNotServed = errors.New("it does not listen there")
	errSilent    = errors.New("it has not answered the last ones")
)

// maxOwed is how many dials a worker may owe an answer to. One that hangs would else be
// sent descriptors without end.
const maxOwed = 8

// Dial connects to one worker, to see how that one does: who connects to the port that
// the workers share is served by any. The worker takes the connection, of the loopback
// interface, for one of a client of its TCP port; with a Node worker that works for
// each scheduler. Dial returns once the worker has taken it, and fails if that
// refuses it, ends, does not listen on port, or does not answer before ctx is done.
// Nobody else is ever given the connection. Bun takes none from its primary.
func (p *Primary) Dial(ctx context.Context, worker uint64, port uint16) (net.Conn, error) {
	conn, err := p.dial(ctx, worker, port)
	if err != nil {
		return nil, fmt.Errorf("cluster: dial port %d of worker %d: %w", port, worker, err)
	}
	return conn, nil
}

func (p *Primary) dial(ctx context.Context, worker uint64, port uint16) (net.Conn, error) {
	conn, fd, err := connected(ctx)
	if err != nil {
		return nil, err
	}
	taken := make(chan error, 1)
	if p.postOpen(func(d *dispatcher) { d.handOwn(worker, port, fd, taken) }) {
		select {
		case err = <-taken:
		case <-ctx.Done():
			err = fmt.Errorf("it does not answer: %w", context.Cause(ctx))
		}
	} else {
		sys.Close(fd)
		err = ErrClosed
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// connected makes a TCP connection with itself. fd is the end of who accepted it.
func connected(ctx context.Context) (conn net.Conn, fd int, err error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, -1, err
	}
	defer l.Close()
	var d net.Dialer
	d.SetMultipathTCP(false)
	if conn, err = d.DialContext(ctx, "tcp4", l.Addr().String()); err != nil {
		return nil, -1, err
	}
	for {
		peer, err := l.Accept()
		if err != nil {
			conn.Close()
			return nil, -1, err
		}
		defer peer.Close()
		if peer.RemoteAddr().String() == conn.LocalAddr().String() { // not one who found the port
			fd, err = duplicate(peer.(*net.TCPConn))
			if err != nil {
				conn.Close()
			}
			return conn, fd, err
		}
	}
}

// duplicate is of the same kind as c's: one that does not block.
func duplicate(c *net.TCPConn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	cerr := raw.Control(func(own uintptr) { fd, err = sys.Dup(int(own)) })
	return fd, errors.Join(cerr, err)
}

// handOwn hands a worker a connection that is for it alone, and tells taken what
// became of it. It takes fd.
func (d *dispatcher) handOwn(id uint64, port uint16, fd int, taken chan<- error) {
	err := errNotThere
	if w := d.workers[id]; w != nil && w.conn != nil {
		err = d.passOwn(w, port, fd, taken)
	}
	if err != nil {
		sys.Close(fd)
		taken <- err
	}
}

// passOwn sends it, or does nothing.
func (d *dispatcher) passOwn(w *worker, port uint16, fd int, taken chan<- error) error {
	l := servesPort(w, port)
	switch {
	case l == nil:
		return errNotServed
	case w.sent.owed() >= maxOwed:
		return errSilent
	}
	err := d.pass(w, sent{listener: l, fd: fd, taken: taken})
	if err != nil && !errors.Is(err, ipc.ErrWouldBlock) && !sys.Shortage(err) {
		d.broken(w, err)
	}
	return err
}

// servesPort is where the worker listens on a TCP port, nil for nowhere.
func servesPort(w *worker, port uint16) *listener {
	for _, l := range w.uses {
		if u := l.use(w); l.bound.Port() == port && l.tcp() && u != nil && u.listening {
			return l
		}
	}
	return nil
}
