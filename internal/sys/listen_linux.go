package sys

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Bind says where and how a socket is bound. A Path makes it a Unix socket; one
// that begins with a NUL byte is an abstract name.
type Bind struct {
	Addr      netip.Addr
	Port      int
	Path      string
	Mode      fs.FileMode // permission bits added to those of the Unix socket's file
	V6Only    bool        // Addr is IPv6: do not take IPv4 as well
	ReuseAddr bool
	ReusePort bool
}

// longest path that fits into a sockaddr_un with its NUL.
const maxBindPath = 107

// ListenStream returns a listening stream socket, non-blocking, close-on-exec
// and owned by the caller. It is never an MPTCP socket.
func ListenStream(b Bind, backlog int) (fd int, err error) {
	fd, err = bindSocket(b, unix.SOCK_STREAM)
	if err != nil {
		return -1, err
	}
	if err := unix.Listen(fd, backlog); err != nil {
		unix.Close(fd)
		RemoveSocketFile(b.Path)
		return -1, os.NewSyscallError("listen", err)
	}
	return fd, nil
}

// BindDatagram returns a bound UDP socket, non-blocking, close-on-exec and
// owned by the caller.
func BindDatagram(b Bind) (fd int, err error) { return bindSocket(b, unix.SOCK_DGRAM) }

func bindSocket(b Bind, kind int) (fd int, err error) {
	address, err := sockaddr(b)
	if err != nil {
		return -1, err
	}
	family := unix.AF_UNIX
	switch address.(type) {
	case *unix.SockaddrInet4:
		family = unix.AF_INET
	case *unix.SockaddrInet6:
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := setBindOptions(fd, family, b); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if family == unix.AF_UNIX {
		err = bindPath(fd, b)
	} else {
		err = os.NewSyscallError("bind", unix.Bind(fd, address))
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func sockaddr(b Bind) (unix.Sockaddr, error) {
	switch {
	case b.Path != "":
		return &unix.SockaddrUnix{}, nil
	case b.Port < 0 || b.Port > 65535:
		return nil, os.NewSyscallError("bind", unix.EINVAL)
	case b.Addr.Is4():
		return &unix.SockaddrInet4{Port: b.Port, Addr: b.Addr.As4()}, nil
	case b.Addr.Is6():
		return &unix.SockaddrInet6{Port: b.Port, Addr: b.Addr.As16(), ZoneId: zoneID(b.Addr.Zone())}, nil
	}
	return nil, os.NewSyscallError("bind", unix.EINVAL)
}

func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if ifi, err := net.InterfaceByName(zone); err == nil {
		return uint32(ifi.Index)
	}
	n, _ := strconv.ParseUint(zone, 10, 32)
	return uint32(n)
}

func setBindOptions(fd, family int, b Bind) error {
	set := func(level, option, value int) error {
		return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, value))
	}
	var err error
	if family == unix.AF_INET6 {
		v6only := 0
		if b.V6Only {
			v6only = 1
		}
		err = set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, v6only)
	}
	if err == nil && b.ReuseAddr {
		err = set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if err == nil && b.ReusePort {
		err = set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	return err
}

// bindPath binds a Unix socket. A file left behind by a socket that nobody
// serves any more is replaced; one that answers is EADDRINUSE.
func bindPath(fd int, b Bind) error {
	if b.Path[0] == 0 {
		// x/sys takes a leading @ for the NUL byte.
		return os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrUnix{Name: "@" + b.Path[1:]}))
	}
	short, done, err := shortPath(b.Path)
	if err != nil {
		return err
	}
	defer done()
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: short})
	if err == unix.EADDRINUSE && deserted(short) && unix.Unlink(short) == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: short})
	}
	if err != nil {
		return os.NewSyscallError("bind", err)
	}
	if b.Mode == 0 {
		return nil
	}
	info, err := os.Lstat(short)
	if err == nil {
		err = os.Chmod(short, info.Mode().Perm()|b.Mode.Perm())
	}
	if err != nil {
		unix.Unlink(short)
	}
	return err
}

// shortPath returns a name of path that fits into a socket address: itself, or
// one by way of an open folder. It is valid until done.
func shortPath(path string) (short string, done func(), err error) {
	if len(path) <= maxBindPath {
		return path, func() {}, nil
	}
	folder, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, os.NewSyscallError("bind", err)
	}
	short = "/proc/self/fd/" + strconv.Itoa(folder) + "/" + filepath.Base(path)
	if len(short) > maxBindPath {
		unix.Close(folder)
		return "", nil, os.NewSyscallError("bind", unix.ENAMETOOLONG)
	}
	return short, func() { unix.Close(folder) }, nil
}

// deserted reports whether path is a socket that nobody listens on.
func deserted(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return false
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path}) == unix.ECONNREFUSED
}

// RemoveSocketFile removes the file of a Unix socket, if path names a socket.
// Abstract names have no file.
func RemoveSocketFile(path string) {
	if path == "" || path[0] == 0 {
		return
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
		unix.Unlink(path)
	}
}

// SocketFile identifies the file at path by device and inode; zero when there
// is none. It tells a socket's own file from another that took its name.
func SocketFile(path string) (id [2]uint64) {
	var st unix.Stat_t
	if path == "" || path[0] == 0 || unix.Lstat(path, &st) != nil {
		return id
	}
	return [2]uint64{uint64(st.Dev), st.Ino}
}

// LocalAddr returns the address that the IP socket fd is bound to; for a Unix
// socket it is not valid.
func LocalAddr(fd int) (netip.AddrPort, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, os.NewSyscallError("getsockname", err)
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), nil
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(a.Addr)
		if a.ZoneId != 0 {
			addr = addr.WithZone(strconv.Itoa(int(a.ZoneId)))
		}
		return netip.AddrPortFrom(addr, uint16(a.Port)), nil
	}
	return netip.AddrPort{}, nil
}

// DeferAccept has the listening TCP socket fd keep a connection to itself until
// the client has said something, a second at most (TCP_DEFER_ACCEPT, tcp(7)): it can
// then be looked at as soon as it is accepted. On another socket it does nothing.
func DeferAccept(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1) }

// Listen makes the bound stream socket fd listen, or changes its backlog.
func Listen(fd, backlog int) error { return os.NewSyscallError("listen", unix.Listen(fd, backlog)) }

// Shortage reports whether err is a shortage that passes by itself: too many
// descriptors open, or too many of this user's on their way between processes.
func Shortage(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ETOOMANYREFS) ||
		errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}

// AcceptConn is Accept without asking who connected, for a loop that accepts
// all day.
func AcceptConn(fd int) (conn int, err error) {
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return int(r), nil
		case unix.EINTR, unix.ECONNABORTED:
			continue
		}
		return -1, errno
	}
}
