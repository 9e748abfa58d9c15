package child

import (
	"errors"
	"maps"
	"math"
	"os"
	"strings"
	"sync"
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
// the list. A look that meets either is repeated, lookPause later: up to
// execTries times for the first, since from a slow disk an exec may take a
// while, and endTries times for the second, since on a busy machine somebody
// else's orphans end all the time.
const (
	lookPause = time.Millisecond
	execTries = 200
	endTries  = 20
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
// of no stray that is a handful of small reads, however many processes there are,
// and most of them are shared with the other looks under way, see counting.
type scanner struct {
	p     *Process
	r     procs.Reader
	apart map[int]startTime // this process, its ancestors and pid 1: never hit
	wide  bool              // look at all processes, as where the kernel lists no children
	known known
	doubt doubt
	kills *kills // what a look kills, it does at once; nil if it only looks
	empty int    // how many looks in a row have found nothing, see judge
	finds
	pids []int
}

// finds are of the last look.
type finds struct {
	members []procs.Stat // parents before children
	seen    map[int]bool
	census  *census
	grouped bool // the root's process group had members, so that its number meant it and nothing else
	forked  bool // something forked meanwhile
}

// known is what the looks have learnt of processes, each told by number and start.
type known struct {
	// sessions were started inside the tree. Who is in one and no younger than
	// the value belongs to the tree, since the number was not used anew by then.
	sessions map[int]startTime
	unmarked map[int]startTime // their environment is not the tree's
	dead     map[int]startTime // orphans that had ended
	denied   map[int]startTime // this user may not kill them
}

// doubt is what a look leaves open, and how often it may be repeated for that.
type doubt struct {
	exec, end         bool // met a process in the midst of exec, the end of one
	execLeft, endLeft int
}

func (p *Process) scanner() *scanner {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &scanner{
		p: p, apart: ancestors(), wide: !listsChildren(), finds: finds{seen: map[int]bool{}}, doubt: doubt{execLeft: execTries, endLeft: endTries},
		known: known{
			sessions: maps.Clone(p.sessions), unmarked: map[int]startTime{},
			dead: map[int]startTime{}, denied: map[int]startTime{},
		},
	}
}

// listsChildren tells whether the kernel does. It is asked before the first look, for
// that may kill the root, and who was below it could be known by nothing else.
var listsChildren = sync.OnceValue(func() bool {
	var r procs.Reader
	self, err := r.Stat(os.Getpid())
	if err == nil {
		_, err = r.Children(&self, nil)
	}
	return err == nil
})

// scan looks until it is certain of all that it met, or the tries are used up.
func (s *scanner) scan() error {
	for {
		if err := s.look(); err != nil || !s.doubt.again() {
			return err
		}
	}
}

// again tells whether the last look left a doubt that another one may settle,
// after a pause that it makes.
func (d *doubt) again() bool {
	switch {
	case d.exec && d.execLeft > 0:
		d.execLeft--
	case d.end && d.endLeft > 0:
		d.endLeft--
	default:
		return false
	}
	<-time.After(lookPause)
	return true
}

// judge counts the last look if it has found nothing.
func (s *scanner) judge() {
	switch {
	case len(s.members) > 0:
		s.empty = 0
	case s.doubt.again():
	case !s.forked:
		s.empty = emptyScans
	default:
		s.empty++
	}
}

// look fills members with the live processes of the tree that can be seen in
// one pass: the oldest first, which are those that start others, then those
// that were started meanwhile.
func (s *scanner) look() error {
	s.doubt.exec, s.doubt.end = false, false
	s.members = s.members[:0]
	clear(s.seen)
	last := sys.LastPID()
	s.grouped = s.group()
	s.count(last)
	doubtful := s.orphans()
	if s.census.err != nil {
		return s.census.err
	}
	s.recent(last)
	for found := true; found; { // a find may tell a session, and that another
		found = false
		for _, st := range doubtful {
			if !s.seen[st.PID] && s.belongs(&st) {
				s.add(st)
				found = true
			}
		}
	}
	return nil
}

// count takes the root and what is below it, and has a census that began after that,
// or is of all processes.
func (s *scanner) count(last int) {
	a := asking{since: last, wide: s.wide}
	var root procs.Stat
	if st, err := s.r.Stat(s.p.pid); err == nil && st.Start == s.p.start {
		root, a.threads = st, st.Threads
	}
	s.census = &census{} // what is below the root is read from its lists
	a.walk = func() {
		if root.PID > 0 {
			s.add(root)
		}
	}
	switch {
	case s.kills == nil:
		s.census = counted.census(a)
	case s.wide:
		s.census.readAll(&s.r)
	default:
		a.walk() // who kills hits at once
	}
	if s.census.table == nil {
		return
	}
	s.members = s.members[:0]
	clear(s.seen)
	if root, ok := s.census.table.Get(s.p.pid); ok && root.Start == s.p.start {
		s.add(root)
	}
}

// recent looks at the processes that were started since the number last was given out.
func (s *scanner) recent(last int) {
	s.census.eachNewest(&s.r, last, func(st *procs.Stat) {
		before := s.doubt.exec
		switch {
		case s.seen[st.PID] || !s.candidate(st):
		case s.belongs(st):
			s.add(*st)
		case !s.census.reaps(st.PPID):
			s.doubt.exec = before // it has a parent: if that is of the tree, so will it be
		}
	})
	s.forked = last == 0 || last != s.census.last
}

// group tells whether the root's process group has members.
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

// candidate tells whether a process may be of this tree: live, and no older
// than its root.
func (s *scanner) candidate(st *procs.Stat) bool {
	return st.Start >= s.p.start && st.Alive() && !s.above(st) && st.PID != s.p.pid
}

// above tells whether a process is this one, or one above it.
func (s *scanner) above(st *procs.Stat) bool {
	start, ok := s.apart[st.PID]
	return ok && start == st.Start
}

// orphans adds those children of the reapers that belong to the tree, and
// returns those of which it is not known yet. What was below the root when that was
// looked at, and has lost its parent since, is seen here, which is later.
func (s *scanner) orphans() (doubtful []procs.Stat) {
	s.census.eachChild(&s.r, func(st *procs.Stat) {
		switch {
		case !st.Alive() && s.known.dead[st.PID] != st.Start && s.known.unmarked[st.PID] != st.Start:
			s.known.dead[st.PID] = st.Start
			s.doubt.end = true
		case !s.candidate(st) || s.seen[st.PID]:
		case s.belongs(st):
			s.add(*st)
		default:
			doubtful = append(doubtful, *st)
		}
	})
	s.doubt.end = s.doubt.end || s.census.ended
	return doubtful
}

// belongs tells whether st is of the tree, by all that is known so far.
func (s *scanner) belongs(st *procs.Stat) bool {
	if s.grouped && st.PGID == s.p.pid || st.Start <= s.known.sessions[st.SID] {
		return true
	}
	return s.known.unmarked[st.PID] != st.Start && s.marked(st)
}

// marked tells whether a process has the tree's environment, and notes one
// that has another: that does not change but by exec, and then to another's again.
func (s *scanner) marked(st *procs.Stat) bool {
	m := s.census.mark(&s.r, st.PID)
	switch m.markState {
	case marked:
		if carries(m.tree, s.p.tree) {
			return true
		}
		s.known.unmarked[st.PID] = st.Start
	case unmarked:
		s.known.unmarked[st.PID] = st.Start
	case executing:
		s.doubt.exec = true
	case unreadable:
	}
	return false
}

// carries tells whether a value of [MarkerVar] names the tree: the process's own, or
// one that it is in.
func carries(value, tree string) bool {
	for own := range strings.SplitSeq(value, " ") {
		if own == tree {
			return true
		}
	}
	return false
}

// add takes st and all below it into members, and then, if that is asked,
// kills them: not before, since who is below may be known by nothing else.
func (s *scanner) add(st procs.Stat) {
	first := len(s.members)
	s.take(st)
	for i := first; i < len(s.members); i++ {
		s.below(s.members[i])
	}
	if s.kills != nil {
		for i := first; i < len(s.members); i++ {
			s.hit(&s.members[i])
		}
	}
}

// below takes the children of parent.
func (s *scanner) below(parent procs.Stat) {
	if s.census.table != nil {
		for _, st := range s.census.table.Children(parent.PID) {
			s.take(st)
		}
		return
	}
	pids, err := s.r.Children(&parent, s.pids[:0])
	s.pids = pids
	if err != nil {
		return // it ended
	}
	for _, pid := range pids {
		if st, err := s.r.Stat(pid); err == nil {
			s.take(st)
		}
	}
}

func (s *scanner) take(st procs.Stat) {
	if !st.Alive() || s.seen[st.PID] || s.above(&st) || st.Start < s.p.start {
		return
	}
	s.seen[st.PID] = true
	if st.SID > 1 && st.SID != s.p.home && s.p.home >= 0 && s.known.sessions[st.SID] != forever {
		s.known.sessions[st.SID] = forever // as long as this scanner looks
		s.p.mu.Lock()
		s.p.sessions[st.SID] = sys.SinceBoot()
		s.p.mu.Unlock()
	}
	if start, ok := s.known.denied[st.PID]; ok && start == st.Start {
		return
	}
	s.members = append(s.members, st)
}
