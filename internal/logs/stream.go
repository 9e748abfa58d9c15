package logs

import (
	"os"
	"sync/atomic"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/sys"
)

// Stream is one output of one instance over all its lives.
type Stream struct {
	store  *Store
	target Target
	file   *file

	// pipes and retired are guarded by Store.mu.
	pipes   int
	retired bool // out of Store.streams: the file is given back with the last pipe

	// followers is nil while nobody follows, so that then a line costs nothing.
	// It is replaced, never changed, under file.mu.
	followers atomic.Pointer[[]*follower]
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
	p := &Pipe{
		ChildEnd: theirs,
		stream:   st,
		tail:     tail,
		ours:     ours,
		done:     make(chan struct{}),
		hurry:    make(chan struct{}, 1),
	}
	if err := st.store.register(p); err != nil {
		ours.Close()
		theirs.Close()
		return nil, err
	}
	go p.run() // ends at the end of the pipe, or with Store.Stop
	return p, nil
}

func (st *Stream) rawPipe(tail *Tail) (*Pipe, error) {
	f, err := st.file.raw()
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

func (s *Store) register(p *Pipe) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || p.stream.retired {
		return &fault.Error{Code: fault.Unavailable, Op: "log " + p.stream.target.App, Message: "closed", Err: os.ErrClosed}
	}
	s.pipes[p] = struct{}{}
	p.stream.pipes++
	return nil
}

// ended takes the pipe out. Its file may close with it.
func (s *Store) ended(p *Pipe) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pipes, p)
	if p.grown {
		s.grown--
	}
	st := p.stream
	st.pipes--
	if st.pipes == 0 && st.retired {
		s.releaseLocked(st.file)
	}
}

// retireLocked needs Store.mu held.
func (st *Stream) retireLocked() {
	st.retired = true
	if st.pipes == 0 {
		st.store.releaseLocked(st.file)
	}
}
