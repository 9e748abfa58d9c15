package cluster

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/ipc"
)

// succession is a primary that dies, as far as others can see, and the next one.
type succession struct {
	t    *testing.T
	hold *holder
	p    *Primary
	ev   *events

	drains bool // what is told of each worker that is adopted
}

func newSuccession(t *testing.T) *succession {
	s := &succession{t: t, hold: &holder{}}
	s.p, s.ev = run(t, PrimaryOptions{Hold: s.hold})
	t.Cleanup(func() { // before the primaries end: these are copies
		s.hold.mu.Lock()
		defer s.hold.mu.Unlock()
		for _, h := range s.hold.held {
			h.File.Close()
		}
	})
	return s
}

// next stops the primary where it is, for the rest of the test, and starts one
// with what the holder gives it.
func (s *succession) next() {
	s.t.Helper()
	s.t.Cleanup(s.p.Freeze())
	held := s.hold.give(s.t)
	s.p, s.ev = run(s.t, PrimaryOptions{Hold: s.hold})
	if err := s.p.Restore(held); err != nil {
		s.t.Fatal(err)
	}
}

// worker makes a fake worker, and what a next primary adopts it with.
func (s *succession) worker(o WorkerOptions) (w *fakeWorker, adopt func()) {
	s.t.Helper()
	ours, theirs, err := sys.Socketpair("fake")
	if err != nil {
		s.t.Fatal(err)
	}
	fd, err := sys.Dup(int(ours.Fd()))
	if err != nil {
		s.t.Fatal(err)
	}
	kept := os.NewFile(uintptr(fd), "kept")
	s.t.Cleanup(func() { kept.Close() })
	conn, err := ipc.NewConn(ours, ipc.ConnOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.p.Add(conn, o); err != nil {
		s.t.Fatal(err)
	}
	if err := sys.SetNonblock(int(theirs.Fd())); err != nil {
		s.t.Fatal(err)
	}
	w = &fakeWorker{t: s.t, id: o.ID, file: theirs}
	s.t.Cleanup(w.die)
	return w, func() {
		conn, err := ipc.NewConn(kept, ipc.ConnOptions{})
		if err != nil {
			s.t.Fatal(err)
		}
		o.Drains = s.drains
		if err := s.p.Adopt(conn, o); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (w *fakeWorker) listening(m *msg) {
	w.cluster(fmt.Sprintf(`"act":"listening","index":0,"data":null,"address":"127.0.0.1","port":%d,"addressType":4`, m.Sockname.Port))
}

// says reads what the worker wrote. The primary that died here only plays dead:
// it still has its copy, so the connection does not end.
func says(t *testing.T, c net.Conn) string {
	t.Helper()
	text, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(text)
}

func (m *msg) refused() bool { return m.Errno != nil && *m.Errno != 0 }

func TestRestore(t *testing.T) {
	s := newSuccession(t)
	w, adopt := s.worker(WorkerOptions{ID: 1, Group: "web"})
	w.cluster(`"act":"online"`)
	m := w.listen(port0)
	w.listening(m)
	s.ev.of(1, WorkerListening)
	first := dial(t, m.Sockname.Port)
	pending := w.must() // taken by the worker, its answer not yet given

	s.next()
	between := dial(t, m.Sockname.Port) // while nobody is there
	adopt()
	s.ev.of(1, WorkerOnline)
	if got, want := s.ev.of(1, WorkerListening).Address, fmt.Sprintf("tcp 127.0.0.1:%d", m.Sockname.Port); got != want {
		t.Errorf("listening on %q, want %q", got, want)
	}
	w.answer(pending, true)
	if got := says(t, first); got != "1" {
		t.Errorf("the connection from before: %q", got)
	}
	w.accept(true)
	if got := says(t, between); got != "1" {
		t.Errorf("the connection from between: %q", got)
	}
	// A newcomer shares the address that there is.
	other := fake(t, s.p, WorkerOptions{ID: 2, Group: "web"})
	if again := other.listen(port0); again.Key != m.Key || again.Sockname.Port != m.Sockname.Port {
		t.Errorf("the newcomer got %s, the first had %s", again.raw, m.raw)
	}
	// A second address gets a key of its own.
	if next := w.listen(strings.Replace(port0, `"index":0`, `"index":1`, 1)); next.Key == m.Key {
		t.Errorf("key %s twice", m.Key)
	}
}

// The answer to a question is given again if the question comes again; the
// same question with another number is a second listen, and refused.
func TestRestoreRepeatsAnAnswer(t *testing.T) {
	for _, scheduler := range []Scheduler{RoundRobin, Shared, ReusePort} {
		t.Run(scheduler.String(), func(t *testing.T) {
			s := newSuccession(t)
			w, adopt := s.worker(WorkerOptions{ID: 1, Group: "web", Scheduler: scheduler})
			listen := func() *msg {
				m := w.listen(port0)
				if m.fd >= 0 && scheduler != RoundRobin {
					sys.Close(m.fd)
				}
				return m
			}
			m := listen()
			s.next()
			adopt()
			w.seq--
			if again := listen(); again.refused() || again.Key != m.Key {
				t.Errorf("answered %+v, at first %+v", again, m)
			}
			if second := listen(); !second.refused() || syscall.Errno(-*second.Errno) != syscall.EADDRINUSE {
				t.Errorf("a second listen is answered %+v", second)
			}
		})
	}
}

// What is one group's alone another is refused, with its name, under a later primary
// too; a group that is being renamed is no other.
func TestExclusive(t *testing.T) {
	s := newSuccession(t)
	port := freePort(t)
	at := func(host string) string {
		return fmt.Sprintf(`"index":0,"data":null,"address":"%s","port":%d,"addressType":4,"backlog":false`, host, port)
	}
	first, adopt := s.worker(WorkerOptions{ID: 1, Group: "web", Exclusive: true})
	if m := first.listen(at("127.0.0.1")); m.refused() {
		t.Fatal(m.raw)
	}
	for _, later := range []bool{false, true} {
		if later {
			s.next()
			adopt()
		}
		for _, o := range []WorkerOptions{
			{ID: 2, Group: "other"},
			{ID: 3, Group: "other", Exclusive: true},
			{ID: 4, Group: "next", Was: "web", Exclusive: true},
			{ID: 5, Group: "web", Exclusive: true},
		} {
			w := fake(t, s.p, o)
			m := w.listen(at("127.0.0.1"))
			if m.refused() != (o.Group == "other") {
				t.Errorf("%+v is answered %s", o, m.raw)
			}
			if o.Group == "other" {
				if err := s.ev.of(o.ID, WorkerListenFailed).Err; err.Error() != "address already in use: web has it" || !errors.Is(err, syscall.EADDRINUSE) {
					t.Errorf("%+v: %v", o, err)
				}
				if m := w.listen(at("0.0.0.0")); !m.refused() {
					t.Errorf("%+v got the port of another", o)
				}
			}
			w.die()
			s.p.Remove(o.ID)
		}
		s.p.Release("next")
	}
}

// Of an address that somebody else has, no group is said to have it that serves another one.
func TestWhoIsInTheWay(t *testing.T) {
	p, ev := run(t, PrimaryOptions{})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := func(host string, kind string) string {
		return fmt.Sprintf(`"index":0,"data":null,"address":%q,"port":%d,"addressType":%s,"flags":0`, host, l.Addr().(*net.TCPAddr).Port, kind)
	}
	web := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	for _, m := range []string{at("127.0.0.2", "4"), at("127.0.0.1", `"udp4"`)} {
		if runtime.GOOS != "linux" && strings.Contains(m, "127.0.0.2") {
			continue // no other system has that address from the start
		}
		m := web.listen(m)
		if m.refused() {
			t.Fatal(m.raw)
		}
		if m.fd >= 0 {
			sys.Close(m.fd)
		}
	}
	other := fake(t, p, WorkerOptions{ID: 2, Group: "other"})
	if m := other.listen(at("127.0.0.1", "4")); !m.refused() {
		t.Fatal(m.raw)
	}
	if err := ev.of(2, WorkerListenFailed).Err; !errors.Is(err, syscall.EADDRINUSE) || strings.Contains(err.Error(), "web") {
		t.Error(err)
	}
	third := fake(t, p, WorkerOptions{ID: 3, Group: "third"})
	if m := third.listen(at("0.0.0.0", "4")); !m.refused() {
		t.Fatal(m.raw)
	}
	if err := ev.of(3, WorkerListenFailed).Err; runtime.GOOS == "linux" && err.Error() != "address already in use: web has it" {
		t.Error(err)
	}
}

// What waits on the socket of a worker that is not there any more is rescued.
func TestRestoreReusePort(t *testing.T) {
	s := newSuccession(t)
	var workers []*fakeWorker
	var adopts []func()
	port := freePort(t)
	fixed := fmt.Sprintf(`"index":0,"data":null,"address":"127.0.0.1","port":%d,"addressType":4,"backlog":false`, port)
	for id := range uint64(2) {
		w, adopt := s.worker(WorkerOptions{ID: id + 1, Group: "web", Scheduler: ReusePort})
		m := w.listen(fixed)
		if m.refused() {
			t.Fatal(*m.Errno)
		}
		sys.Close(m.fd)
		workers, adopts = append(workers, w), append(adopts, adopt)
	}
	s.p.Unroute(1) // so that the kernel sends all to the second socket
	waitFor(t, s.p)
	s.next()
	for range 8 {
		dial(t, port)
	}
	adopts[0]()
	for range 8 {
		workers[0].accept(true)
	}
}

// A connection that no worker has outlives the primary, and is held no longer than
// it waits.
func TestWhatWaitsIsHeld(t *testing.T) {
	s := newSuccession(t)
	w, adopt := s.worker(WorkerOptions{ID: 1, Group: "web"})
	m := w.listen(port0)
	c := dial(t, m.Sockname.Port)
	w.accept(false) // so that it waits in the primary, for the worker to rest
	waitFor(t, s.p)
	s.next()
	adopt()
	w.accept(true)
	if got := says(t, c); got != "1" {
		t.Errorf("answered %q", got)
	}
	waitFor(t, s.p)
	for _, h := range s.hold.give(t) {
		if strings.HasPrefix(h.Name, waitingName) {
			t.Errorf("%s is still held", h.Name)
		}
		h.File.Close()
	}
}
