package ipc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/internal/wire"
)

// peekSize is how much is looked at in one call. A longer frame is consumed
// piece by piece into memory, else the peer could never write the rest of it.
const peekSize = 64 << 10

// patience is how often an unfinished frame is left in the socket. Then it is
// consumed, so that looking at it again and again does not become the work.
const patience = 8

var peekBuffers = sync.Pool{New: func() any { return new([peekSize]byte) }}

// reader is the receiving half of a Conn. It belongs to the goroutine that reads,
// except for what mu guards.
type reader struct {
	held    []byte // consumed but not handled: the beginning of a frame, after a stopped Read also whole ones
	whole   bool   // held may begin with a whole frame
	waits   int    // how often the unfinished frame at the front was seen
	eager   bool   // consume without peeking: nobody will take over
	bun     bool   // the peer is a Bun
	resumed bool   // nothing was read yet, and the first line may be the end of one
	single  bool   // handle no more than the envelope that stray belongs to
	err     error  // the stream can no longer be understood
	frame   Frame  // what fn gets a pointer to
	taking  bool   // the line at the front is in intake, as far as it is consumed

	mu     sync.Mutex // held during each receiving call, so that Close does not pull the descriptor away; guards the rest
	intake *intake    // nil until one is needed
	stray  int        // the newest descriptor received, waiting for its NODE_HANDLE; -1 for none
	closed bool
}

// Read handles all that can be read now: whole frames are given to fn, in
// order, and then consumed. It returns nil when nothing more is there at present,
// io.EOF at the end, and fn's error if it has one, with the frames after that one
// left for the next Read. An answer to a handle is sent before fn gets the
// handle's message. ErrProtocol and ErrTooLong are final.
func (c *Conn) Read(fn func(*Frame) error) error {
	for {
		more, err := c.readSome(fn)
		if err != nil || !more {
			return err
		}
	}
}

// readSome does one look at the socket. more tells that another may find something.
func (c *Conn) readSome(fn func(*Frame) error) (more bool, err error) {
	if c.in.err != nil {
		return false, c.in.err
	}
	if c.in.whole {
		return true, c.handleHeld(fn)
	}
	buf := peekBuffers.Get().(*[peekSize]byte)
	defer peekBuffers.Put(buf)
	switch {
	case c.in.eager:
		return c.consumeSome(buf[:], fn)
	case c.in.taking:
		return c.takeIn(buf[:], fn)
	}
	n, carriesFD, err := c.peek(buf[:])
	if err != nil {
		if sys.IsWouldBlock(err) {
			return false, nil
		}
		return false, err
	}
	data := buf[:n]
	if carriesFD && !c.paired() {
		// The descriptor can only be had with its bytes, and it is needed to
		// handle them. It may belong to any of these frames.
		if err := c.discard(data); err != nil {
			return false, err
		}
		c.in.held = append(c.in.held, data...)
		return true, c.handleHeld(fn)
	}
	// A descriptor that came before belongs to the first envelope in data, and the
	// new one to a later: so up to there, and then look again.
	c.in.single = carriesFD
	used, err := c.handle(data, fn)
	if used == 0 && err == nil {
		if !carriesFD && !c.outOfPatience(n) {
			return false, nil
		}
		if !carriesFD && c.startIntake() {
			return true, nil
		}
		c.in.held, used = append(c.in.held, data...), n
	}
	c.in.waits = 0
	if derr := c.discard(data[:used]); err == nil {
		err = derr
	}
	return true, err
}

// outOfPatience decides what becomes of the n bytes of an unfinished frame that
// are in the socket: true to consume them.
func (c *Conn) outOfPatience(n int) bool {
	c.in.waits++
	return n == peekSize || c.in.waits > patience || c.peerDone()
}

// handle gives the whole frames in data to fn and returns how many bytes of data
// are done with. If the beginning of a frame is held, only the rest of that one
// is handled.
func (c *Conn) handle(data []byte, fn func(*Frame) error) (used int, err error) {
	if len(c.in.held) > 0 {
		used = c.missing(data)
		c.in.held = append(c.in.held, data[:used]...)
		if len(c.in.held) <= c.options.MaxMessage && !c.completed() {
			return used, nil
		}
		return used, c.handleHeld(fn)
	}
	rest := data
	for len(rest) > 0 && err == nil && (!c.in.single || c.paired()) {
		var frame []byte
		before := rest
		if frame, rest, err = c.next(rest); errors.Is(err, wire.ErrShort) {
			return len(data) - len(before), nil
		}
		if err == nil {
			err = c.deliver(frame, fn)
		}
	}
	return len(data) - len(rest), err
}

// missing tells how many bytes of data belong to the frame whose beginning is held.
func (c *Conn) missing(data []byte) int {
	if c.options.Serialization == Advanced {
		return min(len(data), wire.AdvancedMissing(c.in.held))
	}
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		return end + 1
	}
	return len(data)
}

// completed tells whether the frame whose beginning was held is now whole.
func (c *Conn) completed() bool {
	if c.options.Serialization == Advanced {
		return wire.AdvancedMissing(c.in.held) == 0
	}
	return c.in.held[len(c.in.held)-1] == '\n'
}

