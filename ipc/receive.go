package ipc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tendproc/tend/internal/wire"
)

// What a message counts for in the inbox beside its bytes, so that there cannot be
// too many small ones or descriptors, and how many servers are kept count of.
const (
	messageWeight = 128
	handleWeight  = 64 << 10
	maxServers    = 4096
)

// until waits for done, which is asked with mu held. Meanwhile it reads for all
// who wait, unless another does, or unless more messages than the limit wait for
// a receiver.
func (ch *Channel) until(ctx context.Context, done func() bool) error {
	for {
		var turn chan struct{}
		ch.mu.Lock()
		switch {
		case done():
			ch.mu.Unlock()
			return nil
		case ch.ended != nil:
			err := ch.ended
			ch.mu.Unlock()
			return err
		case ch.inbox.weight < ch.conn.options.MaxQueue:
			turn = ch.reading
		}
		if ch.changed == nil {
			ch.changed = make(chan struct{})
		}
		changed := ch.changed
		ch.mu.Unlock()
		select {
		case turn <- struct{}{}:
			ch.read(ctx, done)
			<-ch.reading
			if err := ctx.Err(); err != nil && !ch.is(done) {
				return context.Cause(ctx)
			}
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (ch *Channel) is(done func() bool) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return done()
}

// read reads once, waiting for something to come. The caller holds reading.
func (ch *Channel) read(ctx context.Context, done func() bool) {
	ch.mu.Lock()
	if done() || ch.ended != nil {
		ch.mu.Unlock()
		return
	}
	ch.mu.Unlock()
	stop := ch.interruptedBy(ctx)
	var err error
	rerr := ch.raw.Read(func(uintptr) bool {
		var more bool
		more, err = ch.conn.readSome(ch.take)
		return more || err != nil || ch.is(done)
	})
	stop()
	if errors.Is(rerr, os.ErrDeadlineExceeded) { // ctx is done, or the writer is
		ch.file.SetReadDeadline(time.Time{})
	} else if err == nil && rerr != nil {
		err = ErrClosed // the one other thing that ends a wait, and os tells it in words of its own
	}
	ch.flushSoon() // answers to handles
	if err != nil {
		ch.end(err)
	}
}

// interruptedBy makes reads return when ctx ends, until stop is called.
func (ch *Channel) interruptedBy(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	fired := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		ch.file.SetReadDeadline(past)
		close(fired)
	})
	return func() {
		if !cancel() {
			<-fired
			ch.file.SetReadDeadline(time.Time{})
		}
	}
}

func (ch *Channel) end(err error) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.ended == nil {
		ch.ended = err
	}
	ch.wakeLocked()
}

// take is given each frame.
func (ch *Channel) take(f *Frame) error {
	switch f.kind {
	case wire.Ordinary:
		m := Message{Value: f.Value, Handle: f.Handle, unmarshal: ch.codec.Unmarshal, weight: messageWeight + f.size}
		ch.mu.Lock()
		defer ch.mu.Unlock()
		if errors.Is(ch.ended, ErrClosed) { // while this was read
			if f.Handle != nil {
				f.Handle.Close()
			}
			return ErrClosed
		}
		m.Data = ch.inbox.keep(f.Data)
		if f.Handle != nil {
			m.weight += handleWeight
			if f.Handle.Key != "" && len(ch.sockets) < maxServers {
				ch.countLocked(f.Handle)
			}
		}
		ch.inbox.push(m)
		ch.wakeLocked()
		return nil
	case wire.Ack, wire.Nack:
		ch.mu.Lock()
		defer ch.mu.Unlock()
		if ch.answer == answerAwaited { // else the peer's mistake
			ch.answer = map[wire.Kind]answerState{wire.Ack: answerAck, wire.Nack: answerNack}[f.kind]
			ch.wakeLocked()
		}
		return nil
	case wire.GetCount, wire.NotifyClose:
		return ch.tellCount(f)
	case wire.Cluster, wire.Handle, wire.Count, wire.AllClosed, wire.Unknown:
	}
	if f.Handle != nil {
		f.Handle.Close()
	}
	return nil
}

// countLocked counts h among the sockets of its server until it is closed.
func (ch *Channel) countLocked(h *Handle) {
	key := h.Key
	s := ch.sockets[key]
	if s == nil {
		s = &socketCount{}
		ch.sockets[key] = s
	}
	s.open++
	h.closed = sync.OnceFunc(func() {
		ch.mu.Lock()
		s.open--
		last := s.closing && s.open == 0
		if last {
			s.closing = false
		}
		ch.mu.Unlock()
		if last {
			ch.tell(wire.SocketMessage{Kind: wire.AllClosed, Key: key})
		}
	})
}

// tellCount answers a server of the peer that asks about its sockets.
func (ch *Channel) tellCount(f *Frame) error {
	if f.Handle != nil {
		f.Handle.Close()
	}
	m, err := f.socketMessage()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	ch.mu.Lock()
	s := ch.sockets[m.Key]
	if s == nil { // never got one: Node does not answer either
		ch.mu.Unlock()
		return nil
	}
	open := s.open
	if m.Kind == wire.NotifyClose && open > 0 {
		s.closing = true
	}
	ch.mu.Unlock()
	switch {
	case m.Kind == wire.GetCount:
		ch.tell(wire.SocketMessage{Kind: wire.Count, Key: m.Key, Count: open})
	case open == 0:
		ch.tell(wire.SocketMessage{Kind: wire.AllClosed, Key: m.Key})
	}
	return nil
}

// tell sends an internal message of our own. If it cannot, the channel is ending.
func (ch *Channel) tell(m wire.SocketMessage) {
	text := wire.AppendSocketMessage(nil, m)
	if frame, err := ch.conn.AppendFrame(nil, text, nil); err == nil {
		ch.conn.Send(frame, -1)
		ch.flushSoon()
	}
}
