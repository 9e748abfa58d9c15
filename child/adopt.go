package child

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/internal/sys"
)

// Identity names a process for good, and the tree it is the root of. It is
// plain data: one who has it can [Adopt] the process when its starter is gone.
type Identity struct {
	PID     int           `json:"pid"`
	Start   time.Duration `json:"start"`   // since boot
	Tree    string        `json:"tree"`    // the value of MarkerVar
	Session int           `json:"session"` // the one its starter was in
}

// Adoption says what process to take over.
type Adoption struct {
	Identity

	// FD is a descriptor of the process (pidfd) from the time when it was
	// certain to mean it; Adopt takes it, also on error. Without one the process
	// is found by number and start time.
	FD *os.File

	// Pipes are this side's ends of pipes to the process, as [Process.Pipe]
	// returns them. Adopt takes them, also on error.
	Pipes map[int]*os.File

	// Status is called once, after the end of a process that is not a child of
	// this one, and may block until whoever reaps it has told; it returns false
	// if that is not to be had. Nil is that.
	Status func(pid int) (Exit, bool)
}

// Adopt makes a Process of one that another process started, by [Start] or not:
// a guard that died, or this very process before it executed another program.
// Its methods work as for a child of ours, but for the exit status: of what is
// no child the kernel tells it only to the parent (see Adoption.Status). Nor is that
// of a child taken that somebody in this process has already, as a Process or an
// os.Process. One that has ended can be adopted with its FD; without it the error is
// os.ErrProcessDone.
func Adopt(a Adoption) (*Process, error) {
	fd, lent, err := a.open()
	if err != nil {
		for _, f := range a.Pipes {
			f.Close()
		}
		return nil, fmt.Errorf("adopt process %d: %w", a.PID, err)
	}
	p := &Process{
		pid: a.PID, start: a.Start, tree: a.Tree, home: a.Session, fd: fd, pipes: a.Pipes, status: a.Status, lent: lent,
		sessions: map[int]startTime{}, exited: make(chan struct{}),
	}
	go p.watch()
	return p, nil
}

// open returns a descriptor of the process. lent tells that somebody else in this
// process waits for it.
func (a *Adoption) open() (fd *sys.PidFD, lent bool, err error) {
	if a.FD != nil {
		n, err := dupFile(a.FD)
		a.FD.Close()
		if err != nil {
			return nil, false, err
		}
		fd, err = sys.TakePidFD(n)
		return fd, false, err
	}
	if fd, err = sys.OpenPidFD(a.PID); err != nil {
		return nil, false, os.ErrProcessDone
	}
	var r procs.Reader
	st, err := r.Stat(a.PID)
	if err != nil || st.Start != a.Start || !st.Alive() {
		fd.Close()
		return nil, false, os.ErrProcessDone
	}
	if st.PPID == os.Getpid() {
		holders, err := sys.Holders(a.PID)
		lent = err == nil && holders > 1
	}
	return fd, lent, nil
}

func dupFile(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	cerr := raw.Control(func(from uintptr) { fd, err = sys.Dup(int(from)) })
	return fd, errors.Join(cerr, err)
}

// Identity names the process, for a later [Adopt].
func (p *Process) Identity() Identity {
	return Identity{PID: p.pid, Start: p.start, Tree: p.tree, Session: p.home}
}

// Control calls fn with the number of the process's descriptor (pidfd), which
// is good until fn returns. The error is os.ErrClosed once nothing of the tree is left.
func (p *Process) Control(fn func(pidfd int)) error { return p.fd.Control(fn) }

// FindTree looks among all processes for the root of the tree that carries the
// marker: the oldest of those that have it in their environment. ok is false when
// there is none. It reads the environment of every process that it may read.
func FindTree(marker string) (id Identity, ok bool) {
	var r procs.Reader
	pids, err := r.Pids(nil)
	if err != nil {
		return id, false
	}
	for _, pid := range pids {
		env, err := r.Environ(pid)
		if err != nil {
			continue
		}
		if value, has := procs.Lookup(env, MarkerVar); !has || !carries(value, marker) {
			continue
		}
		st, err := r.Stat(pid)
		if err == nil && st.Alive() && (!ok || st.Start < id.Start) {
			id, ok = Identity{PID: pid, Start: st.Start, Tree: marker, Session: sys.SessionID()}, true
		}
	}
	return id, ok
}
