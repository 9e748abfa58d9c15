package sys

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// PidFD is a process descriptor: it means one process, whatever becomes of its
// number. It waits in the runtime's poller and holds no thread. Any goroutine
// may call its methods.
type PidFD struct {
	file *os.File
	conn syscall.RawConn
}

// OpenPidFD opens a descriptor of the process pid, which need not be a child.
// What had the number when the caller learnt it may be another process: check
// its start time after opening.
func OpenPidFD(pid int) (*PidFD, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, err
	}
	return newPidFD(fd)
}

// TakePidFD makes a PidFD of a process descriptor that this process was given. It
// owns fd, also on error.
func TakePidFD(fd int) (*PidFD, error) { return newPidFD(fd) }

// newPidFD owns fd, also on error.
func newPidFD(fd int) (*PidFD, error) {
	// The runtime polls only descriptors that are marked non-blocking.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	p := &PidFD{file: os.NewFile(uintptr(fd), "pidfd")}
	var err error
	if p.conn, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return nil, err
	}
	return p, nil
}

// Wait parks until the process has ended and reaps it; it must be a child of
// this process. One goroutine calls it, once. ECHILD means that somebody else
// took the status.
func (p *PidFD) Wait() (status syscall.WaitStatus, err error) {
	rerr := p.conn.Read(func(fd uintptr) bool {
		var done bool
		status, done, err = waitPidFD(fd)
		return done || err != nil
	})
	if err == nil {
		err = rerr
	}
	return status, err
}

// TryReap reaps the process if it is an ended child of this process; done tells
// whether it was.
func (p *PidFD) TryReap() (status syscall.WaitStatus, done bool) {
	p.conn.Control(func(fd uintptr) { status, done, _ = waitPidFD(fd) })
	return status, done
}

// ChildEnded tells whether pid is a child of this process that has ended and waits
// to be reaped.
func ChildEnded(pid int) bool {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil && info.Signo != 0
		}
	}
}

// Holders counts the descriptors of the process pid that this process has open,
// whoever in it opened them.
func Holders(pid int) (n int, err error) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, err
	}
	want := []byte("\nPid:\t" + strconv.Itoa(pid) + "\n")
	for _, name := range names {
		to, err := os.Readlink("/proc/self/fd/" + name)
		if err != nil || to != "anon_inode:[pidfd]" && !strings.HasPrefix(to, "pidfd:") {
			continue
		}
		if info, err := os.ReadFile("/proc/self/fdinfo/" + name); err == nil && bytes.Contains(info, want) {
			n++
		}
	}
	return n, nil
}

func waitPidFD(fd uintptr) (status syscall.WaitStatus, done bool, err error) {
	var info unix.Siginfo
	for {
		err = unix.Waitid(unix.P_PIDFD, int(fd), &info, unix.WEXITED|unix.WNOHANG, nil)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return 0, false, err
	}
	// The union begins at the first pointer-aligned offset behind three ints:
	// pid, uid, status (siginfo_t for SIGCHLD, sigaction(2)).
	const union = (3*4 + unsafe.Sizeof(uintptr(0)) - 1) &^ (unsafe.Sizeof(uintptr(0)) - 1)
	fields := (*[3]int32)(unsafe.Add(unsafe.Pointer(&info), union))
	if fields[0] == 0 {
		return 0, false, nil // still running
	}
	const exited, dumped = 1, 3 // CLD_EXITED, CLD_DUMPED; 2 is CLD_KILLED
	switch info.Code {
	case exited:
		return syscall.WaitStatus(fields[2] << 8), true, nil
	case dumped:
		return syscall.WaitStatus(fields[2] | 0x80), true, nil
	default:
		return syscall.WaitStatus(fields[2]), true, nil
	}
}

// WaitEnd parks until the process has ended, whoever's child it is, without
// reaping it; os.ErrClosed after Close.
func (p *PidFD) WaitEnd() error { return p.conn.Read(hasEnded) }

// Control calls fn with the descriptor's number, which is good until fn returns.
func (p *PidFD) Control(fn func(fd int)) error {
	return p.conn.Control(func(fd uintptr) { fn(int(fd)) })
}

// Ended parks until the process has ended, without reaping it, or until ctx is
// done. One goroutine at a time.
func (p *PidFD) Ended(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { p.file.SetReadDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() {
			p.file.SetReadDeadline(time.Time{})
		}
	}()
	err := p.conn.Read(hasEnded)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.Cause(ctx)
	}
	return err
}

func hasEnded(fd uintptr) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		if err != unix.EINTR {
			return n > 0 || err != nil
		}
	}
}

// Signal sends sig to the process: os.ErrProcessDone if it has ended.
func (p *PidFD) Signal(sig syscall.Signal) error { return p.send(sig, 0) }

// SignalGroup sends sig to the process group that the process leads or led, in
// one step that no fork can slip through. A group outlives its leader, and its
// number is not used anew while p is not closed. os.ErrProcessDone means that
// the group is empty, ErrUnsupported that the kernel is older than 6.9. Signal
// 0 asks only.
func (p *PidFD) SignalGroup(sig syscall.Signal) error {
	err := p.send(sig, unix.PIDFD_SIGNAL_PROCESS_GROUP)
	if errors.Is(err, unix.EINVAL) {
		return ErrUnsupported
	}
	return err
}

func (p *PidFD) send(sig syscall.Signal, flags int) (err error) {
	cerr := p.conn.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), sig, nil, flags) })
	if cerr != nil || err == unix.ESRCH {
		return os.ErrProcessDone
	}
	return err
}

// Close releases the descriptor; a parked Wait or Ended returns os.ErrClosed.
// The process goes on.
func (p *PidFD) Close() error { return p.file.Close() }
