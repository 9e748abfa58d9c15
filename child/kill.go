package child

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"

	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/internal/sys"
)

// open gives a descriptor that means just this process; release takes it back.
func (s *scanner) open(st *procs.Stat) (*sys.PidFD, error) {
	if st.PID == s.p.pid {
		return s.p.fd, nil
	}
	fd, err := sys.OpenPidFD(st.PID)
	if err != nil {
		if errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOENT) {
			return nil, errGone // or the number is a thread's
		}
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	if now, err := s.r.Stat(st.PID); err != nil || now.Start != st.Start {
		fd.Close()
		return nil, errGone
	}
	return fd, nil
}

func (s *scanner) release(fd *sys.PidFD) {
	if fd != s.p.fd {
		fd.Close()
	}
}

// signal sends sig to each member once, the deepest first, but not to those in
// done, and notes them there.
func (s *scanner) signal(sig syscall.Signal, done map[int]startTime) error {
	var errs []error
	for i := range slices.Backward(s.members) {
		st := &s.members[i]
		if start, ok := done[st.PID]; ok && start == st.Start {
			continue
		}
		fd, err := s.open(st)
		if err == nil {
			err = fd.Signal(sig)
			s.release(fd)
		}
		if err != nil && !errors.Is(err, errGone) {
			errs = append(errs, err)
		}
		if done != nil {
			done[st.PID] = st.Start
		}
	}
	return errors.Join(errs...)
}

// kills is what a look has killed.
type kills struct {
	held   []*sys.PidFD // of those that it hit
	failed error        // why it could not hit one
}

// kill looks once, kills what it finds, and parks until all that it hit have
// ended. Parents are hit first, so that they stop forking, and each branch as
// soon as it is found: what forks and ends has little time to get away.
func (s *scanner) kill(ctx context.Context) error {
	k := &kills{}
	s.kills = k
	defer func() {
		s.kills = nil
		for _, fd := range k.held {
			s.release(fd)
		}
	}()
	// No fork can slip through this one. It is an extra: what is not in the
	// group, or the kernel too old, is hit when it is found.
	s.p.fd.SignalGroup(syscall.SIGKILL)
	if err := s.look(); err != nil {
		return err
	}
	if k.failed != nil && len(k.held) == 0 {
		return k.failed
	}
	return s.ended(ctx, k.held)
}

// hit sends SIGKILL to st, and holds its descriptor if there are not too many:
// else another look will tell whether it has ended.
func (s *scanner) hit(st *procs.Stat) {
	fd, err := s.open(st)
	if err != nil {
		if !errors.Is(err, errGone) {
			s.kills.failed = err
		}
		return
	}
	if err := fd.Signal(syscall.SIGKILL); errors.Is(err, syscall.EPERM) {
		s.known.denied[st.PID] = st.Start // no look takes it again
		s.release(fd)
		return
	}
	if st.PGID == st.PID {
		fd.SignalGroup(syscall.SIGKILL)
	}
	if len(s.kills.held) == heldMost {
		s.release(fd)
		return
	}
	s.kills.held = append(s.kills.held, fd)
}

// ended parks until all of the processes have ended.
func (s *scanner) ended(ctx context.Context, held []*sys.PidFD) error {
	for _, fd := range held {
		if fd == s.p.fd {
			if _, err := s.p.Wait(ctx); err != nil {
				return err
			}
			continue
		}
		if err := fd.Ended(ctx); err != nil {
			return err
		}
		fd.TryReap() // if this process is the one that inherits orphans
	}
	return nil
}

// await parks until the members there are have ended, or ctx is done.
func (s *scanner) await(ctx context.Context) error {
	for i := range s.members {
		fd, err := s.open(&s.members[i])
		if err != nil {
			continue
		}
		err = s.ended(ctx, []*sys.PidFD{fd})
		s.release(fd)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) pidsLeft() (pids []int) {
	for i := range s.members {
		pids = append(pids, s.members[i].PID)
	}
	return pids
}