// handleHeld handles the whole frames in the memory of consumed bytes.
func (c *Conn) handleHeld(fn func(*Frame) error) (err error) {
	held := c.in.held
	c.in.held = nil // fn may call nothing that reads, but it may panic
	for err == nil {
		var frame []byte
		if frame, held, err = c.next(held); err == nil {
			err = c.deliver(frame, fn)
		}
	}
	c.in.whole = !errors.Is(err, wire.ErrShort)
	if !c.in.whole {
		err = nil
	}
	if len(held) > 0 {
		c.in.held = held
	} else {
		c.in.whole = false
	}
	return err
}

func (c *Conn) next(data []byte) (frame, rest []byte, err error) {
	if c.options.Serialization == Advanced {
		frame, rest, err = wire.NextAdvanced(data, c.options.MaxMessage)
	} else {
		frame, rest, err = wire.NextLine(data, c.options.MaxMessage)
	}
	if errors.Is(err, wire.ErrTooLong) {
		c.in.err = fmt.Errorf("%w: more than %d bytes", ErrTooLong, c.options.MaxMessage)
		err = c.in.err
	}
	return frame, rest, err
}

// deliver classifies one frame, answers it if it is an envelope, and calls fn.
func (c *Conn) deliver(raw []byte, fn func(*Frame) error) error {
	f := &c.in.frame
	*f = Frame{size: len(raw)}
	var err error
	if c.options.Serialization == Advanced {
		err = f.decodeAdvanced(raw)
	} else {
		f.kind, f.Data, f.Bun, err = wire.Classify(raw)
	}
	resumed := c.in.resumed
	c.in.resumed = false
	if resumed && (err != nil || !json.Valid(f.Data)) {
		return nil // its beginning went with who read here before
	}
	if err != nil {
		c.in.err = fmt.Errorf("%w: %w", ErrProtocol, err)
		return c.in.err
	}
	if f.Bun {
		c.noteBun()
	}
	f.Kind = kindOf(f.kind)
	if f.kind == wire.Handle {
		if ok, err := c.openEnvelope(f); !ok || err != nil {
			return err
		}
	}
	err = fn(f)
	*f = Frame{}
	return err
}

func (c *Conn) noteBun() {
	if !c.in.bun {
		c.in.bun = true
		c.mu.Lock()
		c.out.bun = true
		c.mu.Unlock()
	}
}

// openEnvelope pairs the envelope f with its descriptor, answers, and turns f
// into the message inside. It is not ok when there is nothing to deliver.
func (c *Conn) openEnvelope(f *Frame) (ok bool, err error) {
	fd := c.takeStray()
	e, err := f.open(c.options.Serialization == Advanced)
	if err != nil {
		c.in.err = fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if err == nil && fd >= 0 && fits(HandleType(e.Type), fd) == "" {
		f.Kind = kindOf(f.kind)
		if f.kind == wire.Ack || f.kind == wire.Nack {
			f.Kind, f.kind = OtherInternal, wire.Unknown // it answers nothing: it came with a handle
		}
		if HandleType(e.Type) == BoundSocket {
			c.learn(nodeOfBoundSocket)
		}
		f.Handle = &Handle{
			Type:      HandleType(e.Type),
			File:      os.NewFile(uintptr(fd), e.Type),
			Key:       e.Key,
			DgramType: e.DgramType,
		}
		if err := c.answer(true); err != nil {
			f.Handle.Close()
			return false, err
		}
		return true, nil
	}
	if fd >= 0 {
		sys.Close(fd)
	}
	if c.in.err != nil {
		return false, c.in.err
	}
	return false, c.answer(false)
}

// answer queues or sends an ACK or NACK. That the peer is gone is found by
// reading on to the end.
func (c *Conn) answer(ack bool) error {
	frame := c.answerFrame(ack)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.answerLocked(frame); err != nil && !errors.Is(err, ErrClosed) {
		return err
	}
	return nil
}

func (c *Conn) peek(buf []byte) (n int, carriesFD bool, err error) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if c.in.closed {
		return 0, false, ErrClosed
	}
	n, carriesFD, err = sys.PeekInto(c.fd, buf)
	switch {
	case err == nil && n == 0, sys.IsHangup(err):
		return 0, false, io.EOF
	case err != nil && !sys.IsWouldBlock(err):
		return 0, false, fmt.Errorf("channel: %w", os.NewSyscallError("recvmsg", err))
	}
	return n, carriesFD, err
}

func (c *Conn) peerDone() bool {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return c.in.closed || sys.PeerDone(c.fd)
}

// discard consumes what was handled. Of the descriptors that come along one is
// kept for the next envelope: the first of the newest send.
func (c *Conn) discard(data []byte) error {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if c.in.closed {
		return ErrClosed
	}
	passed, err := sys.Discard(c.fd, data)
	if fd := firstOf(passed); fd >= 0 {
		c.in.keepLocked(fd)
	}
	if err != nil {
		return fmt.Errorf("channel: %w", os.NewSyscallError("recvmsg", err))
	}
	return nil
}

// firstOf returns the first of the descriptors and closes the others; -1 for none.
func firstOf(passed []int) int {
	if len(passed) == 0 {
		return -1
	}
	for _, fd := range passed[1:] {
		sys.Close(fd)
	}
	return passed[0]
}

// keepLocked makes fd the descriptor of the next envelope.
func (r *reader) keepLocked(fd int) {
	if r.stray >= 0 {
		sys.Close(r.stray)
	}
	r.stray = fd
}

// paired tells that there is a descriptor for the next envelope.
func (c *Conn) paired() bool {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return c.in.stray >= 0
}

func (c *Conn) takeStray() (fd int) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	fd, c.in.stray = c.in.stray, -1
	return fd
}
