package api

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tendproc/tend/internal/fault"
)

// upgrade lets no command be cut short by it, and takes in no connection from its
// begin on: they wait in the socket for the daemon that answers next.
func (s *Server) upgrade(ctx context.Context, program string) error {
	if c, ok := s.svc.(upgradeChecker); ok {
		if err := c.CheckUpgrade(ctx, program); err != nil {
			return err
		}
	}
	if !s.gate.TryLock() {
		return &fault.Error{
			Code: fault.Conflict, Message: "a command is under way",
			Remedy: "Try again when it is over; nothing was changed.",
		}
	}
	defer s.gate.Unlock()
	s.door.close()
	defer s.door.open()
	return s.svc.Upgrade(ctx, program)
}

// upgradeChecker is a [Service] that can say beforehand whether a program can take
// over, which takes its time: nobody else has to wait for that.
type upgradeChecker interface {
	CheckUpgrade(ctx context.Context, path string) error
}

// door is a listener that can stop taking connections for a while.
type door struct {
	net.Listener

	mu     sync.Mutex    // guards opened
	opened chan struct{} // closed when one may pass; nil while it is open
}

func newDoor(l net.Listener) *door { return &door{Listener: l} }

// deadliner is a listener whose Accept can be broken off.
type deadliner interface{ SetDeadline(time.Time) error }

func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opened = make(chan struct{})
	if l, ok := d.Listener.(deadliner); ok {
		_ = l.SetDeadline(time.Unix(1, 0)) // it fails on one that is closed already
	}
}

func (d *door) open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l, ok := d.Listener.(deadliner); ok {
		_ = l.SetDeadline(time.Time{})
	}
	close(d.opened)
	d.opened = nil
}

func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return conn, err
		}
		d.mu.Lock()
		opened := d.opened
		d.mu.Unlock()
		if opened != nil {
			<-opened
		}
	}
}
