package ipc

import (
	"errors"
	"fmt"
	"os"

	"github.com/tendproc/tend/internal/sys"
)

// Spool outlives this process, and keeps the frame that is being sent, or the
// beginning of the one that is being received. One that is longer than
// [AtomicFrame] is sent in pieces, and half of it would kill a Node peer; one that is
// longer than the socket holds is received in pieces. It is called with a lock of the
// Conn held.
type Spool interface {
	// Keep keeps a duplicate of f, which stays the caller's, in place of an earlier
	// one. What is still to be sent is f from its position on, which moves with
	// each piece; what was received is in f.
	Keep(f *os.File) error
	// Drop is called when all of it is sent, or nobody will ever need it.
	Drop()
}

// resumeSending puts what is left of a former sender's frame before all else. It
// takes f, which may be nil.
func (c *Conn) resumeSending(f *os.File) error {
	if f == nil {
		return nil
	}
	left, err := sys.Left(f)
	if err != nil {
		return errors.Join(fmt.Errorf("channel: the frame that was being sent: %w", err), f.Close())
	}
	s := segment{fd: -1, file: f, left: left, begun: true}
	if c.options.Spool != nil {
		_ = c.options.Spool.Keep(f) // it has it; now it is known as ours
	}
	if left == 0 {
		c.unspool(&s)
		return nil
	}
	c.out.segments, c.out.bytes = []segment{s}, left
	return nil
}

// spool moves a long frame that is about to be sent to where it outlives us. Where
// that cannot be it is sent without.
func (c *Conn) spool(s *segment) {
	if c.options.Spool == nil || s.begun || s.fd >= 0 || len(s.data) <= AtomicFrame {
		return
	}
	f, err := sys.Memory("frame", 0)
	if err != nil {
		return
	}
	if _, err = f.WriteAt(s.data, 0); err == nil {
		err = c.options.Spool.Keep(f)
	}
	if err != nil {
		f.Close()
		return
	}
	s.file, s.left, s.data = f, len(s.data), nil
}

// unspool lets go of a frame.
func (c *Conn) unspool(s *segment) {
	if s.file == nil {
		return
	}
	if c.options.Spool != nil {
		c.options.Spool.Drop()
	}
	s.file.Close()
	s.file = nil
}
