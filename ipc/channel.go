package ipc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/jsonvalue"
)

// retries is how often a socket is sent again to a peer that found none.
const retries = 3

// Channel is a channel for programs: its calls block until done or until their
// context is. They may be made from any goroutine; messages keep the order of
// the calls that sent them.
//
// No goroutine runs while no call is in progress, but one that writes what a call
// left behind when its context ended. So handles are acknowledged, and counts of
// sockets answered, while someone is in Receive, Messages, or a call that waits.
//
// Internal messages other than those about handles are dropped, as Node does.
type Channel struct {
	conn  *Conn
	file  *os.File
	raw   syscall.RawConn
	codec Codec

	sending chan struct{} // held by who sends, up to the answer to a handle
	batch   batch         // the sender's
	reading chan struct{} // held by who reads, for all who wait

	mu      sync.Mutex // guards the rest
	inbox   inbox
	answer  answerState   // to the handle that was sent last
	ended   error         // nothing more will be read
	changed chan struct{} // closed when any of the above changes; nil while nobody waits
	writing bool          // the writer runs
	sockets map[string]*socketCount

	writer sync.WaitGroup
}

type answerState int

const (
	answerNone    answerState = iota // no handle is on its way
	answerAwaited                    // nothing may be sent but answers
	answerAck
	answerNack
)

// socketCount is about the sockets that one server of the peer accepted and sent us.
type socketCount struct {
	open    int
	closing bool // the server waits for the last of them
}

// Message is one message of the peer's program.
type Message struct {
	// Data is the JSON text, the receiver's to keep, but not to change: a long string
	// that Decode stored may share its memory. It is nil in advanced serialization.
	Data []byte
	// Value is the decoded value, in advanced serialization only: see [Undefined].
	Value any
	// Handle is the socket that came with the message; nil if none did. The
	// receiver owns it: Close it, or make something of it.
	Handle *Handle

	unmarshal func([]byte, any) error // the codec's
	weight    int                     // what it counts for in the inbox
}

// NewChannel takes c: nothing else may use it. Close the channel when done.
func NewChannel(c *Conn) *Channel {
	ch := &Channel{
		conn:    c,
		sending: make(chan struct{}, 1),
		reading: make(chan struct{}, 1),
		sockets: map[string]*socketCount{},
	}
	c.in.eager = true
	if ch.file, ch.ended = c.park(); ch.ended == nil {
		ch.raw, ch.ended = ch.file.SyscallConn()
	}
	return ch
}

// Serialization returns how messages are written on this channel.
func (ch *Channel) Serialization() Serialization { return ch.conn.Serialization() }

// PeerNode is [Conn.PeerNode].
func (ch *Channel) PeerNode(major int) { ch.conn.PeerNode(major) }

// Send sends v: in JSON as encoding/json writes it, in advanced serialization as
// a JavaScript value. It returns once the kernel has the whole message; if ctx
// ends before, the message may still go out. A MarshalJSON in v has the channel's
// senders wait for it, and must not send on this channel itself.
func (ch *Channel) Send(ctx context.Context, v any) error {
	return ch.sendValue(ctx, 0, v)
}

// SendRaw sends the message that the JSON text message holds.
func (ch *Channel) SendRaw(ctx context.Context, message []byte) error {
	return ch.send(ctx, 0, func() error { return ch.appendRaw(message) })
}

// sendValue has the codec write v first, if there is one: others may send meanwhile.
func (ch *Channel) sendValue(ctx context.Context, least int, v any) error {
	if ch.codec.Marshal == nil || ch.Serialization() == Advanced {
		return ch.send(ctx, least, func() error { return ch.appendValue(v) })
	}
	text, err := ch.codec.Marshal(v)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return ch.send(ctx, least, func() error { return ch.appendRaw(text) })
}

