package ipc

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/tendproc/tend/internal/sys"
)

// Serialization is how messages are written on a channel.
type Serialization int

const (
	JSON     Serialization = iota // one JSON text to a line; Node's default
	Advanced                      // a length and V8's structured clone; only a Node parent chooses it
)

// String gives Node's word for it, as in NODE_CHANNEL_SERIALIZATION_MODE.
func (s Serialization) String() string {
	switch s {
	case JSON:
		return "json"
	case Advanced:
		return "advanced"
	}
	return fmt.Sprintf("Serialization(%d)", int(s))
}

// Latest is the [ConnOptions] Node of a peer that knows all that this package does.
const Latest = math.MaxInt32

// What came with which Node.
const (
	nodeOfFloat16Array = 24
	nodeOfBoundSocket  = 26
)

const (
	defaultMaxMessage = 64 << 20
	defaultMaxQueue   = 16 << 20
)

// ConnOptions are the choices of a [Conn]. The zero value is usable.
type ConnOptions struct {
	// Serialization is what both ends have agreed on, by the child's environment.
	Serialization Serialization
	// MaxMessage is how many bytes a received message may have; 64 MiB when zero.
	MaxMessage int
	// MaxQueue is how many bytes are kept for a peer that does not read, and by a
	// Channel for a program that does not receive; 16 MiB when zero.
	MaxQueue int

	// Node is the major version of the Node at the other end, [Latest] for a Go
	// peer, 0 when it is not known. What an older Node would die of is not sent to
	// it: a net.BoundSocket from 26 on, and Float16Array, in advanced
	// serialization, from 24 on. [Conn.PeerNode] tells it later.
	Node int

	// Reading keeps the beginning of a long message that is being received, in JSON
	// serialization, over this process's death; nil for none.
	Reading Spool
	// Unread is what a former reader's Reading kept: it goes before all else. The
	// Conn takes it.
	Unread *os.File
	// Resumed says that another reader went before, and may have consumed the
	// beginning of a message: the rest of that is dropped, unless it is in Unread.
	Resumed bool
	// Spool keeps the frame that is being sent over this process's death; nil for none.
	Spool Spool
	// Unsent is what a former sender's Spool kept: it goes before all else. The
	// Conn takes it.
	Unsent *os.File
}

// Conn is one end of a channel, without blocking and without goroutines: for
// event loops. One goroutine at a time reads; writes and Close may come from
// any. Descriptors that the peer sent unasked are closed.
type Conn struct {
	options ConnOptions
	fd      int
	in      reader
	node    atomic.Int32 // see ConnOptions.Node

	mu     sync.Mutex // guards the rest; taken before in.mu
	out    queue
	file   *os.File // owns fd once a Channel parks on it; nil: fd is owned raw
	closed bool
}

// NewConn takes f, one end of a connected Unix stream socket: on success f is
// closed and a duplicate of it used, on error f is still the caller's. The
// duplicate is not registered with the runtime's poller, so that an event loop
// may have it in its own without paying twice.
func NewConn(f *os.File, o ConnOptions) (*Conn, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("channel: %w", err)
	}
	fd := -1
	var inner error
	if err := raw.Control(func(u uintptr) {
		kind, err := sys.InspectSocket(int(u))
		if err == nil && (kind.Family != syscall.AF_UNIX || kind.Type != syscall.SOCK_STREAM) {
			err = errors.New("not a Unix stream socket")
		}
		if err == nil {
			fd, err = sys.Dup(int(u))
		}
		inner = err
	}); err != nil {
		return nil, fmt.Errorf("channel: %w", err)
	}
	if inner != nil {
		return nil, fmt.Errorf("channel: %w", inner)
	}
	if err := sys.EnsureNonblock(fd); err != nil {
		sys.Close(fd)
		return nil, fmt.Errorf("channel: %w", err)
	}
	if o.MaxMessage <= 0 {
		o.MaxMessage = defaultMaxMessage
	}
	if o.MaxQueue <= 0 {
		o.MaxQueue = defaultMaxQueue
	}
	c := &Conn{options: o, fd: fd, in: reader{stray: -1, resumed: o.Resumed && o.Serialization == JSON}}
	c.options.Unsent, c.options.Unread = nil, nil
	c.PeerNode(o.Node)
	c.resumeReading(o.Unread)
	if err := c.resumeSending(o.Unsent); err != nil {
		sys.Close(fd)
		return nil, err
	}
	f.Close()
	return c, nil
}

// PeerNode says which Node is at the other end: see [ConnOptions]. A peer that
// sends what only newer Nodes know needs no telling.
func (c *Conn) PeerNode(major int) { c.node.Store(int32(min(major, Latest))) }

// learn notes that the peer knows what came with the Node of that version.
func (c *Conn) learn(major int32) {
	if c.node.Load() < major {
		c.node.Store(major)
	}
}

// Fd returns the descriptor, for a poller. It is valid until Close.
func (c *Conn) Fd() int { return c.fd }

// Serialization returns how messages are written on this channel.
func (c *Conn) Serialization() Serialization { return c.options.Serialization }

// Close closes the channel: the peer reads to the end of what was sent. What is
// still queued is dropped: see [Conn.Flush]. Later calls return ErrClosed. Close
// may be called more than once, and within Read's fn.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.dropLocked()
	c.in.mu.Lock()
	c.in.closed = true
	if c.in.stray >= 0 {
		sys.Close(c.in.stray)
		c.in.stray = -1
	}
	kept := c.in.intake != nil && c.options.Reading != nil
	c.in.mu.Unlock()
	if kept {
		c.options.Reading.Drop()
	}
	file := c.file
	c.mu.Unlock()
	// From here on nobody makes a call with the descriptor. The file waits for
	// who is parked on it, and so must be closed without a lock.
	if file != nil {
		return file.Close()
	}
	return os.NewSyscallError("close", sys.Close(c.fd))
}

// park gives the descriptor to an os.File, which can wait for it without a
// thread. The file is closed by Close.
func (c *Conn) park() (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if c.file == nil {
		c.file = os.NewFile(uintptr(c.fd), "channel")
	}
	return c.file, nil
}
