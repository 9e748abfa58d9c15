package isolate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/tendproc/tend/thread"
)

// Message is a message with which ports travel. To send one, list its ports in
// the transfer list, too.
type Message struct {
	Value any
	Ports []*thread.Port
}

// status is what a host function returns.
type status int32

const (
	done    status = 0
	ended   status = -1
	noPort  status = -2
	badCall status = -3
	timeout status = -4
	tooMuch status = -5
)

const (
	kindJSON  = 0
	kindBytes = 1

	maxPorts = 1024 // of one isolate
)

// guest is what the host functions know about the isolate that calls them. It is
// used by the isolate's goroutine only.
type guest struct {
	maxMessage int
	ports      map[uint32]*guestPort
	last       uint32 // number of a port
}

type guestKey struct{}

type guestPort struct {
	*thread.Port
	next     *letter  // announced by next, not yet taken
	attached []uint32 // move with the next message that is posted here
}

// letter is a message as a module gets it.
type letter struct {
	kind  uint32
	text  []byte
	ports []*thread.Port
}

func newGuest(parent *thread.Port, maxMessage int) *guest {
	return &guest{maxMessage: maxMessage, ports: map[uint32]*guestPort{0: {Port: parent}}}
}

// functions are the host functions; call reads its arguments from the stack.
var functions = []struct {
	name   string
	params int
	call   func(g *guest, ctx context.Context, mem api.Memory, stack []uint64) status
}{
	{"post", 4, (*guest).post},
	{"attach", 2, (*guest).attach},
	{"next", 3, (*guest).next},
	{"take", 3, (*guest).take},
	{"channel", 1, (*guest).channel},
	{"close", 1, (*guest).close},
}

func (g *guest) post(ctx context.Context, mem api.Memory, stack []uint64) status {
	port, kind, size := g.ports[uint32(stack[0])], uint32(stack[1]), uint32(stack[3])
	if port == nil {
		return noPort
	}
	numbers := port.attached
	port.attached = nil // whatever becomes of this message
	switch text, ok := mem.Read(uint32(stack[2]), size); {
	case kind > kindBytes:
		return badCall
	case uint64(size) > uint64(g.maxMessage):
		return tooMuch
	case !ok:
		return badCall
	default:
		return g.send(ctx, port, decode(kind, text), numbers)
	}
}

// send sends v, and with it the ports of these numbers.
func (g *guest) send(ctx context.Context, port *guestPort, v any, numbers []uint32) status {
	var transfer []thread.Transferable
	if len(numbers) > 0 {
		m := Message{Value: v}
		for _, n := range numbers {
			if st := g.movable(n); st != done {
				return st
			}
			m.Ports = append(m.Ports, g.ports[n].Port)
			transfer = append(transfer, g.ports[n].Port)
		}
		v = m
	}
	err := port.Send(ctx, v, transfer...)
	switch {
	case ctx.Err() != nil:
		panic(sys.NewExitError(sys.ExitCodeContextCanceled)) // unwinds the module
	case errors.Is(err, thread.ErrClosed):
		return ended
	case err != nil:
		return badCall
	}
	for _, n := range numbers {
		delete(g.ports, n)
	}
	return done
}

// movable tells whether a port may move: not the one to the parent, and not one
// of which a message is half read.
func (g *guest) movable(n uint32) status {
	switch p := g.ports[n]; {
	case p == nil:
		return noPort
	case n == 0, p.next != nil:
		return badCall
	}
	return done
}

func (g *guest) attach(_ context.Context, _ api.Memory, stack []uint64) status {
	port, other := g.ports[uint32(stack[0])], uint32(stack[1])
	if port == nil {
		return noPort
	}
	st := g.movable(other)
	if slices.Contains(port.attached, other) {
		st = badCall
	}
	if st != done {
		port.attached = nil
		return st
	}
	port.attached = append(port.attached, other)
	return done
}

// decode makes the Go value of a message; text is the guest's memory.
func decode(kind uint32, text []byte) any {
	if kind == kindBytes {
		return bytes.Clone(text)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return &thread.MessageError{Value: bytes.Clone(text), Err: err}
	}
	return v
}

