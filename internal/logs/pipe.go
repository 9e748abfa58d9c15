package logs

import (
	"bytes"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

const (
	// bufferSize is how much one read takes at most, and the longest piece of a
	// line that is held back for its newline.
	bufferSize = 128 << 10

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
	growAt    = 32 << 10
)

// Pipe is the way of one generation's output to its file. While it is silent
// it has no goroutine: the store's poller starts one when there is something
// to read, and is asked again when that ends.
type Pipe struct {
	// ChildEnd is what the process gets as its descriptor. It is the caller's,
	// who closes it once the process is started.
	ChildEnd *os.File

	stream *Stream
	tail   *Tail    // may be nil
	ours   *os.File // nil for raw logs
	pipeID
	done  chan struct{} // closed by finishLocked
	hurry chan struct{} // wakes a nap
	grown bool          // was given a large kernel buffer; guarded by Store.mu

	// mu belongs to whoever works on the pipe, for as long as that takes: a
	// burst, the end of patience, or Store.Stop.
	mu    sync.Mutex
	ended bool
	stampers
	slot *slot // nil when there is nothing in it: an unfinished line
	last time.Time
	heir heir
	timers
}

// stampers are for raw lines nil.
type stampers struct {
	stamp *stamper // of lines for files
	show  *stamper // of lines for the console
}

type timers struct {
	impulse *time.Timer // ends the patience with rest
	sleeper *time.Timer // ends a nap
}

// pipeID is what a pipe is known by.
type pipeID struct {
	fd    int    // of ours
	inode uint64 // the same in every process that has it
}

// heir is who is told of an unfinished line when the store is frozen.
type heir struct {
	tell func(Unfinished) // nil for nobody
	told bool
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

// Drain closes the channel it returns once all that was written up to now is
// on file, other than an unfinished line.
func (p *Pipe) Drain() <-chan struct{} {
	drained := make(chan struct{})
	if p.ours == nil {
		close(drained)
		return drained
	}
	p.Hurry()
	go func() { // takes what is there, no more
		defer close(drained)
		p.read(false)
	}()
	return drained
}

// burst reads for as long as there is something, and then leaves the pipe to
// the poller. Between its reads the pipe is not polled, so that a write wakes
// nobody while it naps: each would wake the runtime's poller.
func (p *Pipe) burst() { p.read(true) }

// read is a burst, without naps if it may not nap.
func (p *Pipe) read(mayNap bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.takeLocked()
	defer p.giveLocked()
	for left := grownSize; ; {
		if !p.slot.room() {
			p.writeLocked(p.slot.held(), time.Now()) // a line of a length that is held back no longer
			continue
		}
		kept := len(p.slot.held())
		n, err := p.slot.fill(p.fd)
		switch {
		case err == syscall.EAGAIN:
			p.listenLocked()
			return
		case err != nil || n == 0:
			p.finishLocked()
			return
		}
		if n >= growAt {
			p.stream.store.grow(p)
		}
		full := p.slot.end == len(p.slot.data)
		p.batchLocked(kept)
		if !mayNap {
			if left -= n; left > 0 {
				continue
			}
			p.listenLocked()
			return
		}
		if full {
			continue
		}
		now := time.Now()
		pays := now.Sub(p.last) < busy
		p.last = now
		if !pays {
			p.listenLocked()
			return
		}
		p.nap()
	}
}

// takeLocked sees to it that there is a slot. It needs p.mu held.
func (p *Pipe) takeLocked() {
	if p.slot == nil {
		p.slot = p.stream.store.slots.take(p.inode, p.stream.target)
	}
}

// giveLocked gives a slot back in which nothing is. It needs p.mu held.
func (p *Pipe) giveLocked() {
	if p.slot != nil && p.slot.idle() {
		p.stream.store.slots.give(p.slot)
		p.slot = nil
	}
}

// listenLocked hands the pipe back to the poller. It needs p.mu held.
func (p *Pipe) listenLocked() {
	if err := p.stream.store.poller.Modify(p.fd, sys.ReadableOnce, uint64(p.fd)); err != nil {
		p.finishLocked()
	}
}

// batchLocked writes the whole lines of what is held, of which the first kept
// bytes were held back before. It needs p.mu held.
func (p *Pipe) batchLocked(kept int) {
	now := time.Now()
	data := p.slot.held()
	if p.tail != nil {
		p.tail.add(p, data[kept:])
	}
	if lines := whole(data, kept); len(lines) > 0 {
		p.writeLocked(lines, now)
	}
	p.keepLocked()
}

// keepLocked holds an unfinished line back, for as long as patience is. It needs
// p.mu held.
func (p *Pipe) keepLocked() {
	switch {
	case len(p.slot.held()) == 0:
		if p.impulse != nil {
			p.impulse.Stop()
		}
	case p.impulse == nil:
		p.impulse = time.AfterFunc(patience, p.losePatience)
	default:
		p.impulse.Reset(patience)
	}
}

// maxHanded is how much of an unfinished line is told in place of being written.
const maxHanded = 12 << 10

// freezeLocked tells what the pipe is within. It needs p.mu held.
func (p *Pipe) freezeLocked() {
	if p.ended || p.heir.tell == nil {
		return
	}
	u := Unfinished{Begun: p.stream.file.within(p)}
	if p.slot != nil && !p.slot.shared() { // else the next one has the slot
		if len(p.slot.held()) > maxHanded {
			p.flushRestLocked()
			u.Begun = p.stream.file.within(p)
		} else {
			u.Rest = p.slot.held()
		}
	}
	if u.Begun || len(u.Rest) > 0 {
		p.heir.told = true
		p.heir.tell(u)
	}
}

// thawLocked takes that back. It needs p.mu held.
func (p *Pipe) thawLocked() {
	if p.heir.told {
		p.heir.told = false
		p.heir.tell(Unfinished{})
	}
}

// OnFreeze has fn called when [Store.Freeze] finds the pipe within a line, and with
// nothing when the store goes on. fn must not call the pipe.
func (p *Pipe) OnFreeze(fn func(Unfinished)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heir.tell = fn
}

// whole is the whole lines of data, the first kept bytes of which are known to
// hold no newline.
func whole(data []byte, kept int) []byte {
	if i := bytes.LastIndexByte(data[kept:], '\n'); i >= 0 {
		return data[:kept+i+1]
	}
	return nil
}

// losePatience is called when an unfinished line has waited long enough.
func (p *Pipe) losePatience() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.flushRestLocked()
	if p.slot != nil && p.slot.begun && p.heir.tell != nil {
		// A prompt may stand for ever: the heir remembers that, and the slot is free.
		p.heir.told = true
		p.heir.tell(Unfinished{Begun: true})
		p.slot.begun = false
	}
	p.giveLocked()
}

// cutOff ends the pipe although someone may still write to it.
func (p *Pipe) cutOff() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.finishLocked()
	}
}

// finishLocked writes what is left and closes our end. It needs p.mu held.
func (p *Pipe) finishLocked() {
	p.ended = true
	p.flushRestLocked()
	p.impulse, p.sleeper = nil, nil
	if p.slot != nil {
		p.slot.begun = false
		p.giveLocked()
	}
	p.stream.store.ended(p)
	p.ours.Close()
	close(p.done)
}

// flushRestLocked writes what is held as it is. It needs p.mu held.
func (p *Pipe) flushRestLocked() {
	if p.slot == nil {
		return
	}
	if text := p.slot.held(); len(text) > 0 {
		p.writeLocked(text, time.Now())
	}
	if p.impulse != nil {
		p.impulse.Stop()
	}
}

// writeLocked puts text, with which what is held begins, on file, or counts it as
// lost. It needs p.mu held.
func (p *Pipe) writeLocked(text []byte, now time.Time) {
	if err := p.stream.file.append(p, text, now); err != nil {
		p.stream.store.report(err)
	}
	if also := p.stream.also; also != nil {
		if err := also.join(p, p.stamp, text, now); err != nil {
			p.stream.store.report(err)
		}
	}
	if shown := p.stream.shown; shown != nil {
		if err := shown.join(p, p.show, text, now); err != nil {
			p.stream.store.report(err)
		}
	}
	p.slot.written(len(text))
	p.thawLocked()
}

func (p *Pipe) nap() {
	if p.sleeper == nil {
		p.sleeper = time.NewTimer(nap)
	} else {
		p.sleeper.Reset(nap)
	}
	select {
	case <-p.sleeper.C:
	case <-p.hurry:
	}
}
