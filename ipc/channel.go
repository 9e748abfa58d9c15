package ipc

import (
	"context"
	"iter"
	"net"
	"syscall"
)

// Channel is a channel in the style of goroutines: calls block until done.
type Channel struct{ conn *Conn }

// Message is one received message of the program's own.
type Message struct {
	Data   []byte  // JSON text; empty in advanced serialization
	Value  any     // the decoded value, in advanced serialization only
	Handle *Handle // nil if none; the receiver owns it
}

// NewChannel takes c.
func NewChannel(c *Conn) *Channel { return &Channel{conn: c} }

func (ch *Channel) Send(ctx context.Context, v any) error                                 { return nil }
func (ch *Channel) SendRaw(ctx context.Context, json []byte) error                        { return nil }
func (ch *Channel) SendHandle(ctx context.Context, v any, h *Handle, keepOpen bool) error { return nil }
func (ch *Channel) Receive(ctx context.Context) (Message, error)                          { return Message{}, nil }
func (ch *Channel) Messages(ctx context.Context) iter.Seq2[Message, error]                { return nil }
func (ch *Channel) Disconnect(ctx context.Context) error                                  { return nil }
func (ch *Channel) Close() error                                                          { return nil }

// Decode stores the message in the value that v points to.
func (m Message) Decode(v any) error { return nil }

// NewHandle makes a handle of anything with a socket: *net.TCPListener,
// *net.TCPConn, *net.UnixListener, *net.UnixConn, *net.UDPConn, *os.File. The
// handle takes src over: closing the handle closes src.
func NewHandle(src syscall.Conn) (*Handle, error) { return nil, nil }

// Conn gives the socket of a received net.Socket handle; the handle is used up.
func (h *Handle) Conn() (net.Conn, error) { return nil, nil }

// Listener gives the socket of a received net.Server handle; the handle is used up.
func (h *Handle) Listener() (net.Listener, error) { return nil, nil }

// PacketConn gives the socket of a received dgram handle; the handle is used up.
func (h *Handle) PacketConn() (net.PacketConn, error) { return nil, nil }

// Close closes the socket.
func (h *Handle) Close() error { return nil }
