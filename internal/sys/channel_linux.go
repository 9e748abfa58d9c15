package sys

import (
	"io"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of this file do what Peek, Recv and Send do, without allocating:
// they are made for each message of each channel.

// PeekInto is [Peek].
func PeekInto(fd int, buf []byte) (n int, carriesFD bool, err error) {
	if len(buf) == 0 {
		return 0, false, unix.EINVAL
	}
	iov := unix.Iovec{Base: &buf[0]}
	iov.SetLen(len(buf))
	msg := unix.Msghdr{Iov: &iov}
	msg.SetIovlen(1)
	n, err = recvmsg(fd, &msg, unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return n, msg.Flags&unix.MSG_CTRUNC != 0, err
}

// Discard consumes exactly len(buf) bytes that were peeked before, overwriting
// buf with them. It returns the descriptors that came with them, as [Recv] does.
func Discard(fd int, buf []byte) (passed []int, err error) {
	if len(buf) == 0 {
		return nil, unix.EINVAL
	}
	for len(buf) > 0 && err == nil {
		var n int
		var fds []int
		n, fds, err = RecvInto(fd, buf)
		if err == nil && n == 0 {
			return passed, unix.ECONNRESET
		}
		passed = append(passed, fds...)
		buf = buf[n:]
	}
	return passed, err
}

// RecvInto is [Recv].
func RecvInto(fd int, buf []byte) (n int, passed []int, err error) {
	if len(buf) == 0 {
		return 0, nil, unix.EINVAL
	}
	var oob [256 + 32]byte
	iov := unix.Iovec{Base: &buf[0]}
	iov.SetLen(len(buf))
	msg := unix.Msghdr{Iov: &iov, Control: &oob[0]}
	msg.SetIovlen(1)
	msg.SetControllen(len(oob))
	n, err = recvmsg(fd, &msg, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err == nil && msg.Controllen > 0 {
		// A copy, so that oob stays on the stack where nothing was passed.
		passed = parseRights(append([]byte(nil), oob[:msg.Controllen]...))
	}
	return n, passed, err
}

// recvmsg has MSG_DONTWAIT in flags: a call that never blocks the runtime need not know of.
func recvmsg(fd int, msg *unix.Msghdr, flags int) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(msg)), uintptr(flags))
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return 0, errno
		}
		return int(n), nil
	}
}

// SendFile sends up to n bytes of f, from its position on, and moves that by as many
// in the same call: whoever has a duplicate of f knows how far it got, though this
// process is killed within.
func SendFile(fd int, f *os.File, n int) (sent int, err error) {
	cerr := control(f, func(from int) error {
		for {
			sent, err = unix.Sendfile(fd, from, nil, n)
			if err != unix.EINTR {
				return nil
			}
		}
	})
	if cerr != nil {
		return 0, cerr
	}
	return max(0, sent), err
}

// Left is how many bytes f has from its position on.
func Left(f *os.File) (int, error) {
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return int(info.Size() - at), nil
}

// SendInto is [Send].
func SendInto(fd int, buf []byte, pass int) (int, error) {
	if len(buf) == 0 {
		return 0, unix.EINVAL
	}
	iov := unix.Iovec{Base: &buf[0]}
	iov.SetLen(len(buf))
	msg := unix.Msghdr{Iov: &iov}
	msg.SetIovlen(1)
	var rights struct {
		head unix.Cmsghdr
		fd   int32
		_    int32
	}
	if pass >= 0 {
		rights.head.Level, rights.head.Type = unix.SOL_SOCKET, unix.SCM_RIGHTS
		rights.head.SetLen(unix.CmsgLen(4))
		rights.fd = int32(pass)
		msg.Control = (*byte)(unsafe.Pointer(&rights))
		msg.SetControllen(unix.CmsgSpace(4))
	}
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return 0, errno
		}
		return int(n), nil
	}
}

// SocketKind says what a descriptor is, as far as a receiver of it cares.
type SocketKind struct {
	Family    int // syscall.AF_INET, AF_INET6, AF_UNIX; 0 when it is no socket
	Type      int // syscall.SOCK_STREAM, SOCK_DGRAM, …
	Listening bool
	Connected bool
	Bound     bool // has a local port (TCP, UDP) or name (Unix)
}

// InspectSocket tells what fd is. What is no socket has the zero kind.
func InspectSocket(fd int) (SocketKind, error) {
	var k SocketKind
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err == unix.ENOTSOCK {
		return k, nil
	}
	if err != nil {
		return k, err
	}
	k.Family = family
	if k.Type, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		return k, err
	}
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	k.Listening = err == nil && listening != 0
	if _, err := unix.Getpeername(fd); err == nil {
		k.Connected = true
	}
	switch local, _ := unix.Getsockname(fd); local := local.(type) {
	case *unix.SockaddrInet4:
		k.Bound = local.Port != 0
	case *unix.SockaddrInet6:
		k.Bound = local.Port != 0
	case *unix.SockaddrUnix:
		k.Bound = local.Name != ""
	}
	return k, nil
}

// StreamSocket tells whether fd is a TCP or Unix stream socket, in one call
// less than [InspectSocket] would need for it.
func StreamSocket(fd int) bool {
	typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || typ != unix.SOCK_STREAM {
		return false
	}
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	return err == nil && (family == unix.AF_INET || family == unix.AF_INET6 || family == unix.AF_UNIX)
}

// EnsureNonblock sets O_NONBLOCK on the open file description of fd unless it is set.
func EnsureNonblock(fd int) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK != 0 {
		return err
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags|unix.O_NONBLOCK)
	return err
}

// IsWouldBlock tells that a call could not go on without blocking.
func IsWouldBlock(err error) bool { return err == syscall.EAGAIN }

// IsHangup tells that the other end of a stream socket is gone.
func IsHangup(err error) bool { return err == syscall.ECONNRESET || err == syscall.EPIPE }

// PeerDone tells that the other end of the stream socket fd will write no more.
func PeerDone(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	for {
		n, err := unix.Poll(p, 0)
		if err != unix.EINTR {
			return err == nil && n > 0
		}
	}
}
