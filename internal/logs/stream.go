package logs

import (
	"os"
	"sync/atomic"

	"github.com/tendproc/tend/internal/sys"
)

// Stream is one output of one instance over all its lives.
type Stream struct {
	store  *Store
	target Target
	file   *file
	also   *file // nil for none
	shown  *file // the console; nil for none

	// users and the rest are guarded by Store.mu.
	users   int  // Opens without their Release
	pipes   int  // not at their end
	retired bool // out of Store.streams: another has its place
	closed  bool // the file is given back

	// followers is nil while nobody follows, so that then a line costs nothing.
	// It is replaced, never changed, under file.mu.
	followers atomic.Pointer[[]*follower]
}

// Release ends the use that an Open began. With the last use and the last pipe
// the file closes.
func (st *Stream) Release() {
	s := st.store
	s.mu.Lock()
	defer s.mu.Unlock()
	st.users--
	st.closeLocked()
}

// Target returns what the stream was opened with, its path filled in.
func (st *Stream) Target() Target { return st.target }

// Pipe makes the way of one generation's output into the file. Its last
// lines are also kept in tail, unless that is nil.
func (st *Stream) Pipe(tail *Tail) (*Pipe, error) {
	if st.target.Raw {
		return st.rawPipe(tail)
	}
	ours, theirs, err := sys.OutputPipe("log " + st.target.App + " " + st.target.Name)
	if err != nil {
		return nil, err
	}
	p := st.newPipe(ours, tail)
	if err := st.store.register(p); err != nil {
		ours.Close()
		theirs.Close()
		return nil, err
	}
	p.ChildEnd = theirs
	return p, nil
}

// Unfinished is the line that a pipe is within, see [Store.Freeze].
type Unfinished struct {
	Rest  []byte `json:"rest,omitempty"`  // read, and not on file yet
	Begun bool   `json:"begun,omitempty"` // what stands before is on file
}

// Adopt is [Stream.Pipe] for a process that is there already: read is this side's
// end of its pipe, from a former daemon, and u what that told when it was frozen.
// It takes read, also on error.
func (st *Stream) Adopt(read *os.File, tail *Tail, u Unfinished) (*Pipe, error) {
	ours, err := sys.OutputEnd(read)
	if err != nil {
		return nil, err
	}
	p := st.newPipe(ours, tail)
	if u.Begun {
		st.file.resume(p)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := st.store.register(p); err != nil {
		ours.Close()
		return nil, err
	}
	p.adoptLocked(u)
	return p, nil
}

// adoptLocked goes on with what a former daemon had of the pipe. It needs p.mu held.
func (p *Pipe) adoptLocked(u Unfinished) {
	if err := p.inherit(); err != nil {
		p.stream.store.report(err)
	}
	if p.slot == nil && len(u.Rest) > 0 {
		p.takeLocked()
		p.slot.end = copy(p.slot.data, u.Rest)
		p.slot.note()
	}
	if p.slot != nil {
		p.batchLocked(0)
		p.giveLocked()
	}
}

// newPipe makes the pipe that takes what comes out of ours.
func (st *Stream) newPipe(ours *os.File, tail *Tail) *Pipe {
	p := &Pipe{
		stream: st,
		tail:   tail,
		ours:   ours,
		done:   make(chan struct{}),
		hurry:  make(chan struct{}, 1),
	}
	if st.target.Stamp != "" {
		p.stamp = newStamper(st.target.Stamp)
	}
	if stamp := st.store.options.Console.stamp(st.target); stamp != "" {
		p.show = newStamper(stamp)
	}
	return p
}

func (st *Stream) rawPipe(tail *Tail) (*Pipe, error) {
	own := st.file
	if own.path == Null && st.shown != nil {
		own = st.shown
	}
	f, err := own.raw()
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	close(done)
	if info, err := f.Stat(); err == nil && tail != nil {
		tail.follow(st.target.Path, info.Size())
	}
	return &Pipe{ChildEnd: f, stream: st, done: done}, nil
}

// closeLocked gives the file back if nobody needs it. It needs Store.mu held.
func (st *Stream) closeLocked() {
	if st.closed || st.users > 0 || st.pipes > 0 {
		return
	}
	st.closed = true
	if !st.retired {
		delete(st.store.streams, streamKey{st.target.ID, st.target.Name})
	}
	st.store.releaseLocked(st.file)
	st.store.releaseLocked(st.also)
}