// send has add append a frame to the batch, and writes that if it is as long as least.
func (ch *Channel) send(ctx context.Context, least int, add func() error) error {
	err := ch.beginSend(ctx)
	if err == nil {
		err = ch.addAndWrite(ctx, least, add)
	}
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// addAndWrite is the turn of a sender, which ends although add, that is the
// program's own MarshalJSON, panics.
func (ch *Channel) addAndWrite(ctx context.Context, least int, add func() error) error {
	defer ch.endSend()
	start := ch.batch.Len()
	if err := add(); err != nil || ch.batch.Len() < least {
		return err
	}
	if err := ch.flushed(ctx); err != nil { // what a sender left whose ctx ended
		ch.batch.Truncate(start)
		return err
	}
	return ch.writeBatch(ctx)
}

// appendValue appends the frame of v to the batch, or nothing.
func (ch *Channel) appendValue(v any) error {
	start := ch.batch.Len()
	var err error
	if ch.conn.options.Serialization == Advanced {
		err = ch.appendTo(func(dst []byte) ([]byte, error) { return ch.conn.appendValue(dst, v, nil) })
	} else {
		err = ch.appendTo(func(dst []byte) ([]byte, error) {
			text, err := jsonvalue.Append(dst, v) // valid, and in one line
			return append(text, '\n'), err
		})
	}
	return ch.refuse(start, err)
}

// appendRaw appends the frame of a JSON text to the batch, or nothing.
func (ch *Channel) appendRaw(message []byte) error {
	start := ch.batch.Len()
	return ch.refuse(start, ch.appendTo(func(dst []byte) ([]byte, error) { return ch.conn.AppendFrame(dst, message, nil) }))
}

func (ch *Channel) appendTo(add func([]byte) ([]byte, error)) error {
	frame, err := add(ch.batch.AvailableBuffer())
	ch.batch.Write(frame)
	return err
}

// refuse takes back the frame from start on if it cannot be sent.
func (ch *Channel) refuse(start int, err error) error {
	if err == nil {
		err = ch.conn.check(ch.batch.Bytes()[start:])
	}
	if err != nil {
		ch.batch.Truncate(start)
	}
	return err
}

// writeBatch writes what was posted. The caller is the sender.
func (ch *Channel) writeBatch(ctx context.Context) error {
	if ch.batch.Len() == 0 {
		return ch.flushed(ctx)
	}
	queued, err := ch.conn.sendChecked(ch.batch.Bytes())
	ch.batch.reset()
	if err != nil || !queued {
		return err
	}
	return ch.flushed(ctx)
}

// trySend takes the turn of a sender if nobody has it.
func (ch *Channel) trySend() bool {
	select {
	case ch.sending <- struct{}{}:
		return true
	default:
		return false
	}
}

// SendHandle sends v and with it the socket of h, and waits until the peer has
// acknowledged it; other sends wait behind. Afterwards a net.Socket is closed
// here, unless keepOpen is set, and any other handle is still the caller's. On
// error h is still the caller's, too; when it is ctx's, the peer may have it.
func (ch *Channel) SendHandle(ctx context.Context, v any, h *Handle, keepOpen bool) error {
	frame, err := ch.envelope(v, h)
	if err != nil {
		return fmt.Errorf("send handle: %w", err)
	}
	if err := ch.beginSend(ctx); err != nil {
		return fmt.Errorf("send handle: %w", err)
	}
	defer ch.endSend()
	if err := ch.writeBatch(ctx); err != nil {
		return fmt.Errorf("send handle: %w", err)
	}
	for try := 0; ; try++ {
		taken, err := ch.offer(ctx, frame, h)
		switch {
		case err != nil:
			return fmt.Errorf("send handle: %w", err)
		case taken && h.passesOn() && !keepOpen:
			return h.Close()
		case taken:
			return nil
		case !h.passesOn() || try == retries:
			return fmt.Errorf("send handle: %w", &HandleError{h.Type, "did not reach the peer"})
		}
		// Node repeats the envelope inside another envelope, and its receiver
		// answers that twice, of which Node dies. The plain line again will do.
	}
}

// envelope makes the frame of v with its handle.
func (ch *Channel) envelope(v any, h *Handle) ([]byte, error) {
	if ch.conn.options.Serialization == Advanced {
		return ch.conn.appendValue(nil, v, h)
	}
	text, err := ch.marshal(v)
	if err != nil {
		return nil, err
	}
	return ch.conn.AppendFrame(nil, text, h)
}

// passesOn tells whether the sender has no use for the socket any more.
func (h *Handle) passesOn() bool { return h.Type == NetSocket || h.Type == BoundSocket }

// offer sends an envelope and waits for its answer.
func (ch *Channel) offer(ctx context.Context, frame []byte, h *Handle) (taken bool, err error) {
	ch.setAnswer(answerAwaited)
	if err := h.control(func(fd int) error { return ch.conn.Send(frame, fd) }); err != nil {
		ch.setAnswer(answerNone)
		return false, err
	}
	if err := ch.flushed(ctx); err != nil {
		return false, err
	}
	if err := ch.until(ctx, func() bool { return ch.answer != answerAwaited }); err != nil {
		return false, err
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.answer == answerAck, nil
}

func (ch *Channel) setAnswer(a answerState) {
	ch.mu.Lock()
	ch.answer = a
	ch.mu.Unlock()
}

// beginSend waits for its turn, and for the answer to a handle whose sender went
// away before it came.
func (ch *Channel) beginSend(ctx context.Context) error {
	if !ch.trySend() {
		select {
		case ch.sending <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if ch.mayWrite() {
		return nil
	}
	if err := ch.until(ctx, func() bool { return ch.answer != answerAwaited }); err != nil {
		ch.endSend()
		return err
	}
	return nil
}

func (ch *Channel) endSend() {
	<-ch.sending
	if ch.batch.owed.Load() {
		ch.flushPosted()
	}
}

// mayWrite tells that nothing stands in a sender's way.
func (ch *Channel) mayWrite() bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.answer != answerAwaited
}

// flushed waits until all is written.
func (ch *Channel) flushed(ctx context.Context) error {
	ch.flushSoon()
	if err := ch.until(ctx, func() bool { return !ch.writing }); err != nil {
		return err
	}
	if err := ch.conn.writeErr(); err != nil {
		return err
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.conn.Queued() > 0 { // the channel has ended with it
		return ch.ended
	}
	return nil
}

// flushSoon starts the writer if something is queued.
func (ch *Channel) flushSoon() {
	if ch.conn.Queued() == 0 {
		return
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.writing && ch.ended == nil {
		ch.writing = true
		ch.writer.Go(ch.flush)
	}
}

// flush is the writer: it ends when nothing is queued, or nothing can be written.
func (ch *Channel) flush() {
	for {
		err := ch.raw.Write(func(uintptr) bool {
			pending, err := ch.conn.Flush()
			return !pending || err != nil
		})
		ch.mu.Lock()
		if err != nil || ch.conn.Queued() == 0 {
			ch.writing = false
			ch.wakeLocked()
			ch.mu.Unlock()
			if err == nil && ch.batch.owed.Load() {
				ch.flushPosted()
			}
			ch.file.SetReadDeadline(past) // whoever reads while waiting for this
			return
		}
		ch.mu.Unlock()
	}
}

// Receive returns the next message; io.EOF says that the peer has disconnected.
func (ch *Channel) Receive(ctx context.Context) (Message, error) {
	for {
		if m, ok := ch.pop(); ok {
			return m, nil
		}
		ch.flushPosted()
		if err := ch.until(ctx, func() bool { return !ch.inbox.empty() }); err != nil {
			return Message{}, err
		}
	}
}

// pop takes the first message, unless another receiver was faster.
func (ch *Channel) pop() (m Message, ok bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if m, ok = ch.inbox.pop(); ok {
		ch.wakeLocked() // there is room again
	}
	return m, ok
}

// Messages gives the messages as they come. It ends when the peer disconnects,
// and after an error, which comes with a zero message.
func (ch *Channel) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			m, err := ch.Receive(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// Disconnect closes the channel when all that was sent is written and every
// handle is acknowledged. If ctx ends before, the channel is closed all the same.
func (ch *Channel) Disconnect(ctx context.Context) error {
	err := ch.Flush(ctx)
	if cerr := ch.Close(); err == nil {
		err = cerr
	}
	if errors.Is(err, io.EOF) || errors.Is(err, ErrClosed) { // so be it
		return nil
	}
	return err
}

// Close closes the channel at once; what is posted or queued is lost, and so are received
// messages that nobody took. Calls in progress end with ErrClosed.
func (ch *Channel) Close() error {
	err := ch.conn.Close()
	ch.mu.Lock()
	if ch.ended == nil || errors.Is(ch.ended, io.EOF) {
		ch.ended = ErrClosed
	}
	left := ch.inbox.list[ch.inbox.first:]
	ch.inbox = inbox{}
	ch.wakeLocked()
	ch.mu.Unlock()
	for _, m := range left {
		if m.Handle != nil {
			m.Handle.Close()
		}
	}
	ch.writer.Wait()
	return err
}

// wakeLocked lets all who wait look again.
func (ch *Channel) wakeLocked() {
	if ch.changed != nil {
		close(ch.changed)
		ch.changed = nil
	}
}

// past is a deadline that is over.
var past = time.Unix(1, 0)
