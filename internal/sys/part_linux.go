package sys

import (
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Part says how to start another process of tend itself.
type Part struct {
	Program *os.File // nil is the one that this process runs
	Argv    []string
	Env     []string
	Files   []*os.File // index = descriptor in the process; they stay the caller's
	Session bool       // a session of its own, without terminal
}

// PartProcess is a process that [StartPart] started. The caller reaps it.
type PartProcess struct {
	PID int
	fd  int // the process descriptor
}

// StartPart starts a part of tend, in the root folder.
func StartPart(p Part) (*PartProcess, error) {
	attr := syscall.ProcAttr{Dir: "/", Env: p.Env, Sys: &syscall.SysProcAttr{Setsid: p.Session}}
	for _, f := range p.Files {
		attr.Files = append(attr.Files, f.Fd())
	}
	fd := -1
	attr.Sys.PidFD = &fd
	path := SelfPath
	if p.Program != nil {
		program, err := dupAbove(p.Program, attr.Files)
		if err != nil {
			return nil, err
		}
		defer Close(program)
		path = fdPath(program)
	}
	pid, err := syscall.ForkExec(path, p.Argv, &attr)
	if err != nil {
		return nil, &os.PathError{Op: "fork/exec", Path: path, Err: err}
	}
	return &PartProcess{PID: pid, fd: fd}, nil
}

// dupAbove duplicates a program's descriptor out of the way of those that the new
// process gets: on their way to their numbers they pass through others, the next
// ones above the highest of them.
func dupAbove(program *os.File, files []uintptr) (dup int, err error) {
	above := 2*len(files) + 8 + int(slices.Max(files))
	err = control(program, func(fd int) (err error) {
		dup, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, above)
		return os.NewSyscallError("fcntl", err)
	})
	return dup, err
}

// AttachPart gives a part of tend that somebody else started, by its process
// descriptor, which it takes.
func AttachPart(pid, fd int) *PartProcess { return &PartProcess{PID: pid, fd: fd} }

// FD is the process descriptor, -1 for none. It stays the receiver's.
func (p *PartProcess) FD() int { return p.fd }

// Signal sends sig through the process descriptor, so that it can reach nobody
// else; os.ErrProcessDone when the process has been reaped.
func (p *PartProcess) Signal(sig syscall.Signal) error {
	if p.fd < 0 { // a kernel without process descriptors
		return SignalChild(p.PID, sig)
	}
	err := unix.PidfdSendSignal(p.fd, sig, nil, 0)
	if err == unix.ESRCH {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("pidfd_send_signal", err)
}

// Wait blocks until the process has ended, and reaps it. Only for one that is
// about to end: it holds a thread.
func (p *PartProcess) Wait() (syscall.WaitStatus, error) {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(p.PID, &status, 0, nil)
		if err != syscall.EINTR {
			return status, os.NewSyscallError("wait4", err)
		}
	}
}

// Close releases the process descriptor. The process goes on.
func (p *PartProcess) Close() {
	if p.fd >= 0 {
		unix.Close(p.fd)
		p.fd = -1
	}
}
