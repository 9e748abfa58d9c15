//go:build !linux

package sys

import (
	"io/fs"
	"net/netip"
)

// Bind says where and how a socket is bound.
type Bind struct {
	Addr      netip.Addr
	Port      int
	Path      string
	Mode      fs.FileMode
	V6Only    bool
	ReuseAddr bool
	ReusePort bool
}

func ListenStream(Bind, int) (int, error)   { return -1, ErrUnsupported }
func BindDatagram(Bind) (int, error)        { return -1, ErrUnsupported }
func RemoveSocketFile(string)               {}
func SocketFile(string) [2]uint64           { return [2]uint64{} }
func LocalAddr(int) (netip.AddrPort, error) { return netip.AddrPort{}, ErrUnsupported }
func Listen(int, int) error                 { return ErrUnsupported }
func Shortage(error) bool                   { return false }
func Steer(int, []int) error                { return ErrUnsupported }
func AcceptConn(int) (int, error)           { return -1, ErrUnsupported }
