package logs

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

const (
	// bufferSize is how much one read takes at most, and the longest piece of a
	// line that is held back for its newline.
	bufferSize = 64 << 10

	// nap is the pause after a short read. Wake-ups are what log reading
	// costs: while a writer is busy, its lines are taken 2 ms' worth at a time.
	nap = 2 * time.Millisecond

	// busy is how close two batches follow each other when a nap pays. Lines
	// that come further apart are each taken at once and cost one wake-up.
	busy = 10 * time.Millisecond

	// patience is how long an unfinished line (a prompt, a progress bar) waits
	// for its end before it is written as it is.
	patience = 250 * time.Millisecond

	// A busy writer's pipe is grown, so that it does not wait for our nap. Not
	// every pipe from the start: a user who holds too many pipe pages gets
	// tiny pipes from then on (pipe(7), pipe-user-pages-soft, 64 MiB).
	grownSize = 1 << 20
	maxGrown  = 32
	growAt    = bufferSize / 2
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Pipe is the way of one generation's output to its file.
type Pipe struct {
	// ChildEnd is what the process gets as its descriptor. It is the caller's,
	// who closes it once the process is started.
	ChildEnd *os.File

	stream *Stream
	tail   *Tail         // may be nil
	ours   *os.File      // nil for raw logs; run's
	done   chan struct{} // closed by run
	hurry  chan struct{} // wakes a nap
	grown  bool          // run's, then Store.ended's

	// The rest is run's alone.
	stamp  *stamper
	rest   []byte // an unfinished line, not yet on file
	buf    *[bufferSize]byte
	n      int   // bytes in buf
	err    error // of the last read
	armed  bool  // a read deadline is set, for rest
	last   time.Time
	timer  *time.Timer
	denied bool // the kernel refused to grow the pipe
}

// Done is closed when the last writer has closed its end and all is on file.
func (p *Pipe) Done() <-chan struct{} { return p.done }

// ReadEnd is our end of the pipe, for who keeps it over the daemon's death; nil
// for raw logs. It stays the pipe's.
func (p *Pipe) ReadEnd() *os.File { return p.ours }

// Hurry ends a nap of the reader: what is written is taken now.
func (p *Pipe) Hurry() {
	select {
	case p.hurry <- struct{}{}:
	default:
	}
}

// run reads the pipe to its end. It is the pipe's only goroutine.
func (p *Pipe) run() {
	defer close(p.done)
	defer p.stream.store.ended(p)
	defer p.ours.Close()
	if p.stream.target.Stamp != "" {
		p.stamp = newStamper(p.stream.target.Stamp)
	}
	conn, err := p.ours.SyscallConn()
	if err != nil {
		return
	}
	read := p.read // once: a method value is an allocation
	for {
		err := conn.Read(read)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			p.giveUpOnRest()
		case err != nil || p.err != nil || p.n == 0:
			p.release()
			p.finish()
			return
		default:
			p.batch()
		}
	}
}

// read is one attempt, called when the pipe may be readable. The buffer is
// taken only here, so that a silent pipe holds none.
func (p *Pipe) read(fd uintptr) bool {
	p.buf = buffers.Get().(*[bufferSize]byte)
	kept := copy(p.buf[:], p.rest)
	n, err := sys.ReadOnce(int(fd), p.buf[kept:])
	if err == syscall.EAGAIN {
		p.release()
		return false
	}
	p.n, p.err = n, err
	return true
}

func (p *Pipe) release() {
	if p.buf != nil {
		buffers.Put(p.buf)
		p.buf = nil
	}
}

// batch writes the whole lines of what was read, and naps if more is on its way.
func (p *Pipe) batch() {
	now := time.Now()
	kept := len(p.rest)
	data := p.buf[:kept+p.n]
	fresh := data[kept:]
	if p.tail != nil {
		p.tail.add(p, fresh)
	}
	full := len(data) == len(p.buf)
	lines, rest := cut(data, kept, full)
	if len(lines) > 0 {
		p.write(lines, now)
	}
	p.keep(rest, now)
	if p.n >= growAt {
		p.grow()
	}
	p.release()
	if !full && now.Sub(p.last) < busy {
		p.nap()
		now = time.Now()
	}
	p.last = now
}

// cut parts data into whole lines and the unfinished rest. The first kept
// bytes are known to hold no newline. A line that fills the buffer is let go in pieces.
func cut(data []byte, kept int, full bool) (lines, rest []byte) {
	if i := bytes.LastIndexByte(data[kept:], '\n'); i >= 0 {
		return data[:kept+i+1], data[kept+i+1:]
	}
	if full {
		return data, nil
	}
	return nil, data
}

// keep holds rest for the next read, with a deadline for its end.
func (p *Pipe) keep(rest []byte, now time.Time) {
	if len(rest) == 0 {
		if cap(p.rest) > 4<<10 {
			p.rest = nil
		}
		p.rest = p.rest[:0]
		p.disarm()
		return
	}
	p.rest = append(p.rest[:0], rest...)
	p.ours.SetReadDeadline(now.Add(patience)) // cannot fail: the pipe is pollable
	p.armed = true
}

func (p *Pipe) disarm() {
	if p.armed {
		p.armed = false
		p.ours.SetReadDeadline(time.Time{})
	}
}

func (p *Pipe) giveUpOnRest() {
	p.disarm()
	p.flushRest()
	p.rest = nil
}

// finish writes what is left after the end of the pipe.
func (p *Pipe) finish() {
	p.flushRest()
	p.rest = nil
	if p.timer != nil {
		p.timer.Stop()
	}
}

func (p *Pipe) flushRest() {
	if len(p.rest) > 0 {
		p.write(p.rest, time.Now())
	}
}

func (p *Pipe) write(text []byte, now time.Time) {
	if err := p.stream.file.append(p, text, now); err != nil {
		p.stream.store.report(err)
	}
}

func (p *Pipe) nap() {
	if p.timer == nil {
		p.timer = time.NewTimer(nap)
	} else {
		p.timer.Reset(nap)
	}
	select {
	case <-p.timer.C:
	case <-p.hurry:
	}
}

func (p *Pipe) grow() {
	if p.grown || p.denied {
		return
	}
	s := p.stream.store
	s.mu.Lock()
	free := s.grown < maxGrown
	if free {
		s.grown++
		p.grown = true
	}
	s.mu.Unlock()
	if !free {
		return
	}
	conn, err := p.ours.SyscallConn()
	if err != nil {
		return
	}
	conn.Control(func(fd uintptr) { err = sys.GrowPipe(int(fd), grownSize) })
	if err != nil {
		p.denied = true // it works at its size
	}
}
