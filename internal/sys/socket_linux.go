package sys

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// MaxPassedFDs is how many descriptors one [Recv] takes. A peer that passes
// more has the rest closed by the kernel.
const MaxPassedFDs = 64

// Socketpair returns two connected AF_UNIX stream sockets, both close-on-exec:
// ours non-blocking, fit for the runtime poller, theirs blocking, as a child
// expects to inherit it. The caller owns both.
func Socketpair(name string) (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name+" (child)"), nil
}

// Peek copies what is readable on the stream socket fd into buf without
// consuming it, and never blocks. Passed descriptors are not installed;
// carriesFD tells that the last of the n bytes came with at least one, and
// then the n bytes end exactly where the kernel would end the read that takes
// it. At the end of the stream n is 0 and err nil; EAGAIN means nothing is there.
func Peek(fd int, buf []byte) (n int, carriesFD bool, err error) {
	for {
		n, _, flags, _, err := unix.RecvmsgBuffers(fd, [][]byte{buf}, nil, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, false, err
		}
		return n, flags&unix.MSG_CTRUNC != 0, nil
	}
}

// Recv consumes up to len(buf) bytes from the stream socket fd, never blocks,
// and returns the descriptors that came with them, close-on-exec; the caller
// owns them. truncated tells that the peer passed more than fit and some were
// lost. At the end of the stream n is 0 and err nil.
func Recv(fd int, buf []byte) (n int, passed []int, truncated bool, err error) {
	var oob [256 + 32]byte
	for {
		n, oobn, flags, _, err := unix.RecvmsgBuffers(fd, [][]byte{buf}, oob[:], unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, nil, false, err
		}
		if oobn > 0 {
			passed = parseRights(oob[:oobn])
		}
		return n, passed, flags&unix.MSG_CTRUNC != 0, nil
	}
}

func parseRights(oob []byte) (fds []int) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for i := range msgs {
		if got, err := unix.ParseUnixRights(&msgs[i]); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}

// Send writes buf to the stream socket fd in one sendmsg, with the descriptor
// pass beside it (none if negative), and never blocks nor raises SIGPIPE. It
// returns how many bytes the kernel took: the descriptor went with the first of
// them. Up to 32 KiB it is all or nothing (EAGAIN) on a Unix stream socket.
// pass stays the caller's.
func Send(fd int, buf []byte, pass int) (n int, err error) {
	var oob []byte
	if pass >= 0 {
		oob = unix.UnixRights(pass)
	}
	for {
		n, err := unix.SendmsgBuffers(fd, [][]byte{buf}, oob, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		return n, err
	}
}

// Accept takes one connection from the listening socket fd: non-blocking and
// close-on-exec, owned by the caller. EAGAIN means that none waits.
func Accept(fd int) (conn int, err error) {
	for {
		conn, _, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err == unix.EINTR || err == unix.ECONNABORTED {
			continue
		}
		return conn, err
	}
}

// Close closes a raw descriptor. Descriptors wrapped in an *os.File are closed there.
func Close(fd int) error { return unix.Close(fd) }

// Dup returns a close-on-exec duplicate of fd, owned by the caller.
func Dup(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }

// SetNonblock sets O_NONBLOCK on the open file description of fd.
func SetNonblock(fd int) error { return unix.SetNonblock(fd, true) }

// PeerUID returns the user id of the process at the other end of the connected
// Unix socket fd, as it was when it connected (SO_PEERCRED, unix(7)).
func PeerUID(fd int) (uid int, err error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(cred.Uid), nil
}

// SetBlocking clears O_NONBLOCK on the open file description of fd.
func SetBlocking(fd int) error { return os.NewSyscallError("fcntl", unix.SetNonblock(fd, false)) }

// PassCredentials has the kernel say who sent each datagram to fd (SO_PASSCRED, unix(7)).
func PassCredentials(fd int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
}

// SenderUID reads that from the control messages of a datagram.
func SenderUID(control []byte) (uid int, ok bool) {
	list, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, false
	}
	for i := range list {
		if cred, err := unix.ParseUnixCredentials(&list[i]); err == nil {
			return int(cred.Uid), true
		}
	}
	return 0, false
}

// StopListening ends a listening socket in every process that has it: its address
// is free for who binds with SO_REUSEADDR, and connections are refused.
func StopListening(fd int) { _ = unix.Shutdown(fd, unix.SHUT_RDWR) }
