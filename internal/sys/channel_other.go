//go:build !linux

package sys

import "os"

// SocketKind says what a descriptor is, as far as a receiver of it cares.
type SocketKind struct {
	Family    int
	Type      int
	Listening bool
	Connected bool
	Bound     bool
}

func PeekInto(int, []byte) (int, bool, error)  { return 0, false, ErrUnsupported }
func Discard(int, []byte) ([]int, error)       { return nil, ErrUnsupported }
func RecvInto(int, []byte) (int, []int, error) { return 0, nil, ErrUnsupported }
func SendInto(int, []byte, int) (int, error)   { return 0, ErrUnsupported }
func SendFile(int, *os.File, int) (int, error) { return 0, ErrUnsupported }
func Left(*os.File) (int, error)               { return 0, ErrUnsupported }
func InspectSocket(int) (SocketKind, error)    { return SocketKind{}, ErrUnsupported }
func StreamSocket(int) bool                    { return false }
func EnsureNonblock(int) error                 { return ErrUnsupported }
func IsWouldBlock(error) bool                  { return false }
func IsHangup(error) bool                      { return false }
func PeerDone(int) bool                        { return true }
