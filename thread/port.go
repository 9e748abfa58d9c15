package thread

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
)

// Backlog is how many messages may wait at the other end before [Port.Send] waits.
const Backlog = 1024

// Port is one end of a channel made by [NewChannel]. Its methods may be called
// from any goroutine; if several receive, each message goes to one of them.
//
// A port that was given in a transfer list is detached: all its methods but
// [Port.Detached] return [ErrDetached], and a call that was waiting returns it
// too. The channel lives on in the port that the receiver gets.
type Port struct {
	*end
	gone  chan struct{} // closed when detached
	owner *owner        // the thread that received it, if one did
}

// end is what moves when a port is transferred.
type end struct {
	in, out *inbox
	holder  atomic.Pointer[Port] // the port that may use it
}

// NewChannel makes a channel and returns its two ends: Node's MessageChannel.
// Nothing runs for it. Close one of them when done.
func NewChannel() (a, b *Port) {
	x, y := newInbox(), newInbox()
	return newPort(&end{in: x, out: y}), newPort(&end{in: y, out: x})
}

func newPort(e *end) *Port {
	p := &Port{end: e, gone: make(chan struct{})}
	e.holder.Store(p)
	return p
}

// Detached tells whether the port was transferred.
func (p *Port) Detached() bool { return p.holder.Load() != p }

// Post puts a copy of v into the queue of the other end and never waits: a sender
// that outruns the receiver fills the memory; [Port.Send] does not.
//
// What is in transfer moves instead of being copied, also where v does not
// contain it. A port inside v must be listed.
//
// The error is a [*CloneError], ErrDetached (also for what is in transfer) or
// ErrClosed. Then nothing was sent, and nothing transferred.
func (p *Port) Post(v any, transfer ...Transferable) error {
	l, err := p.letter(v, transfer)
	if err != nil {
		return err
	}
	_, err = p.put(l, 0)
	return err
}

// Send is Post that waits until fewer than [Backlog] messages wait at the other
// end; v is copied at once. If ctx ends before, nothing was sent.
func (p *Port) Send(ctx context.Context, v any, transfer ...Transferable) error {
	l, err := p.letter(v, transfer)
	if err != nil {
		return err
	}
	for {
		full, err := p.put(l, Backlog)
		if err != nil || !full {
			return err
		}
		select {
		case <-p.out.room:
		case <-p.out.end:
		case <-p.gone:
		case <-ctx.Done():
			return fmt.Errorf("send: %w", context.Cause(ctx))
		}
	}
}

// letter is a copy of v and what moves with it, ready to be put.
func (p *Port) letter(v any, transfer []Transferable) (*letter, error) {
	if slices.ContainsFunc(transfer, p.isEither) {
		return nil, &CloneError{Type: reflect.TypeOf(p), Reason: "a channel cannot carry its own ports"}
	}
	return newLetter(v, transfer)
}

func (p *Port) put(l *letter, limit int) (full bool, err error) {
	if p.Detached() {
		return false, fmt.Errorf("post: port %w", ErrDetached)
	}
	full, err = p.out.put(l, limit)
	if err != nil {
		return false, fmt.Errorf("post: %w", err)
	}
	if !full {
		l.release()
	}
	return full, nil
}

func (p *Port) isEither(t Transferable) bool {
	other, ok := t.(*Port)
	return ok && other != nil && (other.end == p.end || other.in == p.out)
}

// Receive returns the next message, waiting for it. io.EOF says that the channel
// is closed and nothing is left in it. A [*MessageError] is one message that
// cannot be read; the next may be fine.
func (p *Port) Receive(ctx context.Context) (any, error) {
	m, err := p.in.receive(ctx, p)
	if err != nil {
		return nil, err
	}
	return p.open(m)
}

// TryReceive returns the next message if there is one: Node's receiveMessageOnPort.
func (p *Port) TryReceive() (v any, ok bool, err error) {
	m, ok, err := p.in.take(p)
	if err != nil || !ok {
		return nil, false, err
	}
	v, err = p.open(m)
	return v, err == nil, err
}

// open gives the message's ports to the thread that this port belongs to.
func (p *Port) open(m message) (any, error) {
	for _, port := range m.ports {
		p.owner.add(port)
	}
	return m.open()
}

// Messages gives the messages as they come, until the channel is closed. An
// error comes with a nil message; a [*MessageError] does not end it, others do.
func (p *Port) Messages(ctx context.Context) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for {
			v, err := p.Receive(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			_, bad := errors.AsType[*MessageError](err)
			if !yield(v, err) || (err != nil && !bad) {
				return
			}
		}
	}
}

// Close closes the channel for both ends. What this end has posted can still be
// received at the other; what waits here is dropped, and ports in it are closed.
// It may be called more than once, and does nothing to a detached port.
func (p *Port) Close() {
	if p.Detached() {
		return
	}
	p.out.close()
	p.in.discard()
	p.owner.remove(p)
}

// CloseWrite says that nothing more will be posted here: once the other end has
// received what was, it gets io.EOF. This end can still receive.
func (p *Port) CloseWrite() {
	if !p.Detached() {
		p.out.close()
	}
}

// MarshalJSON refuses: a port travels in a transfer list.
func (p *Port) MarshalJSON() ([]byte, error) {
	return nil, errors.New("a port has no JSON: transfer it")
}

// Receiver is where messages come from: a [*Port], a [*Thread], a [*Broadcast].
type Receiver interface {
	Receive(ctx context.Context) (any, error)
}

// Receive returns the next message of from as a T. A message of another type is
// taken and given in a [*MessageError].
func Receive[T any](ctx context.Context, from Receiver) (T, error) {
	v, err := from.Receive(ctx)
	if err != nil {
		var none T
		return none, err
	}
	m, ok := v.(T)
	if !ok {
		return m, &MessageError{Value: v, Err: fmt.Errorf("%T instead of %v", v, reflect.TypeFor[T]())}
	}
	return m, nil
}

// owner is what belongs to a thread, and ends with it. A nil one owns nothing.
type owner struct {
	mu      sync.Mutex // guards the rest
	ended   bool
	ports   map[*Port]struct{}
	threads map[*Thread]struct{}
}

func (o *owner) add(p *Port) {
	if o == nil {
		return
	}
	p.owner = o
	o.mu.Lock()
	if o.ended {
		defer p.Close() // after the lock
	} else {
		o.ports[p] = struct{}{}
	}
	o.mu.Unlock()
}

func (o *owner) remove(p *Port) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.ports, p)
}

// start notes a thread, unless the owner has ended.
func (o *owner) start(t *Thread) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return false
	}
	o.threads[t] = struct{}{}
	return true
}

// forget removes a thread that has ended.
func (o *owner) forget(t *Thread) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.threads, t)
}

// close ends all that is owned, and waits for the threads. They have been told.
func (o *owner) close() {
	o.mu.Lock()
	o.ended = true
	ports, threads := o.ports, o.threads
	o.ports, o.threads = nil, nil
	o.mu.Unlock()
	for p := range ports {
		p.Close()
	}
	for t := range threads {
		<-t.done
	}
}
