package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/internal/wire"
	"github.com/tendproc/tend/ipc"
	"github.com/tendproc/tend/process"
)

// member is this process as a worker.
type member struct {
	*client
	id   uint64
	link *link
}

// self joins the cluster at the first question; nil where there is none. The
// one goroutine it starts reads the channel until its end.
var self = sync.OnceValue(func() *member {
	name, ok := process.WorkerID()
	id, err := strconv.ParseUint(name, 10, 64)
	if !ok || err != nil {
		return nil
	}
	conn, err := process.Conn()
	if err != nil {
		return nil
	}
	m, err := newMember(conn, id)
	if err != nil {
		return nil
	}
	return m
})

// newMember takes conn, except on error.
func newMember(conn *ipc.Conn, id uint64) (*member, error) {
	l, err := newLink(conn)
	if err != nil {
		return nil, err
	}
	m := &member{client: newClient(l), id: id, link: l}
	if err := m.say(act(wire.ActOnline)); err != nil {
		l.shut()
		l.file.Close()
		return nil, err
	}
	go m.read()
	return m, nil
}

func (m *member) read() {
	m.link.read(func(f *ipc.Frame) {
		switch f.Kind {
		case ipc.Cluster:
			m.hear(f.Data, f.Handle)
		case ipc.Ordinary:
			m.link.inbox.put(ipc.Message{Data: bytes.Clone(f.Data), Value: f.Value, Handle: f.Handle})
		case ipc.HandleAck, ipc.HandleNack, ipc.OtherInternal:
			closeIfAny(f.Handle)
		}
	})
	m.end()
}

// Receive returns the next message of the primary's program; io.EOF after the
// last. In a worker it stands in for the process's channel, which belongs to
// this package there; without a primary it is process.Channel's Receive. The
// oldest of more than a thousand messages that nobody received are dropped.
func Receive(ctx context.Context) (ipc.Message, error) {
	if m := self(); m != nil {
		return m.link.inbox.get(ctx)
	}
	ch, err := process.Channel()
	if err != nil {
		return ipc.Message{}, err
	}
	return ch.Receive(ctx)
}

// Send sends v, as encoding/json writes it, to the primary's program. In a
// worker it stands in for the process's channel; without a primary it is
// process.Channel's Send. A primary that does not read makes it queue.
func Send(ctx context.Context, v any) error {
	m := self()
	if m == nil {
		ch, err := process.Channel()
		if err != nil {
			return err
		}
		return ch.Send(ctx, v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cluster: send: %w", err)
	}
	return m.link.send(text)
}

// link is the worker's end of the channel.
type link struct {
	conn  *ipc.Conn
	file  *os.File // a duplicate of conn's descriptor, to wait with
	raw   syscall.RawConn
	inbox inbox

	mu      sync.Mutex // guards the following
	writing bool       // flush runs
	closing bool       // close when all is written
}

func newLink(conn *ipc.Conn) (*link, error) {
	fd, err := sys.Dup(conn.Fd())
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	l := &link{conn: conn, file: os.NewFile(uintptr(fd), "channel"), inbox: inbox{more: make(chan struct{}, 1)}}
	if l.raw, err = l.file.SyscallConn(); err != nil {
		l.file.Close()
		return nil, err
	}
	return l, nil
}

// read gives each message to fn until the channel ends.
func (l *link) read(fn func(*ipc.Frame)) {
	// How it ended makes no difference: there is no primary any more.
	_ = l.raw.Read(func(uintptr) bool {
		err := l.conn.Read(func(f *ipc.Frame) error {
			fn(f)
			return nil
		})
		l.pump()
		return err != nil
	})
	l.conn.Close()
	l.file.Close()
	l.inbox.end()
}

func (l *link) send(message []byte) error {
	frame, err := l.conn.AppendFrame(nil, message, nil)
	if err != nil {
		return fmt.Errorf("cluster: send: %w", err)
	}
	if err := l.conn.Send(frame, -1); err != nil {
		return fmt.Errorf("cluster: send: %w", err)
	}
	l.pump()
	return nil
}

// pump sees to it that what is queued gets written.
func (l *link) pump() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.writing:
	case l.conn.Queued() > 0:
		l.writing = true
		go l.flush() // ends when all is written, or with the channel
	case l.closing:
		l.shut()
	}
}

func (l *link) flush() {
	err := l.raw.Write(func(uintptr) bool {
		pending, err := l.conn.Flush()
		return !pending || err != nil
	})
	l.mu.Lock()
	l.writing = false
	l.mu.Unlock()
	if err == nil {
		l.pump()
	}
}

func (l *link) close() {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	l.pump()
}

// shut ends the channel now. The file is closed by read: this may be called
// while read is handling a message.
func (l *link) shut() {
	l.conn.Close()
	l.file.SetDeadline(time.Unix(1, 0))
}

// inbox keeps the program's messages until it asks for them.
type inbox struct {
	more chan struct{} // has a token while there may be something

	mu    sync.Mutex // guards the following
	list  []ipc.Message
	ended bool
}

const maxInbox = 1024

func (b *inbox) put(m ipc.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.list) == maxInbox {
		closeIfAny(b.list[0].Handle)
		b.list = b.list[1:]
	}
	b.list = append(b.list, m)
	b.signal()
}

func (b *inbox) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.signal()
}

func (b *inbox) signal() {
	select {
	case b.more <- struct{}{}:
	default:
	}
}

func (b *inbox) get(ctx context.Context) (ipc.Message, error) {
	for {
		b.mu.Lock()
		if len(b.list) > 0 || b.ended {
			defer b.mu.Unlock()
			b.signal() // for the next
			if len(b.list) == 0 {
				return ipc.Message{}, io.EOF
			}
			m := b.list[0]
			b.list = b.list[1:]
			return m, nil
		}
		b.mu.Unlock()
		select {
		case <-b.more:
		case <-ctx.Done():
			return ipc.Message{}, context.Cause(ctx)
		}
	}
}
