//go:build !linux

package sys

import "os"

func OutputEnd(*os.File) (*os.File, error)                 { return nil, ErrUnsupported }
func OutputPipe(string) (ours, theirs *os.File, err error) { return nil, nil, ErrUnsupported }
func GrowPipe(int, int) error                              { return ErrUnsupported }
func ReadOnce(int, []byte) (int, error)                    { return 0, ErrUnsupported }
func WriteOnce(int, []byte) (int, error)                   { return 0, ErrUnsupported }
func Links(int) (links, size int64, regular bool, err error) {
	return 0, 0, false, ErrUnsupported
}

// OpenNonblock is no flag on this system.
const OpenNonblock = 0

// ReadableOnce asks for one event.
const ReadableOnce Interest = 4
