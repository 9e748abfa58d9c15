package child

import (
	"context"
	"errors"
	"maps"
	"math"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/internal/sys"
)

// heldMost bounds the process descriptors that a scan holds at once.
const heldMost = 256

// emptyScans is how many scans in a row must find nothing while other processes
// fork: one could slip from an unread list to a read one. Without any fork
// meanwhile, one is enough.
const emptyScans = 3

// A process in the midst of exec shows neither environment nor arguments; one
// that ended after its name was read may have left orphans that were not yet on
// the list. A scan that meets either looks again, for at most execWait times
// execTries: from a slow disk an exec may take a while.
const (
	execWait  = time.Millisecond
	execTries = 200
)

// errGone: the process ended, its number may be another's.
var errGone = os.ErrProcessDone

// forever is later than any start.
const forever = startTime(math.MaxInt64)

// scanner finds what belongs to the tree of one process. One call of Stop,
// Sweep or SignalTree has one; it is not for concurrent use.
//
// An orphan is re-parented to pid 1 or to a subreaper among its ancestors: one
// in the tree, or one above this process. So the tree is whatever is below the
// root, and below those children of the reapers that are known by their group,
// their session or their marker. Nothing else is looked at: in the usual case
// of no stray that is a handful of small reads, however many processes there are.
type scanner struct {
	p       *Process
	r       procs.Reader
	marker  string
	apart   map[int]bool // this process, its ancestors and pid 1: never hit
	reapers []procs.Stat
	// sessions were started inside the tree. Who is in one and no younger than
	// the value belongs to the tree, since the number was not used anew by then.
	sessions map[int]startTime
	dead     map[int]startTime // orphans that had ended when last looked at
	denied   map[int]startTime
	wide     bool         // look at all processes, as where the kernel lists no children
	table    *procs.Table // all processes, if so
	unsure   bool         // the last look met a process in the midst of exec or exit

	members []procs.Stat // found by the last scan, parents before children
	seen    map[int]bool
	pids    []int
}

func (p *Process) scanner() *scanner {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &scanner{
		p: p, marker: p.tree, sessions: maps.Clone(p.sessions),
		dead: map[int]startTime{}, denied: map[int]startTime{}, seen: map[int]bool{},
	}
}

// scan fills members with the live processes of the tree. It returns whether
// nothing forked meanwhile: then what it found is all there was.
func (s *scanner) scan() (quiet bool, err error) {
	for range execTries {
		if quiet, err = s.look(); err != nil || !s.unsure {
			break
		}
		<-time.After(execWait)
	}
	return quiet, err
}

func (s *scanner) look() (quiet bool, err error) {
	s.unsure = false
	s.members = s.members[:0]
	clear(s.seen)
	s.table = nil
	last := sys.LastPID()
	s.findReapers()
	grouped := s.group()
	if root, err := s.r.Stat(s.p.pid); err == nil && root.Start == s.p.start {
		s.add(root)
	}
	orphans, err := s.orphans()
	if err != nil {
		return false, err
	}
	for found := true; found; { // a find may tell a session, and that another
		found = false
		for i := range orphans {
			o := &orphans[i]
			if !s.seen[o.PID] && s.belongs(o, grouped) {
				s.add(o.Stat)
				found = true
			}
		}
	}
	return last != 0 && last == sys.LastPID(), nil
}

// group tells whether the root's process group has members, so that its number
// means it and nothing else.
func (s *scanner) group() bool {
	select {
	case <-s.p.exited:
		if !s.p.grouped {
			return false
		}
		err := s.p.fd.SignalGroup(0)
		return err == nil || errors.Is(err, syscall.EPERM) ||
			errors.Is(err, sys.ErrUnsupported) && !sys.GroupEmpty(s.p.pid)
	default:
		return true // not reaped: the number is its own
	}
}

// findReapers walks up from this process. It is itself among the reapers only
// if it asked for that: else its children are all of its own making.
func (s *scanner) findReapers() {
	self := os.Getpid()
	s.apart = map[int]bool{1: true, self: true}
	s.reapers = s.reapers[:0]
	for pid := self; pid > 0; {
		st, err := s.r.Stat(pid)
		if err != nil {
			break
		}
		s.apart[pid] = true
		if pid != self || sys.IsSubreaper() || pid == 1 {
			s.reapers = append(s.reapers, st)
		}
		if pid == 1 {
			return
		}
		pid = st.PPID
	}
	if init, err := s.r.Stat(1); err == nil {
		s.reapers = append(s.reapers, init)
	}
}

type orphan struct {
	procs.Stat
	asked  bool // whether the environment was read
	marked bool // what it said
}

