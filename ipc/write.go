package ipc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/internal/wire"
)

// maxAnswers bounds the answers kept for a peer that sends handles and does not read.
const maxAnswers = 64 << 10

// queue is what could not be written yet. Guarded by Conn.mu.
type queue struct {
	segments []segment     // the first may be written in part
	answers  []byte        // ACKs and NACKs; they go before any segment that is not begun
	bytes    int           // in segments
	bun      bool          // the peer is a Bun
	broken   error         // the peer is gone
	flushed  chan struct{} // closed when nothing is queued any more; nil while nobody waits
}

// segment is written without a break in it: one frame with its descriptor, or
// several without.
type segment struct {
	data  []byte
	fd    int // ours, a duplicate; -1 for none, or when it is sent
	begun bool
	file  *os.File // in place of data: see Spool
	left  int      // of file
}

func (s *segment) done() bool { return len(s.data) == 0 && s.left == 0 }

func (q *queue) empty() bool { return len(q.segments) == 0 && len(q.answers) == 0 }

// dropLocked forgets what is queued.
func (c *Conn) dropLocked() {
	q := &c.out
	for i := range q.segments {
		s := &q.segments[i]
		if s.fd >= 0 {
			sys.Close(s.fd)
		}
		c.unspool(s)
	}
	q.segments, q.answers, q.bytes = nil, nil, 0
	c.flushedLocked()
}

// push queues a copy of data, and a duplicate of fd.
func (q *queue) push(data []byte, fd int, begun bool) error {
	if last := len(q.segments) - 1; last >= 0 && fd < 0 && !begun {
		if s := &q.segments[last]; s.fd < 0 && !s.begun && s.file == nil && len(s.data)+len(data) <= AtomicFrame {
			s.data = append(s.data, data...)
			q.bytes += len(data)
			return nil
		}
	}
	dup := -1
	if fd >= 0 {
		var err error
		if dup, err = sys.Dup(fd); err != nil {
			return os.NewSyscallError("dup", err)
		}
	}
	q.segments = append(q.segments, segment{data: bytes.Clone(data), fd: dup, begun: begun})
	q.bytes += len(data)
	return nil
}

// TrySend writes one frame, as [Conn.AppendFrame] makes it, with the descriptor
// fd beside it, -1 for none. It is one call of the kernel, all or nothing:
// ErrWouldBlock says that nothing was sent, because the peer does not read or
// because earlier frames are still queued. fd stays the caller's.
func (c *Conn) TrySend(frame []byte, fd int) error {
	if len(frame) > AtomicFrame {
		return fmt.Errorf("%w: %d bytes do not go whole or not at all", ErrTooLong, len(frame))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.checkLocked(frame, fd); err != nil {
		return err
	}
	if !c.out.empty() {
		return ErrWouldBlock
	}
	n, err := c.writeLocked(frame, fd)
	if err != nil {
		return err
	}
	if n < len(frame) { // the kernel promises otherwise, but a broken frame kills the peer
		return c.out.push(frame[n:], -1, true)
	}
	return nil
}

// Send is TrySend for frames of any length, and queues what cannot be written
// now: the frame's bytes, and a duplicate of fd. [Conn.Flush] goes on with it.
// ErrQueueFull says that nothing was sent or queued; one frame is queued whatever
// its length if no other is.
func (c *Conn) Send(frame []byte, fd int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.checkLocked(frame, fd); err != nil {
		return err
	}
	if c.out.bytes > 0 && c.out.bytes+len(frame) > c.options.MaxQueue {
		return ErrQueueFull
	}
	_, err := c.sendLocked(frame, fd)
	return err
}

// check is what Send does first, of a frame without a handle.
func (c *Conn) check(frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.checkLocked(frame, -1)
}

// sendChecked is Send of whole frames that were checked, by who sees to it that not
// too much is queued. queued tells that not all is written.
func (c *Conn) sendChecked(frames []byte) (queued bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false, ErrClosed
	}
	return c.sendLocked(frames, -1)
}

func (c *Conn) sendLocked(frame []byte, fd int) (queued bool, err error) {
	if c.options.Spool != nil && len(frame) > AtomicFrame {
		err := c.sendLongLocked(frame, fd)
		return !c.out.empty(), err
	}
	begun := false
	for rest := frame; c.out.empty(); begun, fd = true, -1 {
		n, err := c.writeLocked(c.piece(rest), fd)
		if errors.Is(err, ErrWouldBlock) {
			frame = rest
			break
		}
		if err != nil {
			return false, err
		}
		if rest = rest[n:]; len(rest) == 0 {
			return false, nil
		}
	}
	return true, c.out.push(frame, fd, begun)
}

// sendLongLocked sends a frame that goes in pieces, each of which may be our last deed.
func (c *Conn) sendLongLocked(frame []byte, fd int) error {
	if fd >= 0 {
		return fmt.Errorf("%w: a handle goes with at most %d bytes", ErrTooLong, AtomicFrame)
	}
	if err := c.out.push(frame, -1, false); err != nil {
		return err
	}
	return c.flushLocked()
}

// Flush writes what is queued, as far as the peer takes it; call it when the
// channel is writable. pending tells that something is left.
func (c *Conn) Flush() (pending bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false, ErrClosed
	}
	err = c.flushLocked()
	return !c.out.empty(), err
}

// Queued returns how many bytes wait to be written.
func (c *Conn) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.bytes + len(c.out.answers)
}