func (g *guest) next(ctx context.Context, mem api.Memory, stack []uint64) status {
	port := g.ports[uint32(stack[0])]
	if port == nil {
		return noPort
	}
	if port.next == nil {
		v, st := g.receive(ctx, port, int64(stack[1]))
		if st != done {
			return st
		}
		l, err := encode(v)
		if err != nil {
			return badCall
		}
		port.next = l
	}
	l, out := port.next, uint32(stack[2])
	if !mem.WriteUint32Le(out, uint32(len(l.text))) || !mem.WriteUint32Le(out+4, l.kind) || !mem.WriteUint32Le(out+8, uint32(len(l.ports))) {
		return badCall
	}
	return done
}

func (g *guest) receive(ctx context.Context, port *guestPort, ms int64) (any, status) {
	var v any
	var err error
	if ms == 0 {
		var ok bool
		if v, ok, err = port.TryReceive(); err == nil && !ok {
			return nil, timeout
		}
	} else {
		wait, cancel := ctx, context.CancelFunc(func() {})
		if ms > 0 {
			wait, cancel = context.WithTimeout(ctx, time.Duration(min(ms, 1e9))*time.Millisecond)
		}
		v, err = port.Receive(wait)
		cancel()
	}
	switch {
	case err == nil:
		return v, done
	case ctx.Err() != nil:
		panic(sys.NewExitError(sys.ExitCodeContextCanceled))
	case errors.Is(err, io.EOF):
		return nil, ended
	case errors.Is(err, context.DeadlineExceeded):
		return nil, timeout
	}
	return nil, badCall
}

// encode makes the module's message of a Go value.
func encode(v any) (*letter, error) {
	l := &letter{}
	if m, ok := v.(Message); ok {
		v, l.ports = m.Value, m.Ports
	}
	var err error
	switch v := v.(type) {
	case []byte:
		l.kind, l.text = kindBytes, v
	case *thread.Buffer:
		l.kind = kindBytes
		l.text, err = v.Bytes()
	default:
		l.text, err = json.Marshal(v)
	}
	if err != nil {
		for _, p := range l.ports {
			p.Close() // nobody gets them
		}
		return nil, fmt.Errorf("message: %w", err)
	}
	return l, nil
}

func (g *guest) take(_ context.Context, mem api.Memory, stack []uint64) status {
	port := g.ports[uint32(stack[0])]
	if port == nil {
		return noPort
	}
	l, at, ports := port.next, uint32(stack[1]), uint32(stack[2])
	switch {
	case l == nil:
		return badCall
	case len(g.ports)+len(l.ports) > maxPorts:
		return tooMuch
	}
	if _, ok := mem.Read(ports, uint32(4*len(l.ports))); !ok || !mem.Write(at, l.text) {
		return badCall
	}
	for i, p := range l.ports {
		mem.WriteUint32Le(ports+uint32(4*i), g.add(p))
	}
	port.next = nil
	return done
}

func (g *guest) add(p *thread.Port) (number uint32) {
	g.last++
	g.ports[g.last] = &guestPort{Port: p}
	return g.last
}

func (g *guest) channel(_ context.Context, mem api.Memory, stack []uint64) status {
	out := uint32(stack[0])
	if _, ok := mem.Read(out, 8); !ok {
		return badCall
	}
	if len(g.ports)+2 > maxPorts {
		return tooMuch
	}
	a, b := thread.NewChannel()
	mem.WriteUint32Le(out, g.add(a))
	mem.WriteUint32Le(out+4, g.add(b))
	return done
}

func (g *guest) close(_ context.Context, _ api.Memory, stack []uint64) status {
	n := uint32(stack[0])
	port := g.ports[n]
	if port == nil {
		return noPort
	}
	port.end()
	if n != 0 {
		delete(g.ports, n)
	}
	return done
}

// end closes the port, and those in a message that was not taken.
func (p *guestPort) end() {
	if p.next != nil {
		for _, q := range p.next.ports {
			q.Close()
		}
	}
	p.Close()
}

// closeAll ends what the isolate had.
func (g *guest) closeAll() {
	for n, p := range g.ports {
		if n != 0 { // the thread's own, which it closes itself
			p.end()
		}
	}
}
