package child

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/ipc"
)

// Exit says how a process ended.
type Exit struct {
	Code   int            // -1 if ended by a signal
	Signal syscall.Signal // 0 if it exited by itself
	Core   bool           // it left a core dump
}

// String gives it as people say it: "exit 1", "SIGSEGV (core dumped)".
func (e Exit) String() string {
	if e.Signal == 0 {
		return "exit " + itoa(e.Code)
	}
	if e.Core {
		return sys.SignalName(e.Signal) + " (core dumped)"
	}
	return sys.SignalName(e.Signal)
}

// Process is a started child. Its methods may be called from any goroutine.
type Process struct {
	pid   int
	start startTime // with pid, names the process for good
	tree  string    // value of MarkerVar
	home  int       // the session this process was in at the start: not one of the tree's own
	fd    *sys.PidFD
	pipes map[int]*os.File
	conn  atomic.Pointer[ipc.Conn]

	mu       sync.Mutex        // guards sessions
	sessions map[int]startTime // started inside the tree, and when that was last seen

	status func(pid int) (Exit, bool) // tells how one ended that is not our child; may be nil
	lent   bool                       // a child that somebody else in this process reaps

	exited chan struct{} // closed by watch, after exit and grouped are set
	exit   Exit
	// grouped tells that members of the process group outlived the process.
	// Then fd stays open, so that the group's number means this group.
	grouped bool
}

// Start starts a child. The error is a [*StartError] that says what was at
// fault; then nothing is left behind.
func Start(cmd Command) (*Process, error) {
	plan, err := cmd.plan()
	if err != nil {
		return nil, err
	}
	defer plan.closeTheirs()
	p := &Process{
		tree: plan.tree, home: sys.SessionID(),
		pipes: plan.pipes, sessions: map[int]startTime{}, exited: make(chan struct{}),
	}
	pid, err := own.start(p, func() (pid int, err error) {
		p.pid, p.fd, err = plan.spawn.Start()
		return p.pid, err
	})
	if err != nil {
		plan.closeOurs()
		return nil, cmd.diagnose(plan.spawn, err)
	}
	p.conn.Store(plan.conn)
	var r procs.Reader
	if s, err := r.Stat(pid); err == nil { // it is there, a zombie at the least
		p.start = s.Start
	}
	go p.watch()
	return p, nil
}

// watch is the one goroutine that waits for the process. It ends with it.
func (p *Process) watch() {
	p.exit = p.end()
	own.reaped(p)
	err := p.fd.SignalGroup(0)
	p.grouped = err == nil || errors.Is(err, syscall.EPERM) || errors.Is(err, sys.ErrUnsupported) && !sys.GroupEmpty(p.pid)
	if !p.grouped {
		p.fd.Close()
	}
	close(p.exited)
}

// end waits for the end, and reaps the process if it is ours to reap.
func (p *Process) end() Exit {
	if !p.lent {
		if status, err := p.fd.Wait(); err == nil {
			return ExitOf(status)
		}
	}
	return p.reported()
}

// reported waits for the end of a process that somebody else reaps, and returns
// what is told of it.
func (p *Process) reported() Exit {
	_ = p.fd.WaitEnd() // an error: it cannot be waited for, so it counts as gone
	if p.status != nil {
		if exit, ok := p.status(p.pid); ok {
			return exit
		}
	}
	return Exit{Code: -1}
}

// ExitOf says in our words what wait(2) tells.
func ExitOf(status syscall.WaitStatus) Exit {
	if status.Signaled() {
		return Exit{Code: -1, Signal: status.Signal(), Core: status.CoreDump()}
	}
	return Exit{Code: status.ExitStatus()}
}

// PID is the process's number. After [Process.Exited] it may be another's.
func (p *Process) PID() int { return p.pid }

// Exited is closed when the process has ended and is reaped. What it started
// may still be there, see [Process.Sweep].
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Exit says how the process ended; the zero Exit while it runs.
func (p *Process) Exit() Exit {
	select {
	case <-p.exited:
		return p.exit
	default:
		return Exit{}
	}
}

// Wait parks until the process has ended or ctx is done. It may be called any
// number of times.
func (p *Process) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-p.exited:
		return p.exit, nil
	case <-ctx.Done():
		return Exit{}, context.Cause(ctx)
	}
}

// Signal sends sig to the process alone: os.ErrProcessDone after its end.
func (p *Process) Signal(sig syscall.Signal) error {
	select {
	case <-p.exited:
		return os.ErrProcessDone
	default:
		return p.fd.Signal(sig)
	}
}

// Pipe returns this process's end of the [Pipe] at fd, nil where there is none.
// It is the caller's to close.
func (p *Process) Pipe(fd int) *os.File { return p.pipes[fd] }

// Conn returns this process's end of the channel to the first caller, who owns
// it from then on; nil to all others, and where there is none.
func (p *Process) Conn() *ipc.Conn { return p.conn.Swap(nil) }

// Close closes the pipes, and the channel if nobody took it. It does not end
// the process. It may be called more than once. After it, [Process.Sweep] knows
// strays of an ended process by their marker alone.
func (p *Process) Close() error {
	var errs []error
	for _, f := range p.pipes {
		if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if c := p.Conn(); c != nil {
		errs = append(errs, c.Close())
	}
	select {
	case <-p.exited:
		p.fd.Close()
	default:
	}
	return errors.Join(errs...)
}