// Flushed returns a channel that is closed as soon as the kernel has all that was
// sent, or never will: what it has the peer gets, though this process dies.
func (c *Conn) Flushed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	flushed := c.out.flushed
	if flushed == nil {
		flushed = make(chan struct{})
		c.out.flushed = flushed
	}
	if c.closed || c.out.empty() {
		c.flushedLocked()
	}
	return flushed
}

func (c *Conn) flushedLocked() {
	if c.out.flushed != nil {
		close(c.out.flushed)
		c.out.flushed = nil
	}
}

// writeErr returns why nothing can be written any more, nil if it can.
func (c *Conn) writeErr() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.broken
}

func (c *Conn) flushLocked() error {
	q := &c.out
	for !q.empty() {
		if len(q.answers) > 0 && (len(q.segments) == 0 || !q.segments[0].begun) {
			s := segment{data: q.answers, fd: -1}
			q.bytes += len(s.data)
			q.segments = append([]segment{s}, q.segments...)
			q.answers = nil
		}
		s := &q.segments[0]
		c.spool(s)
		n, err := c.writeSegmentLocked(s)
		if errors.Is(err, ErrWouldBlock) {
			return nil
		}
		if err != nil {
			return err
		}
		if s.fd >= 0 {
			sys.Close(s.fd)
			s.fd = -1
		}
		q.bytes -= n
		s.begun = true
		if s.done() {
			c.unspool(s)
			q.segments[0] = segment{}
			q.segments = q.segments[1:]
		}
	}
	q.segments = nil
	c.flushedLocked()
	return nil
}

// answerLocked sends or queues an ACK or NACK. It waits for no message of ours,
// only for the end of one that is begun.
func (c *Conn) answerLocked(frame []byte) error {
	if c.closed {
		return ErrClosed
	}
	if c.out.empty() {
		n, err := c.writeLocked(frame, -1)
		switch {
		case err == nil && n < len(frame):
			return c.out.push(frame[n:], -1, true)
		case !errors.Is(err, ErrWouldBlock):
			return err
		}
	}
	if len(c.out.answers) > maxAnswers {
		return fmt.Errorf("%w: answers to handles", ErrQueueFull)
	}
	c.out.answers = append(c.out.answers, frame...)
	return c.flushLocked()
}

// writeSegmentLocked makes one piece of s go.
func (c *Conn) writeSegmentLocked(s *segment) (n int, err error) {
	if s.file == nil {
		n, err = c.writeLocked(c.piece(s.data), s.fd)
		s.data = s.data[n:]
		return n, err
	}
	if c.out.broken != nil {
		return 0, c.out.broken
	}
	n, err = sys.SendFile(c.fd, s.file, s.left)
	s.left -= n
	return n, c.wroteLocked(n, err)
}

// piece is as much of data as one call is given: what goes whole or not at all, unless
// nobody is there to go on with a half.
func (c *Conn) piece(data []byte) []byte {
	if c.in.eager {
		return data
	}
	return data[:min(len(data), AtomicFrame)]
}

// writeLocked makes one sendmsg.
func (c *Conn) writeLocked(data []byte, fd int) (n int, err error) {
	if c.out.broken != nil {
		return 0, c.out.broken
	}
	n, err = sys.SendInto(c.fd, data, fd)
	return max(0, n), c.wroteLocked(n, err)
}

// wroteLocked says what a call that writes came to.
func (c *Conn) wroteLocked(n int, err error) error {
	switch {
	case err == nil && n > 0:
		return nil
	case err == nil: // a file that is shorter than it was
		err = io.ErrUnexpectedEOF
	case sys.IsWouldBlock(err):
		return ErrWouldBlock
	}
	if sys.IsHangup(err) || errors.Is(err, io.ErrUnexpectedEOF) {
		c.out.broken = fmt.Errorf("%w: %w", ErrClosed, err)
		c.dropLocked()
		return c.out.broken
	}
	return fmt.Errorf("channel: %w", os.NewSyscallError("send", err))
}

// checkLocked refuses what would kill a Node peer, as far as it can be seen
// without decoding: AppendFrame has validated the rest.
func (c *Conn) checkLocked(frame []byte, fd int) error {
	if c.closed {
		return ErrClosed
	}
	kind, typ, err := c.inspectFrame(frame)
	switch {
	case err != nil:
		return err
	case kind == wire.Ack || kind == wire.Nack:
		return fmt.Errorf("%w: an answer to a handle is the channel's own to send", ErrFrame)
	case typ == BunNative && fd >= 0:
	case (kind == wire.Handle) != (fd >= 0):
		return fmt.Errorf("%w: a NODE_HANDLE goes with a descriptor, and nothing else does", ErrFrame)
	}
	if fd < 0 {
		return nil
	}
	return c.checkHandle(typ, fd)
}

// inspectFrame tells what a frame to be sent is, and of what type its handle.
func (c *Conn) inspectFrame(frame []byte) (kind wire.Kind, typ HandleType, err error) {
	if c.options.Serialization == Advanced {
		kind, word, err := checkAdvanced(frame)
		return kind, HandleType(word), err
	}
	if len(frame) < 2 || bytes.IndexByte(frame, '\n') != len(frame)-1 {
		return kind, "", fmt.Errorf("%w: not one line", ErrFrame)
	}
	kind, data, bun, err := wire.Classify(frame[:len(frame)-1])
	switch {
	case err != nil:
		return kind, "", fmt.Errorf("%w: %w", ErrFrame, err)
	case bun && !c.out.bun:
		return kind, "", fmt.Errorf("%w: in Bun's dialect, and the peer is not known to be a Bun", ErrFrame)
	case bun && kind == wire.Cluster:
		return kind, BunNative, nil
	}
	return kind, HandleType(wire.EnvelopeType(data)), nil
}
