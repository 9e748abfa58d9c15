package runner

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/ipc"
)

// channels reads the channels of all processes in fork mode: one goroutine,
// parked while they are silent.
type channels struct {
	mu     sync.Mutex // guards all below
	poller *sys.Poller
	done   chan struct{} // closed when run has ended
	open   map[uint64]*forkChannel
	last   uint64
}

// forkChannel is our end of the channel of a process in fork mode.
type forkChannel struct {
	all  *channels
	life *life
	id   uint64
	conn *ipc.Conn
	turn chan struct{} // holds a token while someone reads, who then owns ended and garbage

	ended   bool
	garbage bool // what the process writes is no channel's talk

	mu      sync.Mutex // guards what follows, and conn's descriptor while it is used raw
	closed  bool
	waiting bool // for writability
}

// add takes conn, unless there is an error.
func (c *channels) add(l *life, conn *ipc.Conn) (*forkChannel, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.startLocked(); err != nil {
		return nil, err
	}
	c.last++
	ch := &forkChannel{all: c, life: l, id: c.last, conn: conn, turn: make(chan struct{}, 1)}
	if err := c.poller.Add(conn.Fd(), sys.Readable, ch.id); err != nil {
		return nil, err
	}
	c.open[ch.id] = ch
	return ch, nil
}

func (c *channels) startLocked() (err error) {
	if c.poller != nil {
		return nil
	}
	if c.poller, err = sys.NewPoller(); err != nil {
		return err
	}
	c.open = make(map[uint64]*forkChannel)
	c.done = make(chan struct{})
	go c.run(c.poller) // ends with close, which waits for it
	return nil
}

func (c *channels) run(poller *sys.Poller) {
	defer close(c.done)
	var ready [64]sys.Ready
	for {
		n, err := poller.Wait(ready[:])
		if err != nil {
			return
		}
		for _, r := range ready[:n] {
			c.mu.Lock()
			ch := c.open[r.Token]
			c.mu.Unlock()
			if ch == nil {
				continue
			}
			if r.Writable {
				ch.flush()
			}
			if r.Readable {
				ch.read()
			}
		}
	}
}

// close ends the reading of all channels.
func (c *channels) close() {
	c.mu.Lock()
	poller, done := c.poller, c.done
	c.mu.Unlock()
	if poller != nil {
		poller.Close()
		<-done
	}
}

// read takes all that is there. At the end it tells the life.
func (ch *forkChannel) read() {
	ch.turn <- struct{}{}
	defer func() { <-ch.turn }()
	if ch.ended || !ch.readToEnd() {
		return
	}
	ch.ended = true
	ch.unwatch()
	ch.life.disconnected()
}

// readToEnd takes all that is there, and tells whether that was the end. What is no
// channel's talk is read and dropped: a program may take descriptor 3 for its
// own, and must neither be stopped for it nor get a SIGPIPE.
func (ch *forkChannel) readToEnd() bool {
	if !ch.garbage {
		err := ch.conn.Read(ch.life.frame)
		switch {
		case err == nil:
			return false
		case errors.Is(err, io.EOF), errors.Is(err, ipc.ErrClosed):
			return true
		}
		ch.garbage = true
	}
	return ch.drop()
}

// drop consumes what is readable, and tells whether that was the end. One that
// writes and writes does not keep the others waiting: the poller says again
// that there is more.
func (ch *forkChannel) drop() bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.closed {
		return true
	}
	buf := make([]byte, 64<<10)
	for range 16 {
		n, passed, _, err := sys.Recv(ch.conn.Fd(), buf)
		for _, p := range passed {
			sys.Close(p)
		}
		if err == syscall.EAGAIN {
			return false
		}
		if err != nil || n == 0 {
			return true
		}
	}
	return ch.all.poller.Modify(ch.conn.Fd(), sys.Readable, ch.id) != nil
}

// send queues what the process does not read at once.
func (ch *forkChannel) send(message []byte) error {
	frame, err := ch.conn.AppendFrame(nil, message, nil)
	if err != nil {
		return err
	}
	if err := ch.conn.Send(frame, -1); err != nil {
		return err
	}
	ch.flush()
	return nil
}

// flush writes what is queued, and asks for writability if that is not all. An
// error is the end of the channel, which the reader sees too.
func (ch *forkChannel) flush() {
	pending, err := ch.conn.Flush()
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.closed || err != nil {
		return
	}
	interest := sys.Readable
	if pending {
		interest |= sys.Writable
	}
	if pending || ch.waiting {
		ch.waiting = pending
		ch.all.poller.Modify(ch.conn.Fd(), interest, ch.id)
	}
}

func (ch *forkChannel) unwatch() {
	ch.all.mu.Lock()
	defer ch.all.mu.Unlock()
	delete(ch.all.open, ch.id)
}

func (ch *forkChannel) close() {
	ch.unwatch()
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.closed {
		ch.closed = true
		ch.all.poller.Remove(ch.conn.Fd())
		ch.conn.Close()
	}
}

// frame takes one message from the process. A socket that came with it is
// closed: nobody here can use it.
func (l *life) frame(f *ipc.Frame) error {
	if f.Handle != nil {
		f.Handle.Close()
	}
	if f.Kind == ipc.Ordinary && len(f.Data) > 0 {
		l.message(bytes.Clone(f.Data))
	}
	return nil
}

// disconnected is told once, by who reads the channel.
func (l *life) disconnected() {
	l.report(Disconnected{})
	close(l.silent)
}

// send sends a JSON text. It does not wait for the process to read it.
func (l *life) send(message []byte) error {
	var err error
	if l.worker != 0 {
		err = l.r.options.Primary.Send(l.worker, message)
	} else {
		err = l.fork.send(message)
	}
	op := "send to " + l.spawn.App.Name
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ipc.ErrQueueFull):
		return &fault.Error{Code: fault.Timeout, Op: op, Message: "the process does not read its channel", Err: err}
	case errors.Is(err, ipc.ErrClosed), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET), errors.Is(err, os.ErrClosed):
		return &fault.Error{Code: fault.NotRunning, Op: op, Message: "the process has closed its channel", Err: err}
	}
	return &fault.Error{Code: fault.Invalid, Op: op, Message: "cannot be sent", Err: err}
}

// sent waits until the kernel has what was sent.
func (l *life) sent() error {
	late := time.NewTimer(drainTime)
	defer late.Stop()
	select {
	case <-l.conn.Flushed():
		return nil
	case <-late.C:
	case <-l.proc.Exited():
	}
	return &fault.Error{
		Code: fault.Timeout, Op: "send to " + l.spawn.App.Name, Message: "the process does not read its channel",
		Remedy: "The message may still come to it; restart the process to be sure that it does not.",
	}
}
