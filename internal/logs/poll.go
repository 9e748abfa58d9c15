package logs

import (
	"os"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/sys"
)

// register makes the store read p.
func (s *Store) register(p *Pipe) error {
	conn, err := p.ours.SyscallConn()
	if err != nil {
		return err
	}
	conn.Control(func(fd uintptr) { p.fd = int(fd) }) // valid until finishLocked closes ours
	id, err := sys.Identify(p.fd)
	if err != nil {
		return err
	}
	p.inode = id.Ino
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || p.stream.closed {
		return &fault.Error{Code: fault.Unavailable, Op: "log " + p.stream.target.App, Message: "closed", Err: os.ErrClosed}
	}
	if s.poller == nil {
		if s.poller, err = sys.NewPoller(); err != nil {
			return err
		}
		s.polling = make(chan struct{})
		go s.poll() // ends with Stop, which waits for it
	}
	s.pipes.Store(p.fd, p)
	if err := s.poller.Add(p.fd, sys.ReadableOnce, uint64(p.fd)); err != nil {
		s.pipes.Delete(p.fd)
		return err
	}
	p.stream.pipes++
	return nil
}

// poll starts a burst for each pipe that can be read. A pipe that was not yet
// asked for again has no event, so there is one burst at a time.
func (s *Store) poll() {
	defer close(s.polling)
	var ready [64]sys.Ready
	for {
		n, err := s.poller.Wait(ready[:])
		if err != nil {
			return
		}
		for _, r := range ready[:n] {
			if p, ok := s.pipes.Load(int(r.Token)); ok {
				go p.(*Pipe).burst() // ends at the latest with the pipe
			}
		}
	}
}

// ended takes the pipe out, before it is closed. Its file may close with it.
func (s *Store) ended(p *Pipe) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pipes.Delete(p.fd)
	s.poller.Remove(p.fd) // a duplicate elsewhere would keep its events coming
	if p.grown {
		s.grown--
	}
	p.stream.pipes--
	p.stream.closeLocked()
}

// grow gives p a large kernel buffer, if there is still one to give. It waits for
// nobody: a busy pipe asks again.
func (s *Store) grow(p *Pipe) {
	if !s.mu.TryLock() {
		return
	}
	grow := !p.grown && s.grown < maxGrown
	if grow {
		p.grown = true
		s.grown++
	}
	s.mu.Unlock()
	if grow {
		sys.GrowPipe(p.fd, grownSize) // refused, it works at its size
	}
}
