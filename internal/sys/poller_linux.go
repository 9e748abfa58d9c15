package sys

import (
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Interest is what a [Poller] watches a descriptor for.
type Interest uint32

// All interests are edge-triggered: after an event, work until EAGAIN.
const (
	Readable Interest = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
	Writable Interest = unix.EPOLLOUT | unix.EPOLLET
)

// Ready is one event of a [Poller]: the token the descriptor was added with,
// and what it is ready for. Hangup and error count as both.
type Ready struct {
	Token    uint64
	Readable bool
	Writable bool
}

// Poller waits for readiness of many descriptors in one goroutine, without
// holding a thread: its epoll descriptor is itself parked in the runtime's
// poller. That is cheaper than a goroutine per descriptor (one wake-up serves
// all that is ready) and than a thread blocked in epoll_wait (which keeps the
// runtime's monitor awake).
//
// Wait is for one goroutine at a time; Add, Modify, Remove and Wake may be
// called from any. The Poller does not own the descriptors.
type Poller struct {
	file   *os.File
	conn   syscall.RawConn
	fd     int
	wakeFD int
	woken  atomic.Bool
	events [128]unix.EpollEvent
}

const wakeToken = ^uint64(0)

// NewPoller returns an empty poller. Close it when done.
func NewPoller() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// The runtime polls only descriptors that are marked non-blocking.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	wakeFD, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	p := &Poller{file: os.NewFile(uintptr(fd), "epoll"), fd: fd, wakeFD: wakeFD}
	if p.conn, err = p.file.SyscallConn(); err != nil {
		p.Close()
		return nil, err
	}
	if err := p.Add(wakeFD, Readable, wakeToken); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Add watches fd. Events carry token; the all-ones token is the poller's own.
func (p *Poller) Add(fd int, in Interest, token uint64) error {
	return p.ctl(unix.EPOLL_CTL_ADD, fd, in, token)
}

// Modify replaces the interest and token of fd, and re-arms its edge: what is
// ready now is reported again.
func (p *Poller) Modify(fd int, in Interest, token uint64) error {
	return p.ctl(unix.EPOLL_CTL_MOD, fd, in, token)
}

// Remove stops watching fd. Call it before closing fd: a duplicate of the
// descriptor elsewhere would keep its events coming.
func (p *Poller) Remove(fd int) error {
	return p.ctl(unix.EPOLL_CTL_DEL, fd, 0, 0)
}

func (p *Poller) ctl(op, fd int, in Interest, token uint64) error {
	ev := unix.EpollEvent{Events: uint32(in), Fd: int32(token), Pad: int32(token >> 32)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, op, fd, &ev))
}

// Wake makes the present or the next Wait return, possibly with no event.
func (p *Poller) Wake() {
	if p.woken.CompareAndSwap(false, true) {
		one := [8]byte{1}
		unix.Write(p.wakeFD, one[:])
	}
}

// Wait fills ready with at least one event, or returns 0 after a [Poller.Wake],
// or os.ErrClosed after Close. It blocks without a thread.
func (p *Poller) Wait(ready []Ready) (n int, err error) {
	var got int
	rerr := p.conn.Read(func(uintptr) bool {
		for {
			got, err = unix.EpollWait(p.fd, p.events[:min(len(ready), len(p.events))], 0)
			if err != unix.EINTR {
				return err != nil || got > 0
			}
		}
	})
	if rerr != nil {
		return 0, os.ErrClosed
	}
	if err != nil {
		return 0, os.NewSyscallError("epoll_wait", err)
	}
	for _, ev := range p.events[:got] {
		token := uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
		if token == wakeToken {
			// In this order: a Wake in between is not written, but what it
			// announces is seen by the caller of this very Wait. The other
			// way round it would be swallowed and leave woken set for good.
			var buf [8]byte
			unix.Read(p.wakeFD, buf[:])
			p.woken.Store(false)
			continue
		}
		ended := ev.Events&(unix.EPOLLHUP|unix.EPOLLERR) != 0
		ready[n] = Ready{
			Token:    token,
			Readable: ended || ev.Events&(unix.EPOLLIN|unix.EPOLLRDHUP) != 0,
			Writable: ended || ev.Events&unix.EPOLLOUT != 0,
		}
		n++
	}
	return n, nil
}

// Close releases the poller; a blocked Wait returns os.ErrClosed.
func (p *Poller) Close() error {
	err := p.file.Close()
	unix.Close(p.wakeFD)
	return err
}
