package cluster

import (
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// firstInherited is the number of the first socket (sd_listen_fds(3)).
const firstInherited = 3

// inherited are the listening sockets that this process was given at its start,
// by tend (--listen) or by systemd, and that nobody has asked for yet.
var inherited = sync.OnceValue(func() *bequest { return inherit(os.Getpid(), os.Getenv) })

type bequest struct {
	mu   sync.Mutex // guards list
	list []net.Listener
}

// inherit reads LISTEN_PID and LISTEN_FDS.
func inherit(pid int, env func(string) string) *bequest {
	b := new(bequest)
	n, err := strconv.Atoi(env("LISTEN_FDS"))
	if err != nil || env("LISTEN_PID") != strconv.Itoa(pid) {
		return b
	}
	for fd := firstInherited; fd < firstInherited+n; fd++ {
		syscall.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), "inherited")
		if f == nil {
			continue
		}
		// Those that are no listeners are left as they are.
		if l, err := net.FileListener(f); err == nil {
			b.list = append(b.list, l)
			f.Close()
		}
	}
	return b
}

// take returns the socket that listens where Listen was asked to, nil if there is none.
func (b *bequest) take(network, address string) net.Listener {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, l := range b.list {
		if serves(l.Addr(), network, address) {
			b.list = append(b.list[:i], b.list[i+1:]...)
			return l
		}
	}
	return nil
}

func serves(has net.Addr, network, address string) bool {
	switch has := has.(type) {
	case *net.UnixAddr:
		return network == "unix" && has.Name == address
	case *net.TCPAddr:
		want, err := net.ResolveTCPAddr(network, address)
		if err != nil || want.Port != has.Port {
			return false
		}
		if want.IP == nil || want.IP.IsUnspecified() {
			return has.IP.IsUnspecified()
		}
		return want.IP.Equal(has.IP)
	}
	return false
}
