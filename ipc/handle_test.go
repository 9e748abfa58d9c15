package ipc

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// source is something with a socket, and what the receiver gets of it.
type source struct {
	name string
	conn syscall.Conn
	typ  HandleType
	kind string // as the receiver's %T has it
}

// sources makes one of everything that NewHandle takes, and a file of each.
func sources(t *testing.T) (all []source) {
	t.Helper()
	must := func(v any, err error) syscall.Conn {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { v.(interface{ Close() error }).Close() })
		return v.(syscall.Conn)
	}
	path := filepath.Join(t.TempDir(), "s")
	tcp := tcpListener(t)
	unix := must(net.Listen("unix", path))
	all = []source{
		{"TCPListener", tcp, NetServer, "*net.TCPListener"},
		{"TCPConn", must(net.Dial("tcp", tcp.Addr().String())), NetSocket, "*net.TCPConn"},
		{"UnixListener", unix, NetServer, "*net.UnixListener"},
		{"UnixConn", must(net.Dial("unix", path)), NetSocket, "*net.UnixConn"},
		{"UDPConn 4", must(net.ListenPacket("udp4", "127.0.0.1:0")), DgramSocket, "*net.UDPConn"},
		{"UDPConn 6", must(net.ListenPacket("udp6", "[::1]:0")), DgramSocket, "*net.UDPConn"},
		{"UDPConn connected", must(net.Dial("udp4", "127.0.0.1:9")), DgramSocket, "*net.UDPConn"},
	}
	for _, s := range all {
		f := must(s.conn.(interface{ File() (*os.File, error) }).File())
		all = append(all, source{"File of " + s.name, f, s.typ, s.kind})
	}
	return all
}

// TestHandleOfEachSource: what has a socket arrives as what it is, in either
// serialization, and stays the sender's or not as it wants.
func TestHandleOfEachSource(t *testing.T) {
	for _, s := range []Serialization{JSON, Advanced} {
		for _, native := range []bool{false, true} {
			a, b := channels(t, ConnOptions{Serialization: s})
			for _, src := range sources(t) {
				h, err := NewHandle(src.conn)
				if err != nil || h.Type != src.typ {
					t.Fatalf("%s: %v, %v", src.name, h, err)
				}
				if native {
					h.Type = NetNative
					if src.typ == DgramSocket {
						h.Type = DgramNative
					}
				}
				kept := native
				var wg sync.WaitGroup
				wg.Go(func() {
					if err := a.SendHandle(deadline(t), src.name, h, kept); err != nil {
						t.Errorf("%s: %v", src.name, err)
					}
				})
				m, err := b.Receive(deadline(t))
				if err != nil || m.Handle == nil || m.Handle.Type != h.Type || !native && m.Handle.DgramType != h.DgramType {
					t.Fatalf("%s: %+v, %v", src.name, m, err)
				}
				wg.Wait()
				if got := opened(t, m.Handle, src.typ); got != src.kind {
					t.Errorf("%s became %s", src.name, got)
				}
				open := h.control(func(int) error { return nil }) == nil
				if want := kept || src.typ != NetSocket; open != want {
					t.Errorf("%s is open at the sender: %v", src.name, open)
				}
			}
		}
	}
}

// opened makes of h what it is and says what that was.
func opened(t *testing.T, h *Handle, typ HandleType) string {
	t.Helper()
	var v interface{ Close() error }
	var err error
	switch typ {
	case NetServer:
		v, err = h.Listener()
	case NetSocket:
		v, err = h.Conn()
	default:
		v, err = h.PacketConn()
	}
	if err != nil {
		t.Error(err)
		return ""
	}
	v.Close()
	return fmt.Sprintf("%T", v)
}

// TestHandleOfNoSocket: what a Node would die of, or could not use, is refused.
func TestHandleOfNoSocket(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	packets, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "g"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	for _, c := range []syscall.Conn{r, packets} {
		if h, err := NewHandle(c); err == nil {
			t.Errorf("%T became a %s", c, h.Type)
		}
	}
}
