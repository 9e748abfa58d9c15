//go:build !linux

package sys

import (
	"errors"
	"os"
	"syscall"
)

// ErrLocked says that someone else holds the lock.
var ErrLocked = errors.New("locked by another process")

func Lock(*os.File, bool) error                           { return ErrUnsupported }
func SetArguments(string) error                           { return ErrUnsupported }
func SetTitle(string) error                               { return ErrUnsupported }
func Subreaper() error                                    { return ErrUnsupported }
func NoSubreaper() error                                  { return ErrUnsupported }
func PacketPair(string) (a, b *os.File, err error)        { return nil, nil, ErrUnsupported }
func Reap() (int, syscall.WaitStatus, bool, error)        { return 0, 0, false, ErrUnsupported }
func SignalChild(int, syscall.Signal) error               { return ErrUnsupported }
func Children() ([]int, error)                            { return nil, ErrUnsupported }
func CloseOnExecFrom(int) error                           { return ErrUnsupported }
func DropCode() error                                     { return ErrUnsupported }
func SocketPath(string, string, func(string) error) error { return ErrUnsupported }
