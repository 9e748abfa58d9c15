package ipc

import (
	"fmt"
	"io"
	"os"

	"github.com/tendproc/tend/internal/sys"
)

// consumeSome is readSome where nobody takes over: what was read is consumed, in
// one call of the kernel in place of two.
func (c *Conn) consumeSome(buf []byte, fn func(*Frame) error) (more bool, err error) {
	n, fd, err := c.consume(buf)
	if err != nil {
		if sys.IsWouldBlock(err) {
			return false, nil
		}
		return false, err
	}
	data := buf[:n]
	for used := -1; used != 0 && len(data) > 0 && err == nil; data = data[used:] {
		if fd >= 0 && !c.paired() {
			c.keep(fd)
			fd = -1
		}
		// While an older descriptor waits, the first envelope is its own.
		c.in.single = fd >= 0
		used, err = c.handle(data, fn)
	}
	if fd >= 0 {
		c.keep(fd)
	}
	c.in.held = append(c.in.held, data...)
	c.in.whole = c.in.whole || err != nil
	return true, err
}

// consume receives once; fd is the descriptor that came along, -1 for none.
func (c *Conn) consume(buf []byte) (n, fd int, err error) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if c.in.closed {
		return 0, -1, ErrClosed
	}
	n, passed, err := sys.RecvInto(c.fd, buf)
	fd = firstOf(passed)
	switch {
	case err == nil && n == 0, sys.IsHangup(err):
		return 0, -1, io.EOF
	case err != nil && !sys.IsWouldBlock(err):
		return 0, -1, fmt.Errorf("channel: %w", os.NewSyscallError("recvmsg", err))
	}
	return n, fd, err
}

// keep makes fd the descriptor of the next envelope.
func (c *Conn) keep(fd int) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if c.in.closed {
		sys.Close(fd)
		return
	}
	c.in.keepLocked(fd)
}
