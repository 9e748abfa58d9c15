package ipc

import "os"

// Serialization is how messages are written on a channel.
type Serialization int

const (
	JSON     Serialization = iota // one JSON text to a line; Node's default
	Advanced                      // length and V8's structured clone; chosen by a Node parent only
)

// ConnOptions bound a [Conn]. The zero value is usable.
type ConnOptions struct {
	Serialization Serialization
	MaxMessage    int // bytes of one received message; 64 MiB when zero
	MaxQueue      int // bytes of outgoing messages kept while the peer does not read; 16 MiB when zero
}

// Conn is the non-blocking core of a channel, for event loops.
type Conn struct{ file *os.File }

// NewConn takes f, one end of a Unix stream socket pair.
func NewConn(f *os.File, o ConnOptions) (*Conn, error) { return &Conn{file: f}, nil }

func (c *Conn) Fd() int                            { return -1 }
func (c *Conn) Serialization() Serialization       { return JSON }
func (c *Conn) Read(fn func(*Frame) error) error   { return nil }
func (c *Conn) TrySend(frame []byte, fd int) error { return nil }
func (c *Conn) Send(frame []byte, fd int) error    { return nil }
func (c *Conn) Flush() (pending bool, err error)   { return false, nil }
func (c *Conn) Close() error                       { return nil }

// AppendFrame appends the frame of one message, given as JSON text, in this
// channel's serialization; h, if any, names the handle it will travel with.
func (c *Conn) AppendFrame(dst, message []byte, h *Handle) ([]byte, error) { return dst, nil }
