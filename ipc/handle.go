package ipc

import (
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/tendproc/tend/internal/sys"
)

// HandleType is the type word of a NODE_HANDLE envelope: what the receiving
// program gets.
type HandleType string

const (
	NetServer   HandleType = "net.Server"      // a listening TCP or Unix stream socket
	NetSocket   HandleType = "net.Socket"      // a connected TCP or Unix stream socket
	NetNative   HandleType = "net.Native"      // any TCP or Unix stream socket, raw: what clusters use
	BoundSocket HandleType = "net.BoundSocket" // a TCP socket that is bound and does not listen; Node 26 and later
	DgramSocket HandleType = "dgram.Socket"    // a UDP socket
	DgramNative HandleType = "dgram.Native"    // a UDP socket, raw: what clusters use

	// BunNative is no word on the wire: Bun sends cluster handles without an envelope.
	BunNative HandleType = "bun"
)

// Handle is a socket that travels with a message. Who has the Handle owns the
// socket.
type Handle struct {
	// Type is the type word: what the receiving program gets.
	Type HandleType
	// File is the socket of a received handle; nil of one made by NewHandle.
	File *os.File
	// Key is a net.Socket's, when a server of a Node sender accepted it: by that
	// the server counts its connections. It may be left empty.
	Key string
	// DgramType is "udp4" or "udp6", of dgram.Socket.
	DgramType string

	source syscall.Conn // the socket of a handle made by NewHandle
	closed func()       // tells the channel that a counted socket is gone
}

// NewHandle makes a handle to send of whatever has a socket: *net.TCPListener,
// *net.TCPConn, *net.UnixListener, *net.UnixConn, *net.UDPConn, *os.File. It
// takes src over: closing the handle closes src. Set Type to net.Native or
// dgram.Native afterwards to hand over the raw socket.
func NewHandle(src syscall.Conn) (*Handle, error) {
	h := &Handle{source: src}
	err := h.control(func(fd int) error {
		kind, err := sys.InspectSocket(fd)
		if err != nil {
			return err
		}
		inet := kind.Family == syscall.AF_INET || kind.Family == syscall.AF_INET6
		stream := kind.Type == syscall.SOCK_STREAM && (inet || kind.Family == syscall.AF_UNIX)
		switch {
		case stream && kind.Listening:
			h.Type = NetServer
		case stream && kind.Connected:
			h.Type = NetSocket
		case stream && inet && kind.Bound:
			h.Type = BoundSocket
		case inet && kind.Type == syscall.SOCK_DGRAM:
			h.Type = DgramSocket
			h.DgramType = "udp4"
			if kind.Family == syscall.AF_INET6 {
				h.DgramType = "udp6"
			}
		default:
			return &HandleError{Reason: "not a TCP, UDP or Unix stream socket in use"}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// control calls fn with the descriptor, which stays what and where it is: a
// File().Fd() would make the socket blocking for everyone who has it.
func (h *Handle) control(fn func(fd int) error) error {
	src := h.source
	if h.File != nil {
		src = h.File
	}
	if src == nil {
		return &HandleError{h.Type, "no socket"}
	}
	raw, err := src.SyscallConn()
	if err != nil {
		return fmt.Errorf("handle: %w", err)
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = fn(int(fd)) }); err != nil {
		return fmt.Errorf("handle: %w", err)
	}
	return inner
}

// Close closes the socket.
func (h *Handle) Close() error {
	if h.closed != nil {
		h.closed()
		h.closed = nil
	}
	if h.File != nil {
		return h.File.Close()
	}
	if c, ok := h.source.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Conn makes a connection of a received net.Socket or net.Native. The handle is
// used up, also on error.
func (h *Handle) Conn() (net.Conn, error) {
	conn, err := use(h, net.FileConn)
	if err != nil || h.closed == nil {
		h.forget()
		return conn, err
	}
	return &countedConn{Conn: conn, closed: h.closed}, nil
}

// Listener makes a listener of a received net.Server or net.Native. The handle is
// used up, also on error. Closing the listener does not remove a Unix socket's
// path: it is the sender's.
func (h *Handle) Listener() (net.Listener, error) {
	defer h.forget()
	l, err := use(h, net.FileListener)
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	return l, err
}

// PacketConn makes a packet connection of a received dgram handle. The handle is
// used up, also on error.
func (h *Handle) PacketConn() (net.PacketConn, error) {
	defer h.forget()
	return use(h, net.FilePacketConn)
}

func (h *Handle) forget() {
	if h.closed != nil {
		h.closed()
		h.closed = nil
	}
}

func use[T any](h *Handle, fromFile func(*os.File) (T, error)) (conn T, err error) {
	if h.File == nil {
		return conn, &HandleError{h.Type, "not a received one"}
	}
	defer h.File.Close() // fromFile duplicates
	return fromFile(h.File)
}

// countedConn tells the channel when a socket is gone of which the sender keeps count.
type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// fits tells what speaks against sending or taking fd as a handle of type t; ""
// is nothing.
func fits(t HandleType, fd int) string {
	if t == NetNative {
		if !sys.StreamSocket(fd) {
			return "not a stream socket"
		}
		return ""
	}
	kind, err := sys.InspectSocket(fd)
	if err != nil {
		return err.Error()
	}
	inet := kind.Family == syscall.AF_INET || kind.Family == syscall.AF_INET6
	stream := kind.Type == syscall.SOCK_STREAM && (inet || kind.Family == syscall.AF_UNIX)
	switch t {
	case NetServer:
		if !stream || !kind.Listening {
			return "not a listening stream socket"
		}
	case NetSocket:
		if !stream || kind.Listening {
			return "not a connected stream socket"
		}
	case BoundSocket:
		if !stream || !inet || kind.Listening || kind.Connected {
			return "not a bound TCP socket"
		}
	case DgramSocket, DgramNative:
		if !inet || kind.Type != syscall.SOCK_DGRAM {
			return "not a UDP socket"
		}
	case BunNative:
		if !stream && (!inet || kind.Type != syscall.SOCK_DGRAM) {
			return "neither a stream nor a UDP socket"
		}
	default:
		return "no such type"
	}
	return ""
}

// checkHandle is fits for sending, and makes the socket non-blocking: Node does
// not do it on receipt, and its event loop hangs on a blocking one. c.mu is held.
func (c *Conn) checkHandle(t HandleType, fd int) error {
	if reason := fits(t, fd); reason != "" {
		return &HandleError{t, reason}
	}
	switch {
	case t == BoundSocket && c.node.Load() < nodeOfBoundSocket:
		return &HandleError{t, "a Node before 26 would die of it"}
	case c.out.bun && t == NetNative:
		return &HandleError{t, "a Bun would die of it"}
	}
	if err := sys.EnsureNonblock(fd); err != nil {
		return fmt.Errorf("handle of type %s: %w", t, os.NewSyscallError("fcntl", err))
	}
	return nil
}
