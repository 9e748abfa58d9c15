package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/internal/wire"
)

// IsWorker reports whether a primary started this process as a cluster worker.
func IsWorker() bool { return self() != nil }

// WorkerID is the number the primary gave this worker, 0 without one.
func WorkerID() uint64 {
	if m := self(); m != nil {
		return m.id
	}
	return 0
}

// Listen is net.Listen on a socket that the primary shares among its workers,
// for the networks tcp, tcp4, tcp6 and unix. Without a primary it is the socket
// with that address that the process inherited (LISTEN_FDS, sd_listen_fds(3)), if
// there is one; else, and for other networks, it is net.Listen. Closing a connection tells the primary's worker
// count: connections must be closed through the net.Conn that Accept returned.
func Listen(network, address string) (net.Listener, error) {
	m := self()
	if m == nil {
		if l := inherited().take(network, address); l != nil {
			return l, nil
		}
		return net.Listen(network, address)
	}
	var q wire.Query
	var local net.Addr
	switch network {
	case "tcp", "tcp4", "tcp6":
		tcp, err := net.ResolveTCPAddr(network, address)
		if err != nil {
			return nil, listenError(network, nil, err)
		}
		q, local = tcpQuery(network, tcp), tcp
	case "unix":
		path, err := socketPath(address)
		if err != nil {
			return nil, listenError(network, nil, err)
		}
		q = wire.Query{AddressType: wire.UnixPath, Address: path, HasAddress: true, Port: -1, FD: -1}
		local = &net.UnixAddr{Net: network, Name: address}
	default:
		return net.Listen(network, address)
	}
	s, err := m.listen(q, func(a answer) (*served, error) { return listenerOf(a, q, local) })
	if err != nil {
		return nil, listenError(network, local, err)
	}
	return s, nil
}

// ListenPacket is net.ListenPacket on a socket that the primary shares among
// its workers, for the networks udp, udp4 and udp6: each datagram reaches one of
// them. Without a primary, and for other networks, it is net.ListenPacket. The
// result is a *net.UDPConn or embeds one.
func ListenPacket(network, address string) (net.PacketConn, error) {
	m := self()
	if m == nil || !strings.HasPrefix(network, "udp") {
		return net.ListenPacket(network, address)
	}
	udp, err := net.ResolveUDPAddr(network, address)
	if err != nil {
		return nil, listenError(network, nil, err)
	}
	var conn *net.UDPConn
	q := udpQuery(network, udp)
	s, err := m.listen(q, func(a answer) (s *served, err error) {
		conn, s, err = packetOf(a, q)
		return s, err
	})
	if err != nil {
		return nil, listenError(network, udp, err)
	}
	return &packet{conn, s}, nil
}

// Disconnected is closed when the primary told this worker to go, or is gone:
// the listeners are closed, and it is time to finish. It never is without a
// primary.
func Disconnected() <-chan struct{} {
	if m := self(); m != nil {
		return m.gone
	}
	return nil
}

// Disconnect leaves the cluster of the program's own wish: it closes all
// listeners, waits for the connections they gave to be closed, tells the
// primary and closes the channel. Without a primary it does nothing.
func Disconnect(ctx context.Context) error {
	if m := self(); m != nil {
		return m.disconnect(ctx)
	}
	return nil
}

func listenError(network string, local net.Addr, err error) error {
	return &net.OpError{Op: "listen", Net: network, Addr: local, Err: err}
}

// tcpQuery puts the question as Node would for the same kind of socket.
func tcpQuery(network string, a *net.TCPAddr) wire.Query {
	q := wire.Query{Port: a.Port, AddressType: wire.TCP4, FD: -1, HasFlags: true}
	switch {
	case a.IP == nil && network == "tcp4":
		q.Address, q.HasAddress = "0.0.0.0", true
	case a.IP == nil && network == "tcp6":
		q.Address, q.HasAddress, q.AddressType, q.Flags = "::", true, wire.TCP6, 1
	case a.IP == nil: // both, as no host means to Node
	default:
		q.Address, q.HasAddress = hostOf(a.IP, a.Zone), true
		if a.IP.To4() == nil {
			q.AddressType = wire.TCP6
		}
		if network == "tcp6" {
			q.Flags = 1
		}
	}
	return q
}

func udpQuery(network string, a *net.UDPAddr) wire.Query {
	q := wire.Query{
		Port: a.Port, AddressType: wire.UDP4, FD: -1, HasFD: true, HasFlags: true,
		Address: "0.0.0.0", HasAddress: true,
	}
	switch {
	case a.IP != nil:
		q.Address = hostOf(a.IP, a.Zone)
	case network != "udp4":
		q.Address = "::"
	}
	if strings.Contains(q.Address, ":") {
		q.AddressType = wire.UDP6
		if network == "udp6" {
			q.Flags = 1
		}
	}
	return q
}

func hostOf(ip net.IP, zone string) string {
	if zone != "" {
		return ip.String() + "%" + zone
	}
	return ip.String()
}

// socketPath makes the name of a Unix socket mean the same in the primary.
func socketPath(name string) (string, error) {
	if strings.HasPrefix(name, "@") {
		return "\x00" + name[1:], nil
	}
	return filepath.Abs(name)
}

// listenerOf makes a listener of the primary's answer to q.
func listenerOf(a answer, q wire.Query, local net.Addr) (*served, error) {
	unix := q.AddressType == wire.UnixPath
	if a.handle == nil {
		if unix {
			return newServed(local, -1, nil), nil
		}
		ip, err := netip.ParseAddr(a.local.Address)
		if err != nil {
			return nil, fmt.Errorf("cluster: the primary gave no address: %w", err)
		}
		tcp := net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(a.local.Port)))
		return newServed(tcp, tcp.Port, nil), nil
	}
	port := -1
	err := withFD(a.handle.File, func(fd int) (err error) {
		if !unix {
			if port, err = checkPort(fd, q.Port); err != nil {
				return err
			}
		}
		return sys.Listen(fd, backlog) // a Node primary lends it bound only
	})
	if err != nil {
		return nil, err
	}
	l, err := net.FileListener(a.handle.File)
	if err != nil {
		return nil, err
	}
	a.handle.Close() // l has a duplicate
	lent, ok := l.(lentListener)
	if !ok {
		l.Close()
		return nil, errors.New("cluster: the primary lent a socket of another kind")
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the file is the primary's
	}
	return newServed(l.Addr(), port, lent), nil
}

// packetOf makes a UDP socket of the primary's answer to q.
func packetOf(a answer, q wire.Query) (*net.UDPConn, *served, error) {
	if a.handle == nil {
		return nil, nil, errors.New("cluster: the primary lent no socket")
	}
	port := 0
	err := withFD(a.handle.File, func(fd int) (err error) {
		port, err = checkPort(fd, q.Port)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	c, err := net.FilePacketConn(a.handle.File)
	if err != nil {
		return nil, nil, err
	}
	a.handle.Close() // c has a duplicate
	udp, ok := c.(*net.UDPConn)
	if !ok {
		c.Close()
		return nil, nil, errors.New("cluster: the primary lent a socket of another kind")
	}
	return udp, newServed(udp.LocalAddr(), port, nil), nil
}

// checkPort returns the port of a lent socket. A Node primary lends one that is
// bound to nothing when the port is taken, and reports success.
func checkPort(fd, asked int) (port int, err error) {
	a, err := sys.LocalAddr(fd)
	if err != nil {
		return 0, err
	}
	port = int(a.Port())
	if port == 0 || asked != 0 && port != asked {
		return 0, os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	return port, nil
}

func withFD(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil {
		return err
	}
	return inner
}
