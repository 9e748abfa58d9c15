package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// OutputPipe returns a pipe that carries a child's output: ours is its reading
// end, non-blocking, theirs the writing end, blocking, as a child expects to
// inherit it. Both are close-on-exec; the caller owns both.
//
// ours is for a [Poller] and [ReadOnce]. It is kept out of the runtime's
// poller, where every write to the pipe would wake a thread, reader or not.
func OutputPipe(name string) (ours, theirs *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	// os.NewFile takes what is non-blocking to the runtime's poller, so the flag
	// comes after. The two ends are two open file descriptions: theirs stays blocking.
	ours = os.NewFile(uintptr(fds[0]), name)
	theirs = os.NewFile(uintptr(fds[1]), name+" (child)")
	if err := unix.SetNonblock(fds[0], true); err != nil {
		ours.Close()
		theirs.Close()
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return ours, theirs, nil
}

// OutputEnd makes of f, however it was opened, what [OutputPipe] gives as ours. It
// takes f.
func OutputEnd(f *os.File) (*os.File, error) {
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	cerr := raw.Control(func(from uintptr) { fd, err = Dup(int(from)) })
	if err = errors.Join(cerr, err); err != nil {
		return nil, err
	}
	// Blocking for the moment, so that the runtime's poller leaves it alone.
	if err := unix.SetNonblock(fd, false); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	ours := os.NewFile(uintptr(fd), f.Name())
	if err := unix.SetNonblock(fd, true); err != nil {
		ours.Close()
		return nil, os.NewSyscallError("fcntl", err)
	}
	return ours, nil
}

// GrowPipe asks for a pipe buffer of size bytes. The kernel refuses (EPERM)
// when the user's pipes hold too many pages already; the pipe then stays as it is.
func GrowPipe(fd, size int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, size)
	return os.NewSyscallError("F_SETPIPE_SZ", err)
}

// ReadOnce is one read of the non-blocking fd: EAGAIN when nothing is there,
// 0 and nil at the end.
func ReadOnce(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.Read(fd, buf)
		if err == unix.EINTR {
			continue
		}
		return max(n, 0), err
	}
}

// WriteOnce is one write to fd. It may take a part of buf.
func WriteOnce(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.Write(fd, buf)
		if err == unix.EINTR {
			continue
		}
		return max(n, 0), err
	}
}

// OpenNonblock is the flag that keeps an open from waiting for the other end
// of a FIFO.
const OpenNonblock = unix.O_NONBLOCK

// Links returns the number of names and the size of the open file fd, and
// whether it is a regular file. A file without a name was deleted.
func Links(fd int) (links, size int64, regular bool, err error) {
	var st unix.Stat_t
	for {
		err := unix.Fstat(fd, &st)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, 0, false, os.NewSyscallError("fstat", err)
		}
		return int64(st.Nlink), st.Size, st.Mode&unix.S_IFMT == unix.S_IFREG, nil
	}
}

// ReadableOnce is the interest of who wants one event and then silence, until
// the next [Poller.Modify]: what comes meanwhile wakes nobody.
const ReadableOnce Interest = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT
