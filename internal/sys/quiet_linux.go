package sys

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// QuietPoller is a [Poller] for a busy loop. While the loop works, what becomes
// ready does not wake anyone: with a Poller each event goes through the
// runtime's poller too, and a second thread wakes for nothing.
//
// Its methods are the Poller's and follow the same rules; but a peer that only
// stops writing counts as a hangup, too.
type QuietPoller struct {
	outer  *Poller // holds inner alone, armed only while Wait is parked
	inner  int
	events [128]unix.EpollEvent
	ready  [1]Ready
}

const armed Interest = unix.EPOLLIN | unix.EPOLLONESHOT

// NewQuietPoller returns an empty poller. Close it when done.
func NewQuietPoller() (*QuietPoller, error) {
	inner, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	outer, err := NewPoller()
	if err != nil {
		unix.Close(inner)
		return nil, err
	}
	p := &QuietPoller{outer: outer, inner: inner}
	if err := outer.Add(inner, unix.EPOLLONESHOT, 0); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *QuietPoller) Add(fd int, in Interest, token uint64) error {
	return p.ctl(unix.EPOLL_CTL_ADD, fd, in, token)
}

func (p *QuietPoller) Modify(fd int, in Interest, token uint64) error {
	return p.ctl(unix.EPOLL_CTL_MOD, fd, in, token)
}

func (p *QuietPoller) Remove(fd int) error { return p.ctl(unix.EPOLL_CTL_DEL, fd, 0, 0) }

func (p *QuietPoller) ctl(op, fd int, in Interest, token uint64) error {
	ev := unix.EpollEvent{Events: uint32(in), Fd: int32(token), Pad: int32(token >> 32)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.inner, op, fd, &ev))
}

// Wake makes the present or the next Wait return.
func (p *QuietPoller) Wake() { p.outer.Wake() }

// Wait fills ready with what is ready, and waits until something is. It returns
// 0 after a Wake, and now and then for no reason; os.ErrClosed after Close.
func (p *QuietPoller) Wait(ready []Ready) (int, error) {
	if !p.outer.woken.Load() {
		if n, err := p.Poll(ready); n > 0 || err != nil {
			return n, err
		}
		if err := p.outer.Modify(p.inner, armed, 0); err != nil {
			return 0, err
		}
	}
	if _, err := p.outer.Wait(p.ready[:]); err != nil {
		return 0, err
	}
	return p.Poll(ready)
}

// Poll is Wait without waiting.
func (p *QuietPoller) Poll(ready []Ready) (n int, err error) {
	r, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.inner),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(min(len(ready), len(p.events))), 0, 0, 0)
	switch errno {
	case 0:
	case unix.EINTR:
		return 0, nil
	default:
		return 0, os.NewSyscallError("epoll_wait", errno)
	}
	n = int(r)
	for i, ev := range p.events[:n] {
		ended := ev.Events&(unix.EPOLLHUP|unix.EPOLLRDHUP|unix.EPOLLERR) != 0
		ready[i] = Ready{
			Token:    uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32,
			Readable: ended || ev.Events&unix.EPOLLIN != 0,
			Writable: ended || ev.Events&unix.EPOLLOUT != 0,
		}
	}
	return n, nil
}

// Close releases the poller; a blocked Wait returns os.ErrClosed.
func (p *QuietPoller) Close() error {
	unix.Close(p.inner)
	return p.outer.Close()
}

// Nap lets the thread rest for less than the runtime's timers can.
func Nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	unix.Nanosleep(&ts, nil)
}
