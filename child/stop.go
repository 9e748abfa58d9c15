package child

import (
	"context"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"
)

// killWait is how long [Process.Stop] waits after SIGKILL. A process in an
// uninterruptible sleep (a dead network disk) takes as long as it likes.
const killWait = 10 * time.Second

// StopOptions says how to end a process. The zero value ends it at once.
type StopOptions struct {
	Signal syscall.Signal // the polite one; 0 means SIGTERM
	// Grace is the time between the polite signal and SIGKILL. 0 means SIGKILL at once.
	Grace time.Duration
	// Tree sends the polite signal to the whole tree, the deepest first, and
	// gives all of it the grace; else the process alone is asked, and what it
	// leaves is killed when it ends.
	Tree bool
	// First asks the process to end in another way, instead of the signal. If
	// it fails the signal is sent.
	First func() error
}

// Stop ends the process and its whole tree: the polite signal, the grace, then
// SIGKILL to all that is left. The end of ctx ends the grace, no more: Stop
// returns when nothing of the tree is left, or with a [*SweepError].
func (p *Process) Stop(ctx context.Context, o StopOptions) (Exit, error) {
	s := p.scanner()
	if o.Grace > 0 {
		grace, cancel := context.WithTimeout(ctx, o.Grace)
		p.ask(grace, s, o)
		cancel()
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), killWait)
	defer cancel()
	if err := p.sweep(last, s); err != nil {
		return p.Exit(), err
	}
	return p.Wait(last)
}

// ask does the polite part: it returns when the process (and its tree, if that
// was asked too) has ended, or when the grace is over.
func (p *Process) ask(grace context.Context, s *scanner, o StopOptions) {
	sig := o.Signal
	if sig == 0 {
		sig = syscall.SIGTERM
	}
	asked := o.First != nil && o.First() == nil
	switch {
	case asked:
	case o.Tree:
		told := map[int]startTime{}
		if s.scan() != nil || s.signal(sig, told) != nil {
			p.Signal(sig)
		}
		p.leave(grace, s, told, sig)
		return
	default:
		p.Signal(sig)
	}
	if _, err := p.Wait(grace); err == nil && o.Tree {
		p.leave(grace, s, map[int]startTime{}, sig)
	}
}

// leave waits for the whole tree, and tells those that turn up late.
func (p *Process) leave(grace context.Context, s *scanner, told map[int]startTime, sig syscall.Signal) {
	if _, err := p.Wait(grace); err != nil {
		return
	}
	for s.empty < emptyScans && grace.Err() == nil {
		if s.scan() != nil || len(s.members) == 0 && s.grouped {
			return // the sweep sees to it, and to a group of which nobody is found
		}
		s.judge()
		s.signal(sig, told)
		if s.await(grace) != nil {
			return
		}
	}
}

// SignalTree sends sig to every process of the tree, the deepest first. What is
// forked meanwhile may be missed; [Process.Stop] and [Process.Sweep] look
// again. It returns os.ErrProcessDone if nothing of the tree is left.
func (p *Process) SignalTree(sig syscall.Signal) error {
	s := p.scanner()
	if err := s.scan(); err != nil {
		return err
	}
	if len(s.members) == 0 {
		return os.ErrProcessDone
	}
	return s.signal(sig, nil)
}

// Sweep kills all of the tree, which is mostly called for when the process
// itself has ended, and returns when nothing is left: at once if nothing was.
// Zombies that only their parent can reap count as gone. The error is a
// [*SweepError].
func (p *Process) Sweep(ctx context.Context) error { return p.sweep(ctx, p.scanner()) }

func (p *Process) sweep(ctx context.Context, s *scanner) error {
	for s.empty < emptyScans {
		if err := s.kill(ctx); err != nil {
			return &SweepError{PIDs: s.pidsLeft(), Err: err}
		}
		if len(s.members) > 0 && ctx.Err() != nil {
			return &SweepError{PIDs: s.pidsLeft(), Err: context.Cause(ctx)} // they come faster than they go
		}
		s.judge()
	}
	if len(s.known.denied) > 0 {
		return &SweepError{PIDs: slices.Sorted(maps.Keys(s.known.denied)), Err: ErrSurvivors}
	}
	select {
	case <-p.exited:
		p.fd.Close() // no group is left that its number could mean
	default:
	}
	return nil
}