// orphans lists the children of the reapers that may be of this tree: live,
// and no older than its root.
func (s *scanner) orphans() (list []orphan, err error) {
	consider := func(st procs.Stat) {
		if st.Start >= s.p.start && st.Alive() && !s.apart[st.PID] && st.PID != s.p.pid {
			list = append(list, orphan{Stat: st})
		}
	}
	if s.wide {
		return s.allOrphans()
	}
	for i := range s.reapers {
		pids, err := s.r.Children(&s.reapers[i], s.pids[:0])
		if err != nil {
			s.wide = true
			return s.allOrphans()
		}
		s.pids = pids
		for _, pid := range pids {
			st, err := s.r.Stat(pid)
			switch {
			case err != nil:
				s.unsure = true
			case !st.Alive() && s.dead[pid] != st.Start:
				s.dead[pid] = st.Start
				s.unsure = true
			default:
				consider(st)
			}
		}
	}
	return list, nil
}

// allOrphans is for kernels and mounts that do not show lists of children.
func (s *scanner) allOrphans() (list []orphan, err error) {
	if s.table, err = s.r.All(); err != nil {
		return nil, err
	}
	clear(s.seen)
	s.members = s.members[:0]
	if root, ok := s.table.Get(s.p.pid); ok && root.Start == s.p.start {
		s.add(root)
	}
	reaper := map[int]bool{}
	for i := range s.reapers {
		reaper[s.reapers[i].PID] = true
	}
	s.table.Each(func(st procs.Stat) {
		_, shown := s.table.Get(st.PPID)
		if (reaper[st.PPID] || !shown) && st.Start >= s.p.start && st.Alive() && !s.apart[st.PID] && st.PID != s.p.pid {
			list = append(list, orphan{Stat: st})
		}
	})
	return list, nil
}

func (s *scanner) belongs(o *orphan, grouped bool) bool {
	if grouped && o.PGID == s.p.pid || o.Start <= s.sessions[o.SID] {
		return true
	}
	if !o.asked {
		o.asked = true
		o.marked = s.marked(o.PID)
	}
	return o.marked
}

func (s *scanner) marked(pid int) bool {
	env, err := s.r.Environ(pid)
	if err != nil {
		return false // it ended, or it is another user's
	}
	if len(env) > 0 {
		value, ok := procs.Lookup(env, MarkerVar)
		return ok && value == s.marker
	}
	if line, err := s.r.Cmdline(pid); err == nil && len(line) == 0 {
		if st, err := s.r.Stat(pid); err == nil && st.Alive() {
			s.unsure = true
		}
	}
	return false
}

// add takes st and all below it into members.
func (s *scanner) add(st procs.Stat) {
	first := len(s.members)
	s.take(st)
	for i := first; i < len(s.members); i++ {
		parent := s.members[i]
		if s.table != nil {
			for _, st := range s.table.Children(parent.PID) {
				s.take(st)
			}
			continue
		}
		pids, err := s.r.Children(&parent, s.pids[:0])
		s.pids = pids
		if err != nil {
			continue // it ended
		}
		for _, pid := range pids {
			if st, err := s.r.Stat(pid); err == nil {
				s.take(st)
			}
		}
	}
}

func (s *scanner) take(st procs.Stat) {
	if !st.Alive() || s.seen[st.PID] || s.apart[st.PID] || st.Start < s.p.start {
		return
	}
	s.seen[st.PID] = true
	if st.SID > 1 && st.SID != s.p.home && s.p.home >= 0 && s.sessions[st.SID] != forever {
		s.sessions[st.SID] = forever // as long as this scanner looks
		s.p.mu.Lock()
		s.p.sessions[st.SID] = sys.SinceBoot()
		s.p.mu.Unlock()
	}
	if start, ok := s.denied[st.PID]; ok && start == st.Start {
		return
	}
	s.members = append(s.members, st)
}

// open gives a descriptor that means just this process; release takes it back.
func (s *scanner) open(st *procs.Stat) (*sys.PidFD, error) {
	if st.PID == s.p.pid {
		return s.p.fd, nil
	}
	fd, err := sys.OpenPidFD(st.PID)
	if err != nil {
		if errors.Is(err, syscall.ESRCH) {
			return nil, errGone
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

// kill sends SIGKILL to the members, parents first so that they stop forking,
// and parks until all that it hit have ended.
func (s *scanner) kill(ctx context.Context) error {
	// No fork can slip through this one. It is an extra: what is not in the
	// group, or the kernel too old, is hit below.
	s.p.fd.SignalGroup(syscall.SIGKILL)
	held := make([]*sys.PidFD, 0, min(len(s.members), heldMost))
	defer func() {
		for _, fd := range held {
			s.release(fd)
		}
	}()
	for i := range s.members {
		st := &s.members[i]
		fd, err := s.open(st)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil && len(held) > 0 {
			break // out of descriptors: the rest comes in the next round
		}
		if err != nil {
			return err
		}
		held = append(held, fd)
		if err := fd.Signal(syscall.SIGKILL); errors.Is(err, syscall.EPERM) {
			s.denied[st.PID] = st.Start
			s.release(fd)
			held = held[:len(held)-1]
			continue
		}
		if st.PGID == st.PID {
			fd.SignalGroup(syscall.SIGKILL)
		}
		if len(held) == heldMost {
			break
		}
	}
	return s.ended(ctx, held)
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
