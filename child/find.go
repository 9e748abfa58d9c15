package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tendproc/tend/internal/procs"
)

// Member is a process of a tree at one moment.
type Member struct {
	PID, PPID int
	Name      string        // as the kernel has it: at most 15 bytes
	Start     time.Duration // since boot; with PID it names the process for good
}

// Tree lists the live processes of the tree, parents before children: the process
// itself, and all that it started (see the package comment). It is empty when
// nothing is left. What forks meanwhile may be missed.
func (p *Process) Tree() ([]Member, error) {
	s := p.scanner()
	if err := s.scan(); err != nil {
		return nil, fmt.Errorf("list the tree of process %d: %w", p.pid, err)
	}
	list := make([]Member, 0, len(s.members))
	for i := range s.members {
		st := &s.members[i]
		list = append(list, Member{PID: st.PID, PPID: st.PPID, Name: st.Comm(), Start: st.Start})
	}
	return list, nil
}

// Find lists the processes that are called name, as pidof and pgrep -x find them:
// by the kernel's name, the program's (argv[0] or the last element of it), or the
// title that a process gave itself, whole or its first word. This process and its
// ancestors are not among them. [Adopt] makes a Process of what was found; its tree
// is what is below it, its group and its sessions, for nobody gave it a marker.
func Find(name string) ([]Identity, error) {
	found, err := procs.Find(name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	var r procs.Reader
	apart := map[int]bool{}
	for pid := os.Getpid(); pid > 0 && !apart[pid]; {
		apart[pid] = true
		st, err := r.Stat(pid)
		if err != nil {
			break
		}
		pid = st.PPID
	}
	list := make([]Identity, 0, len(found))
	for i := range found {
		st := &found[i].Stat
		if apart[st.PID] {
			continue
		}
		// The marker that it has may be that of a larger tree, so none is looked for.
		id := Identity{PID: st.PID, Start: st.Start, Tree: newTree(), Session: st.SID}
		if st.SID == st.PID { // the session began with it
			id.Session = 0
		}
		list = append(list, id)
	}
	return list, nil
}

// StopNamed ends all processes that are called name (see [Find]), each with what it
// started, all at once, as [Process.Stop] does. It returns those that were there,
// none if none was; the error joins a [*SweepError] for each that is left.
func StopNamed(ctx context.Context, name string, o StopOptions) ([]Identity, error) {
	found, err := Find(name)
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(found))
	var all sync.WaitGroup
	for i, id := range found {
		all.Go(func() {
			p, err := Adopt(Adoption{Identity: id})
			if errors.Is(err, os.ErrProcessDone) {
				return
			}
			if err == nil {
				_, err = p.Stop(ctx, o)
				p.Close()
			}
			errs[i] = err
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return found, fmt.Errorf("stop %s: %w", name, err)
	}
	return found, nil
}
