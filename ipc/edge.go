package ipc

import "fmt"

// ReadEdge is Read for an edge-triggered event loop, when the event was not a
// hangup. Where one look at the socket got all there was it does not look again:
// what comes after is another event. It saves a call of the kernel for each. On
// a hangup use Read: the end may have come in one event with the last words.
func (c *Conn) ReadEdge(fn func(*Frame) error) error {
	if c.in.err != nil || c.in.whole || c.in.taking || len(c.in.held) > 0 {
		return c.Read(fn)
	}
	buf := peekBuffers.Get().(*[peekSize]byte)
	n, carriesFD, err := c.peek(buf[:])
	if err != nil || carriesFD || n == peekSize {
		peekBuffers.Put(buf)
		return c.Read(fn)
	}
	used, err := c.handle(buf[:n], fn)
	if used > 0 {
		c.in.waits = 0
		if derr := c.discard(buf[:used]); err == nil {
			err = derr
		}
	}
	peekBuffers.Put(buf)
	if err == nil && used < n {
		return c.Read(fn) // an unfinished frame
	}
	return err
}

// TryPass is TrySend for a frame that this module's own template made and a
// descriptor known to be a connected, non-blocking stream socket: neither is
// looked at again. It is what hands out the connections of a busy port.
func (c *Conn) TryPass(frame []byte, fd int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return ErrClosed
	case !c.out.empty():
		return ErrWouldBlock
	case len(frame) > AtomicFrame:
		return fmt.Errorf("%w: %d bytes do not go whole or not at all", ErrTooLong, len(frame))
	}
	n, err := c.writeLocked(frame, fd)
	if err == nil && n < len(frame) {
		return c.out.push(frame[n:], -1, true)
	}
	return err
}
