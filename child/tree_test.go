package child

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/procs"
)

// thicket starts a tree with one of each kind of stray and waits for it to stand.
func thicket(t *testing.T) *Process {
	t.Helper()
	p, err := Start(Command{
		Path:  "/bin/sh",
		Args:  []string{"-c", `sh -c 'sleep 1000 & echo; wait' & (setsid sh -c 'env -i setsid sh -c "echo; exec /bin/sleep 1000"; exit 1' &) ; (env -i /bin/sleep 1000 &); echo; exec sleep 1000`},
		Stdio: []Stdio{Ignore(), Pipe()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := p.Stop(ctx, StopOptions{}); err != nil {
			t.Error(err)
		}
		p.Close()
	})
	for seen := 0; seen < 3; {
		n, err := p.Pipe(1).Read(make([]byte, 3))
		if err != nil {
			t.Fatal(err)
		}
		seen += n
	}
	return p
}

// thicketSize: the root, two on its left, two in the session and beyond, one in the group.
const thicketSize = 6

func TestScanFindsAllParentsFirst(t *testing.T) {
	p := thicket(t)
	s := p.scanner()
	scanned(t, s)
	for i, st := range s.members {
		if slices.ContainsFunc(s.members[i:], func(o procs.Stat) bool { return o.PID == st.PPID }) {
			t.Errorf("%d comes before its parent %d", st.PID, st.PPID)
		}
	}
	if s.members[0].PID != p.pid {
		t.Errorf("the first is %d, not the root %d", s.members[0].PID, p.pid)
	}
}

// scanned repeats the scan until all are found: some may still be before exec.
func scanned(t *testing.T, s *scanner) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if err := s.scan(); err != nil {
			t.Fatal(err)
		}
		if len(s.members) == thicketSize {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("found %d of %d: %+v", len(s.members), thicketSize, s.pidsLeft())
		}
	}
}

// Where the kernel lists no children, all processes are looked at instead.
func TestScanWithoutChildrenLists(t *testing.T) {
	p := thicket(t)
	s := p.scanner()
	s.wide = true
	scanned(t, s)
	want := p.scanner()
	scanned(t, want)
	if got, want := sorted(s), sorted(want); !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

func TestSweepWithoutChildrenLists(t *testing.T) {
	p := thicket(t)
	s := p.scanner()
	s.wide = true
	scanned(t, s)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.sweep(ctx, s); err != nil {
		t.Fatal(err)
	}
	if left := p.scanner(); left.scan() != nil || len(left.members) > 0 {
		t.Errorf("left: %v", left.pidsLeft())
	}
}

func sorted(s *scanner) []int {
	pids := s.pidsLeft()
	slices.Sort(pids)
	return pids
}

// A number that was given to another process since is not touched.
func TestOpenChecksTheLife(t *testing.T) {
	p := thicket(t)
	s := p.scanner()
	self, err := s.r.Stat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	self.Start--
	if fd, err := s.open(&self); !errors.Is(err, errGone) {
		t.Errorf("%v, %v", fd, err)
	}
}

func TestNeverItselfNorItsAncestors(t *testing.T) {
	p := thicket(t)
	s := p.scanner()
	scanned(t, s)
	s.p = &Process{pid: p.pid, sessions: map[int]startTime{}} // older than all
	for _, pid := range []int{1, os.Getpid(), os.Getppid()} {
		st, err := s.r.Stat(pid)
		if err != nil {
			t.Fatal(err)
		}
		before := len(s.members)
		s.take(st)
		if len(s.members) != before || s.candidate(&st) {
			t.Errorf("%d may be hit", pid)
		}
		st.Start++ // another that has the number since
		s.take(st)
		if len(s.members) != before+1 {
			t.Errorf("who has the number of %d since may not be hit", pid)
		}
	}
}
