//go:build !linux

package sys

import (
	"context"
	"os"
	"syscall"
	"time"
)

// Spawn says what to start.
type Spawn struct {
	Path       string
	Argv       []string
	Env        []string
	Dir        string
	Files      []int
	Session    bool
	Credential *syscall.Credential
	Cgroup     int
	Around     func(fork func() error) error
}

func (Spawn) Start() (int, *PidFD, error) { return 0, nil, ErrUnsupported }

// PidFD is not there on this system.
type PidFD struct{}

func OpenPidFD(int) (*PidFD, error)                { return nil, ErrUnsupported }
func (*PidFD) Wait() (syscall.WaitStatus, error)   { return 0, ErrUnsupported }
func TakePidFD(int) (*PidFD, error)                { return nil, ErrUnsupported }
func (*PidFD) WaitEnd() error                      { return ErrUnsupported }
func (*PidFD) Control(func(int)) error             { return ErrUnsupported }
func (*PidFD) TryReap() (syscall.WaitStatus, bool) { return 0, false }
func ChildEnded(int) bool                          { return false }
func Holders(int) (int, error)                     { return 0, ErrUnsupported }
func (*PidFD) Ended(context.Context) error         { return ErrUnsupported }
func (*PidFD) Signal(syscall.Signal) error         { return ErrUnsupported }
func (*PidFD) SignalGroup(syscall.Signal) error    { return ErrUnsupported }
func (*PidFD) Close() error                        { return nil }
func IsSubreaper() bool                            { return false }
func SessionID() int                               { return -1 }
func SinceBoot() time.Duration                     { return 0 }
func MakeBlocking(int) error                       { return ErrUnsupported }
func FDOpen(int) bool                              { return false }
func ReadProc([]byte, []byte) (int, error)         { return 0, ErrUnsupported }
func ReadProcDir([]byte, func(int, uint64)) error  { return ErrUnsupported }
func LastPID() int                                 { return 0 }
func Processes() int                               { return 0 }
func GroupEmpty(int) bool                          { return true }

func ChildPipe(string, bool) (ours, theirs *os.File, err error) { return nil, nil, ErrUnsupported }
