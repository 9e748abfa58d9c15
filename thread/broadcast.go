package thread

import (
	"context"
	"fmt"
	"sync"
)

// Broadcast is a member of a named channel: what it posts reaches all other
// members of that name in this process, each as a copy of its own. It is Node's
// BroadcastChannel. Its methods may be called from any goroutine.
type Broadcast struct {
	name string
	in   *inbox
}

// members are all of this process, by name.
var members = struct {
	sync.Mutex
	of map[string]map[*Broadcast]struct{}
}{of: map[string]map[*Broadcast]struct{}{}}

// NewBroadcast joins the channel called name, which begins with its first member
// and ends with its last. Messages queue from here on, so Close it when done.
func NewBroadcast(name string) *Broadcast {
	b := &Broadcast{name: name, in: newInbox()}
	members.Lock()
	defer members.Unlock()
	if members.of[name] == nil {
		members.of[name] = map[*Broadcast]struct{}{}
	}
	members.of[name][b] = struct{}{}
	return b
}

// Name is the name of the channel.
func (b *Broadcast) Name() string { return b.name }

// Post puts a copy of v into the queue of each other member and never waits. What
// has no clone reaches nobody ([*CloneError]); nothing can be transferred.
func (b *Broadcast) Post(v any) error {
	others, err := b.others()
	if err != nil {
		return err
	}
	letters := make([]*letter, max(1, len(others))) // a bad value is an error with nobody there, too
	for i := range letters {
		if letters[i], err = newLetter(v, nil); err != nil {
			return err
		}
	}
	for i, other := range others {
		other.in.put(letters[i], 0) // nothing moves, so the only error is of one that left meanwhile
	}
	return nil
}

func (b *Broadcast) others() (others []*Broadcast, err error) {
	members.Lock()
	defer members.Unlock()
	if _, member := members.of[b.name][b]; !member {
		return nil, fmt.Errorf("broadcast %s: %w", b.name, ErrClosed)
	}
	for other := range members.of[b.name] {
		if other != b {
			others = append(others, other)
		}
	}
	return others, nil
}

// Receive returns the next message, waiting for it; io.EOF after Close.
func (b *Broadcast) Receive(ctx context.Context) (any, error) {
	m, err := b.in.receive(ctx, nil)
	if err != nil {
		return nil, err
	}
	return m.open()
}

// Close leaves the channel and drops what waits here. It may be called more than
// once.
func (b *Broadcast) Close() {
	members.Lock()
	delete(members.of[b.name], b)
	if len(members.of[b.name]) == 0 {
		delete(members.of, b.name)
	}
	members.Unlock()
	b.in.discard()
}
