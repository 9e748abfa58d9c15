//go:build !linux

package sys

import (
	"os"
	"syscall"
)

// SelfPath names nothing on this system.
const SelfPath = ""

// Part says how to start another process of tend itself.
type Part struct {
	Program *os.File
	Argv    []string
	Env     []string
	Files   []*os.File
	Session bool
}

// PartProcess is not there on this system.
type PartProcess struct{ PID int }

func Exec(*os.File, []*os.File, func([]int) []string, []string) error { return ErrUnsupported }

func AttachPart(int, int) *PartProcess { return nil }

func StartPart(Part) (*PartProcess, error)             { return nil, ErrUnsupported }
func (*PartProcess) Signal(syscall.Signal) error       { return ErrUnsupported }
func (*PartProcess) Wait() (syscall.WaitStatus, error) { return 0, ErrUnsupported }
func (*PartProcess) Close()                            {}
func (*PartProcess) FD() int                           { return -1 }
