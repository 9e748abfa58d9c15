//go:build !linux

package sys

import (
	"io/fs"
	"net/netip"
	"time"
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
func DeferAccept(int)                       {}

// QuietPoller is not there on this system.
type QuietPoller struct{}

func NewQuietPoller() (*QuietPoller, error)             { return nil, ErrUnsupported }
func (*QuietPoller) Add(int, Interest, uint64) error    { return ErrUnsupported }
func (*QuietPoller) Modify(int, Interest, uint64) error { return ErrUnsupported }
func (*QuietPoller) Remove(int) error                   { return ErrUnsupported }
func (*QuietPoller) Wake()                              {}
func (*QuietPoller) Wait([]Ready) (int, error)          { return 0, ErrUnsupported }
func (*QuietPoller) Close() error                       { return nil }
func Nap(time.Duration)                                 {}
