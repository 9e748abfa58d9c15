package cluster

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tendproc/tend/ipc"
)

// served is a listening socket that the primary shares with this worker: a
// net.Listener of the connections the primary hands out and, where the socket
// itself was lent, of those it accepts.
type served struct {
	client *client
	key    string
	id     query
	port   int
	addr   net.Addr
	lent   lentListener // nil when the primary does all the accepting

	once      sync.Once
	closed    chan struct{} // by the program
	withdrawn chan struct{} // by the program, or because the worker leaves
	handed    chan struct{} // has a token while queue is not empty; a lent socket's Accept is interrupted instead

	mu    sync.Mutex // guards the following
	queue []offered
	away  bool // withdrawn
}

// lentListener is *net.TCPListener or *net.UnixListener.
type lentListener interface {
	net.Listener
	SetDeadline(time.Time) error
}

// offered is a connection that the primary waits for an answer about. The
// handle is owned.
type offered struct {
	seq    int64
	handle *ipc.Handle
}

func newServed(addr net.Addr, port int, lent lentListener) *served {
	return &served{
		addr: addr, port: port, lent: lent,
		closed: make(chan struct{}), withdrawn: make(chan struct{}), handed: make(chan struct{}, 1),
	}
}

// offer queues a connection until the program takes it. On false it is still
// the caller's.
func (s *served) offer(o offered) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return false
	}
	s.queue = append(s.queue, o)
	s.signalLocked()
	return true
}

func (s *served) signalLocked() {
	select {
	case s.handed <- struct{}{}:
	default:
	}
	if s.lent != nil {
		s.lent.SetDeadline(time.Unix(1, 0))
	}
}

// take returns the first queued connection.
func (s *served) take() (o offered, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		if s.lent != nil && !s.away {
			s.lent.SetDeadline(time.Time{})
		}
		return o, false
	}
	o, s.queue = s.queue[0], s.queue[1:]
	if len(s.queue) > 0 {
		s.signalLocked()
	}
	return o, true
}

// Accept waits for a connection. Closing the connection is what lets the worker
// leave in peace: it counts until then.
func (s *served) Accept() (net.Conn, error) {
	for {
		if o, ok := s.take(); ok {
			if c, ok := s.admit(o); ok {
				return c, nil
			}
			continue
		}
		if s.lent == nil {
			select {
			case <-s.handed:
				continue
			case <-s.withdrawn:
				return nil, s.over()
			}
		}
		c, err := s.lent.Accept()
		switch {
		case err == nil:
			return s.client.track(c), nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case errors.Is(err, net.ErrClosed):
			return nil, s.over()
		}
		return nil, err
	}
}

// over waits, where it was not the program that closed the listener, until the
// worker's connections have ended: many a program ends when Accept fails.
func (s *served) over() error {
	select {
	case <-s.closed:
	case <-s.client.idle:
	}
	return s.err(net.ErrClosed)
}

// admit makes a connection of what the primary offered and tells it so.
func (s *served) admit(o offered) (net.Conn, bool) {
	c, err := o.handle.Conn()
	if err != nil {
		o.handle.Close()
		s.client.reply(o.seq, false)
		return nil, false
	}
	tracked := s.client.track(c)
	s.client.reply(o.seq, true)
	return tracked, true
}

func (s *served) err(err error) error {
	return &net.OpError{Op: "accept", Net: s.addr.Network(), Addr: s.addr, Err: err}
}

// Close stops listening in this worker; others go on. Connections that the
// program did not take go to them.
func (s *served) Close() error {
	err := s.err(net.ErrClosed)
	s.once.Do(func() {
		close(s.closed)
		err = nil
	})
	s.withdraw()
	return err
}

// withdraw takes no more connections, and tells the primary.
func (s *served) withdraw() {
	s.mu.Lock()
	if s.away {
		s.mu.Unlock()
		return
	}
	s.away = true
	queue := s.queue
	s.queue = nil
	s.mu.Unlock()
	close(s.withdrawn)
	if s.lent != nil {
		s.lent.Close()
	}
	s.client.forget(s)
	for _, o := range queue {
		o.handle.Close()
		s.client.reply(o.seq, false)
	}
}

// Addr is the address that the program asked for, with the port it got.
func (s *served) Addr() net.Addr { return s.addr }

// forget ends the registration of s and tells the primary.
func (c *client) forget(s *served) {
	c.mu.Lock()
	if c.served[s.key] == s {
		delete(c.served, s.key)
	}
	c.mu.Unlock()
	c.unnumber(s.id)
	c.closeKey(s.key)
}

// track counts the connection until it is closed.
func (c *client) track(conn net.Conn) net.Conn {
	c.opened()
	count := &counted{client: c}
	switch conn := conn.(type) {
	case *net.TCPConn:
		return &tcpConn{conn, count}
	case *net.UnixConn:
		return &unixConn{conn, count}
	}
	return &otherConn{conn, count}
}

type counted struct {
	client *client
	once   sync.Once
}

func (t *counted) end() { t.once.Do(t.client.closed) }

// tcpConn keeps all that a *net.TCPConn can, sendfile and splice among it.
type tcpConn struct {
	*net.TCPConn
	count *counted
}

func (c *tcpConn) Close() error {
	defer c.count.end()
	return c.TCPConn.Close()
}

// NetConn returns the connection itself. It must be closed by c, not by itself.
func (c *tcpConn) NetConn() net.Conn { return c.TCPConn }

type unixConn struct {
	*net.UnixConn
	count *counted
}

func (c *unixConn) Close() error {
	defer c.count.end()
	return c.UnixConn.Close()
}

// NetConn returns the connection itself. It must be closed by c, not by itself.
func (c *unixConn) NetConn() net.Conn { return c.UnixConn }

type otherConn struct {
	net.Conn
	count *counted
}

func (c *otherConn) Close() error {
	defer c.count.end()
	return c.Conn.Close()
}

// packet is a UDP socket that the primary lent.
type packet struct {
	*net.UDPConn
	served *served
}

func (p *packet) Close() error {
	err := p.UDPConn.Close()
	p.served.Close()
	return err
}
