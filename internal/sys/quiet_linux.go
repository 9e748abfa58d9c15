package sys

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
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
	file   *os.File // owns outer, parked in the runtime's poller
	conn   syscall.RawConn
	outer  int // holds wakeFD, and inner while Wait is parked
	inner  int // holds what was added
	wakeFD int
	woken  atomic.Bool
	closed atomic.Bool
	parked [2]unix.EpollEvent
	events [128]unix.EpollEvent
}

// What the outer descriptors are known by.
const (
	quietWake  = 1
	quietInner = 2
)

// NewQuietPoller returns an empty poller. Close it when done.
func NewQuietPoller() (*QuietPoller, error) {
	p := &QuietPoller{outer: -1, inner: -1, wakeFD: -1}
	if err := p.open(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *QuietPoller) open() (err error) {
	if p.outer, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	// The runtime polls only descriptors that are marked non-blocking.
	if err := unix.SetNonblock(p.outer, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	p.file = os.NewFile(uintptr(p.outer), "epoll")
	if p.conn, err = p.file.SyscallConn(); err != nil {
		return err
	}
	if p.inner, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if p.wakeFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	if err := epoll(p.outer).ctl(unix.EPOLL_CTL_ADD, p.wakeFD, unix.EPOLLIN, quietWake); err != nil {
		return err
	}
	return epoll(p.outer).ctl(unix.EPOLL_CTL_ADD, p.inner, unix.EPOLLONESHOT, quietInner)
}

// epoll is an epoll descriptor.
type epoll int

func (e epoll) ctl(op, fd int, in Interest, token uint64) error {
	ev := unix.EpollEvent{Events: uint32(in), Fd: int32(token), Pad: int32(token >> 32)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(int(e), op, fd, &ev))
}

func (p *QuietPoller) Add(fd int, in Interest, token uint64) error {
	return epoll(p.inner).ctl(unix.EPOLL_CTL_ADD, fd, in, token)
}

func (p *QuietPoller) Modify(fd int, in Interest, token uint64) error {
	return epoll(p.inner).ctl(unix.EPOLL_CTL_MOD, fd, in, token)
}

func (p *QuietPoller) Remove(fd int) error { return epoll(p.inner).ctl(unix.EPOLL_CTL_DEL, fd, 0, 0) }

// Wake makes the present or the next Wait return.
func (p *QuietPoller) Wake() {
	if p.woken.CompareAndSwap(false, true) {
		one := [8]byte{1}
		unix.Write(p.wakeFD, one[:])
	}
}

// Wait fills ready with what is ready, and waits until something is. It returns
// 0 after a Wake, and now and then for no reason; os.ErrClosed after Close.
func (p *QuietPoller) Wait(ready []Ready) (int, error) {
	if p.closed.Load() {
		return 0, os.ErrClosed
	}
	n, err := p.wait(ready)
	if err != nil && p.closed.Load() { // whatever the kernel says of a descriptor that was closed meanwhile
		err = os.ErrClosed
	}
	return n, err
}

func (p *QuietPoller) wait(ready []Ready) (int, error) {
	if !p.woken.Load() {
		if n, err := p.poll(ready); n > 0 || err != nil {
			return n, err
		}
		if err := epoll(p.outer).ctl(unix.EPOLL_CTL_MOD, p.inner, unix.EPOLLIN|unix.EPOLLONESHOT, quietInner); err != nil {
			return 0, err
		}
	}
	if err := p.park(); err != nil {
		return 0, err
	}
	return p.poll(ready)
}

// park waits for a Wake, or for inner to have something, which disarms it.
func (p *QuietPoller) park() error {
	var n int
	var err error
	if rerr := p.conn.Read(func(uintptr) bool {
		n, err = epollNow(p.outer, p.parked[:])
		return n > 0 || err != nil
	}); rerr != nil {
		return os.ErrClosed
	}
	for _, ev := range p.parked[:n] {
		if ev.Fd == quietWake {
			// In this order. A Wake in between writes nothing, but what it announces
			// was there before it and is seen by the caller of this very Wait. The
			// other way round its write would be read here with woken left true, and
			// no Wake would ever write again.
			var buf [8]byte
			unix.Read(p.wakeFD, buf[:])
			p.woken.Store(false)
		}
	}
	return err
}

// poll is Wait without waiting.
func (p *QuietPoller) poll(ready []Ready) (n int, err error) {
	n, err = epollNow(p.inner, p.events[:min(len(ready), len(p.events))])
	for i, ev := range p.events[:n] {
		ended := ev.Events&(unix.EPOLLHUP|unix.EPOLLRDHUP|unix.EPOLLERR) != 0
		ready[i] = Ready{
			Token:    uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32,
			Readable: ended || ev.Events&unix.EPOLLIN != 0,
			Writable: ended || ev.Events&unix.EPOLLOUT != 0,
		}
	}
	return n, err
}

// epollNow is epoll_wait without waiting, and so without telling the scheduler.
func epollNow(epoll int, events []unix.EpollEvent) (n int, err error) {
	r, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll),
		uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	switch errno {
	case 0:
		return int(r), nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, os.NewSyscallError("epoll_wait", errno)
}

// Close releases the poller; a blocked Wait returns os.ErrClosed.
func (p *QuietPoller) Close() (err error) {
	if p.closed.Swap(true) {
		return os.ErrClosed
	}
	switch {
	case p.file != nil:
		err = p.file.Close()
	case p.outer >= 0:
		unix.Close(p.outer)
	}
	for _, fd := range []int{p.inner, p.wakeFD} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	return err
}

// Nap lets the thread rest for less than the runtime's timers can.
func Nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	unix.Nanosleep(&ts, nil)
}
