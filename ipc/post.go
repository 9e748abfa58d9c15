package ipc

import (
	"bytes"
	"context"
	"sync/atomic"
)

// batch gathers frames to be written at once.
type batch struct {
	bytes.Buffer
	owed atomic.Bool // who waits for the peer wants it written, and could not
}

// reset empties the batch, and gives back the memory of a long message.
func (b *batch) reset() {
	if b.Cap() > 4*AtomicFrame {
		b.Buffer = bytes.Buffer{}
	}
	b.Reset()
}

// Post is Send for many messages: they are gathered, and written together when
// there are [AtomicFrame] bytes of them, with the next Send or SendHandle, at
// Flush or Disconnect, and before Receive waits for a message. As Send it waits
// while the peer does not read.
func (ch *Channel) Post(ctx context.Context, v any) error {
	return ch.sendValue(ctx, AtomicFrame, v)
}

// PostRaw is Post for the message that the JSON text message holds.
func (ch *Channel) PostRaw(ctx context.Context, message []byte) error {
	return ch.send(ctx, AtomicFrame, func() error { return ch.appendRaw(message) })
}

// Flush writes what was posted. It returns once the kernel has it.
func (ch *Channel) Flush(ctx context.Context) error {
	return ch.send(ctx, 0, func() error { return nil })
}

// flushPosted writes what was posted, as far as it goes, or leaves that to who sends
// just now, or to the writer.
func (ch *Channel) flushPosted() {
	if !ch.trySend() {
		ch.batch.owed.Store(true)
		if !ch.trySend() { // it may have ended before it could see that
			return
		}
	}
	ch.batch.owed.Store(false)
	if ch.batch.Len() > 0 && ch.mayWrite() {
		if ch.conn.Queued() < ch.conn.options.MaxQueue {
			_, _ = ch.conn.sendChecked(ch.batch.Bytes()) // that the peer is gone is found by reading
			ch.batch.reset()
		} else {
			ch.batch.owed.Store(true)
		}
		ch.flushSoon()
	}
	<-ch.sending
}
