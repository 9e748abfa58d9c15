package thread

import (
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
)

// Transferable is what can be in a transfer list: a [*Port] or a [*Buffer].
type Transferable interface {
	Detached() bool
	// twin makes what the receiver gets; it takes over when claimed.
	twin() Transferable
	claim(to Transferable) bool
	unclaim(to Transferable)
	release()
}

func (p *Port) twin() Transferable { return &Port{end: p.end, gone: make(chan struct{})} }

func (p *Port) claim(to Transferable) bool { return p.holder.CompareAndSwap(p, to.(*Port)) }

func (p *Port) unclaim(to Transferable) { p.holder.CompareAndSwap(to.(*Port), p) }

func (p *Port) release() {
	close(p.gone)
	p.owner.remove(p)
	signal(p.in.ready) // for the one who receives from now on
}

// Buffer holds bytes that can be transferred without being copied: Node's
// ArrayBuffer. In a message but not in its transfer list it is copied.
//
// Go cannot take a slice back: after a transfer, do not touch one that Bytes gave
// before. Its methods may be called from any goroutine.
type Buffer struct{ data atomic.Pointer[[]byte] }

// NewBuffer makes a buffer of b, which it takes: use b no more.
func NewBuffer(b []byte) *Buffer {
	n := &Buffer{}
	n.data.Store(&b)
	return n
}

// Bytes returns the buffer's memory itself, or ErrDetached.
func (b *Buffer) Bytes() ([]byte, error) {
	if data := b.data.Load(); data != nil {
		return *data, nil
	}
	return nil, fmt.Errorf("buffer %w", ErrDetached)
}

// Detached tells whether the buffer was transferred.
func (b *Buffer) Detached() bool { return b.data.Load() == nil }

func (b *Buffer) twin() Transferable { return &Buffer{} }

func (b *Buffer) claim(to Transferable) bool {
	data := b.data.Swap(nil)
	to.(*Buffer).data.Store(data)
	return data != nil
}

func (b *Buffer) unclaim(to Transferable) { b.data.Store(to.(*Buffer).data.Swap(nil)) }

func (b *Buffer) release() {}

// Shared is memory that threads share deliberately: a message carries the pointer,
// not a copy. It is Node's SharedArrayBuffer, for any type. What T holds must bear
// being used from several goroutines at once: sync/atomic is what Atomics is in
// Node (Atomics.add is [atomic.Int64.Add]), and a mutex or a channel in T serves
// for Atomics.wait and notify.
type Shared[T any] struct{ p *T }

// Share marks what p points to as shared.
func Share[T any](p *T) *Shared[T] { return &Shared[T]{p} }

// Get returns the memory.
func (s *Shared[T]) Get() *T { return s.p }

func (*Shared[T]) shared() {}

// moved pairs what is transferred with what takes its place.
type moved struct{ from, to Transferable }

// letter is a message that its sender still holds.
type letter struct {
	message
	moved []moved
}

func newLetter(v any, transfer []Transferable) (*letter, error) {
	l := &letter{}
	for _, t := range transfer {
		if err := l.move(t); err != nil {
			return nil, err
		}
	}
	var err error
	c := cloning{moved: l.moved}
	l.value, err = c.value(v)
	return l, err
}

// move prepares the transfer of t.
func (l *letter) move(t Transferable) error {
	switch {
	case t == nil || reflect.ValueOf(t).IsNil():
		return &CloneError{Type: reflect.TypeOf(t), Reason: "nil in the transfer list"}
	case t.Detached():
		return fmt.Errorf("transfer: %T %w", t, ErrDetached)
	case slices.ContainsFunc(l.moved, func(m moved) bool { return m.from == t }):
		return &CloneError{Type: reflect.TypeOf(t), Reason: "twice in the transfer list"}
	}
	to := t.twin()
	l.moved = append(l.moved, moved{t, to})
	if p, ok := to.(*Port); ok {
		l.ports = append(l.ports, p)
	}
	return nil
}

// claim makes the transfer, of all or of none: another may have been faster.
func (l *letter) claim() error {
	for i, m := range l.moved {
		if !m.from.claim(m.to) {
			for _, done := range l.moved[:i] {
				done.from.unclaim(done.to)
			}
			return fmt.Errorf("transfer: %T %w", m.from, ErrDetached)
		}
	}
	return nil
}

// release tells those who wait on what was transferred.
func (l *letter) release() {
	for _, m := range l.moved {
		m.from.release()
	}
}
