package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

func TestWorkersShareAPortInTurn(t *testing.T) {
	p, ev := run(t, PrimaryOptions{})
	var workers []*fakeWorker
	port := 0
	for id := range uint64(3) {
		w := fake(t, p, WorkerOptions{ID: id + 1, Group: "web"})
		w.cluster(`"act":"online"`)
		ev.of(w.id, WorkerOnline)
		m := w.listen(port0)
		if m.Errno != nil || m.Sockname == nil || m.Sockname.Address != "127.0.0.1" || m.Sockname.Family != "IPv4" {
			t.Fatalf("answer = %s", m.raw)
		}
		if port != 0 && m.Sockname.Port != port {
			t.Fatalf("worker %d got port %d, the first %d", w.id, m.Sockname.Port, port)
		}
		port = m.Sockname.Port
		w.cluster(fmt.Sprintf(`"act":"listening","index":0,"data":null,"address":"127.0.0.1","port":%d,"addressType":4`, port))
		if got, want := ev.of(w.id, WorkerListening).Address, fmt.Sprintf("tcp 127.0.0.1:%d", port); got != want {
			t.Errorf("listening on %q, want %q", got, want)
		}
		workers = append(workers, w)
	}
	for i := range 9 {
		c := dial(t, port)
		w := workers[i%3]
		w.accept(true)
		if got, want := line(t, c), fmt.Sprint(w.id); got != want {
			t.Errorf("connection %d was served by %s, want %s", i, got, want)
		}
	}
}

func TestSecondServerOfOneWorker(t *testing.T) {
	p, ev := run(t, PrimaryOptions{})
	w := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	first, second := w.listen(port0), w.listen(strings.Replace(port0, `"index":0`, `"index":1`, 1))
	if first.Sockname.Port == second.Sockname.Port || first.Key == second.Key {
		t.Errorf("two servers on port 0 share %s and %s", first.raw, second.raw)
	}
	fixed := fmt.Sprintf(`"index":0,"data":null,"address":null,"port":%d,"addressType":4,"backlog":false`, freePort(t))
	if m := w.listen(fixed); m.Errno != nil {
		t.Fatalf("answer = %s", m.raw)
	}
	for _, again := range []string{fixed, strings.Replace(fixed, `"index":0`, `"index":1`, 1)} {
		if m := w.listen(again); m.Errno == nil || *m.Errno != -98 {
			t.Errorf("answer to a second server on a port = %s, want errno -98", m.raw)
		}
		ev.of(1, WorkerListenFailed)
	}
}

// freePort returns a port that nobody has and that the kernel gives to nobody
// who asks for any.
func freePort(t *testing.T) int {
	t.Helper()
	l, port := takePort(t)
	l.Close()
	return port
}

// takePort listens on such a port.
func takePort(t *testing.T) (net.Listener, int) {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(20_000) // below the usual ip_local_port_range
		if l, err := net.Listen("tcp", fmt.Sprintf(":%d", port)); err == nil {
			return l, port
		}
	}
	t.Fatal("no free port")
	return nil, 0
}

func TestErrnos(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	p, ev := run(t, PrimaryOptions{})
	w := fake(t, p, WorkerOptions{ID: 1})
	for _, tt := range []struct {
		name, members string
		errno         int
	}{
		{"taken", fmt.Sprintf(`"address":"127.0.0.1","port":%d,"addressType":4`, taken.Addr().(*net.TCPAddr).Port), -98},
		{"not here", `"address":"192.0.2.1","port":0,"addressType":4`, -99},
		{"descriptor", `"address":null,"port":null,"addressType":null,"fd":7`, -22},
		{"udp descriptor", `"address":null,"port":null,"addressType":"udp4","fd":7,"flags":null`, -9},
		{"no folder", `"address":"/nowhere/at/all.sock","port":-1,"addressType":-1`, -2},
		{"no address", `"address":"example.org","port":0,"addressType":4`, -22},
		{"no port", `"address":"127.0.0.1","port":70000,"addressType":4`, -22},
	} {
		m := w.listen(`"index":0,"data":null,` + tt.members)
		if m.Errno == nil || *m.Errno != tt.errno {
			t.Errorf("%s: answer = %s, want errno %d", tt.name, m.raw, tt.errno)
		}
		if e := ev.of(1, WorkerListenFailed); !errors.Is(e.Err, syscall.Errno(-tt.errno)) {
			t.Errorf("%s: event error = %v", tt.name, e.Err)
		}
	}
}

func TestAddressForms(t *testing.T) {
	p, _ := run(t, PrimaryOptions{})
	w := fake(t, p, WorkerOptions{ID: 1})
	for _, tt := range []struct{ members, address, family string }{
		{`"address":null,"port":0,"addressType":4,"flags":0`, "::", "IPv6"},
		{`"address":"0.0.0.0","port":0,"addressType":4`, "0.0.0.0", "IPv4"},
		{`"address":"::1","port":0,"addressType":6`, "::1", "IPv6"},
		{`"address":"::","port":0,"addressType":6,"flags":1`, "::", "IPv6"},
	} {
		m := w.listen(`"index":0,"data":null,` + tt.members)
		if m.Sockname == nil || m.Sockname.Address != tt.address || m.Sockname.Family != tt.family || m.Sockname.Port == 0 {
			t.Errorf("answer to %s = %s", tt.members, m.raw)
			continue
		}
		c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", m.Sockname.Port))
		if v4 := !strings.Contains(tt.members, `"flags":1`) && tt.address != "::1"; (err == nil) != v4 {
			t.Errorf("IPv4 connection to %s: %v", m.raw, err)
		}
		if err == nil {
			c.Close()
			w.accept(true)
		}
	}
}

func TestTicketKeysOfTheFirstWorkerForAll(t *testing.T) {
	p, _ := run(t, PrimaryOptions{})
	for id := range uint64(2) {
		w := fake(t, p, WorkerOptions{ID: id + 1, Group: "tls"})
		m := w.listen(fmt.Sprintf(`"index":0,"data":{"ticketKeys":"k%d"},"address":"127.0.0.1","port":0,"addressType":4`, id))
		if !strings.Contains(m.raw, `"data":{"ticketKeys":"k0"}`) {
			t.Errorf("worker %d got %s, want the keys k0", w.id, m.raw)
		}
	}
}

// Two workers; the first takes nothing in, acknowledges one connection, and dies.
func TestDeathRequeuesWhatWasNotAcknowledged(t *testing.T) {
	p, ev := run(t, PrimaryOptions{})
	a := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	port := a.listen(port0).Sockname.Port
	conns := []net.Conn{dial(t, port)}
	sys.Close(a.must().fd)
	notLate(t, p, 1)
	for range 3 {
		conns = append(conns, dial(t, port))
		sys.Close(a.must().fd)
	}
	a.say(`{"cmd":"NODE_HANDLE_ACK"}`)
	b := fake(t, p, WorkerOptions{ID: 2, Group: "web"})
	if got := b.listen(port0).Sockname.Port; got != port {
		t.Fatalf("successor got port %d, want %d", got, port)
	}
	a.die()
	ev.of(1, WorkerDisconnected)
	for range 3 {
		b.accept(true)
	}
	var served, cut int
	for _, c := range conns {
		if got, _ := readLine(c); got == "2" {
			served++
		} else {
			cut++
		}
	}
	if served != 3 || cut != 1 {
		t.Errorf("%d connections served and %d cut, want 3 and 1", served, cut)
	}
}

// notLate gives a worker all the time it wants for the connection it has, so that
// it is handed others however slow the machine is.
func notLate(t *testing.T, p *Primary, id uint64) {
	t.Helper()
	p.post(func(d *dispatcher) {
		w := d.workers[id]
		w.sent.entries[w.sent.head].at = d.now.Add(time.Hour)
		w.sent.trim(&w.load)
	})
	waitFor(t, p)
}

func readLine(c net.Conn) (string, error) {
	buf := make([]byte, 64)
	n, err := c.Read(buf)
	return strings.TrimSpace(string(buf[:n])), err
}

func TestRemoveReadsTheChannelToItsEnd(t *testing.T) {
	p, ev := run(t, PrimaryOptions{})
	a := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	port := a.listen(port0).Sockname.Port
	c := dial(t, port)
	m := a.must()
	a.say(`{"last":"words"}`)
	p.Remove(1) // its end is still open, as by a grandchild
	if got := string(ev.of(1, WorkerMessage).Message); got != `{"last":"words"}` {
		t.Errorf("message = %s", got)
	}
	ev.of(1, WorkerDisconnected)
	sys.Close(m.fd)
	b := fake(t, p, WorkerOptions{ID: 2, Group: "web"})
	b.listen(port0)
	b.accept(true)
	if got := line(t, c); got != "2" {
		t.Errorf("served by %q, want 2", got)
	}
}

func TestNackedConnectionGoesElsewhere(t *testing.T) {
	p, _ := run(t, PrimaryOptions{})
	a := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	port := a.listen(port0).Sockname.Port
	b := fake(t, p, WorkerOptions{ID: 2, Group: "web"})
	b.listen(port0)
	c := dial(t, port)
	m := a.must()
	sys.Close(m.fd)
	a.say(`{"cmd":"NODE_HANDLE_NACK"}`)
	b.accept(true)
	if got := line(t, c); got != "2" {
		t.Errorf("served by %q, want 2", got)
	}
}

// A connection that all workers refuse is offered now and then, not in a loop.
func TestRefusedByAllIsParked(t *testing.T) {
	p, _ := run(t, PrimaryOptions{})
	w := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	port := w.listen(port0).Sockname.Port
	c := dial(t, port)
	offers := 0
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
		if m := w.next(time.Until(end)); m != nil {
			offers++
			w.answer(m, false)
		}
	}
	if offers < 2 || offers > 8 {
		t.Errorf("%d offers in 500 ms, want a few", offers)
	}
	w.accept(true)
	if got := line(t, c); got != "1" {
		t.Errorf("served by %q", got)
	}
}

// Nothing is accepted while nobody has room: it waits in the kernel.
func TestWindow(t *testing.T) {
	p, _ := run(t, PrimaryOptions{Window: 3})
	w := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	port := w.listen(port0).Sockname.Port
	for range 6 {
		dial(t, port)
	}
	var got []*msg
	for m := w.must(); m != nil; m = w.next(100 * time.Millisecond) {
		got = append(got, m)
	}
	// A connection that came some milliseconds later finds the worker late.
	if len(got) == 0 || len(got) > 3 {
		t.Fatalf("%d connections without an answer, want at most 3", len(got))
	}
	for served := 0; served < 6; served++ {
		if len(got) == 0 {
			got = append(got, w.must())
		}
		w.answer(got[0], true)
		got = got[1:]
	}
	if m := w.next(50 * time.Millisecond); m != nil {
		t.Errorf("a seventh: %s", m.raw)
	}
}

func TestCloseLingersAndReopens(t *testing.T) {
	p, ev := run(t, PrimaryOptions{})
	w := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	m := w.listen(port0)
	w.cluster(`"act":"close","key":"` + m.Key + `"`)
	if got := ev.of(1, WorkerClosedListener).Address; got != fmt.Sprintf("tcp 127.0.0.1:%d", m.Sockname.Port) {
		t.Errorf("closed %q", got)
	}
	if again := w.listen(port0); again.Sockname.Port != m.Sockname.Port {
		t.Errorf("opened again on port %d, was %d", again.Sockname.Port, m.Sockname.Port)
	}
	dial(t, m.Sockname.Port)
	w.accept(true)
	w.cluster(`"act":"close","key":"` + m.Key + `"`)
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", m.Sockname.Port))
		if err != nil {
			break
		}
		c.Close()
		if time.Since(begin) > patience {
			t.Fatal("the address is still open")
		}
	}
}

func TestListenersOutliveWorkers(t *testing.T) {
	p, ev := run(t, PrimaryOptions{})
	a := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	m := a.listen(port0)
	p.Disconnect(1)
	if got := a.must(); got.Act != "disconnect" {
		t.Fatalf("sent %s, want disconnect", got.raw)
	}
	a.cluster(`"act":"close","key":"` + m.Key + `"`)
	ev.of(1, WorkerClosedListener)
	a.die()
	ev.of(1, WorkerDisconnected)
	c := dial(t, m.Sockname.Port) // waits
	b := fake(t, p, WorkerOptions{ID: 2, Group: "web"})
	b.listen(port0)
	b.accept(true)
	if got := line(t, c); got != "2" {
		t.Errorf("served by %q, want 2", got)
	}
	p.Release("web")
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(5 * time.Millisecond) {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", m.Sockname.Port)); err != nil {
			return
		} else {
			c.Close()
		}
	}
	t.Error("the address is open after Release")
}

func TestUnroutedWorkerGetsNothing(t *testing.T) {
	p, _ := run(t, PrimaryOptions{})
	a := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	port := a.listen(port0).Sockname.Port
	b := fake(t, p, WorkerOptions{ID: 2, Group: "web"})
	b.listen(port0)
	p.Unroute(1)
	for range 4 {
		c := dial(t, port)
		b.accept(true)
		if got := line(t, c); got != "2" {
			t.Errorf("served by %q, want 2", got)
		}
	}
	if m := a.next(20 * time.Millisecond); m != nil {
		t.Errorf("unrouted worker was sent %s", m.raw)
	}
}

func TestLeavingIsAcknowledgedOnce(t *testing.T) {
	p, ev := run(t, PrimaryOptions{})
	w := fake(t, p, WorkerOptions{ID: 1})
	for range 2 {
		seq := w.cluster(`"act":"exitedAfterDisconnect"`)
		if m := w.must(); m.Ack == nil || *m.Ack != seq {
			t.Errorf("sent %s, want ack %d", m.raw, seq)
		}
	}
	ev.of(1, WorkerLeaving)
	w.die()
	ev.of(1, WorkerDisconnected)
	ev.mu.Lock()
	defer ev.mu.Unlock()
	if len(ev.list) > 0 {
		t.Errorf("more events: %+v", ev.list)
	}
}

func TestSharedListener(t *testing.T) {
	p, _ := run(t, PrimaryOptions{})
	var port int
	for id := range uint64(2) {
		w := fake(t, p, WorkerOptions{ID: id + 1, Group: "web", Scheduler: Shared})
		m := w.listen(port0)
		if m.fd < 0 || m.Errno == nil || *m.Errno != 0 || m.Sockname != nil {
			t.Fatalf("answer = %s with descriptor %d", m.raw, m.fd)
		}
		a, err := sys.LocalAddr(m.fd)
		sys.Close(m.fd)
		if err != nil || port != 0 && int(a.Port()) != port {
			t.Errorf("worker %d was lent %v (%v), want port %d", w.id, a, err, port)
		}
		port = int(a.Port())
	}
	dial(t, port) // the socket listens
}

func TestDatagramsAreShared(t *testing.T) {
	p, _ := run(t, PrimaryOptions{})
	w := fake(t, p, WorkerOptions{ID: 1, Group: "dns"})
	port := freePort(t)
	m := w.listen(fmt.Sprintf(`"index":0,"data":null,"address":"127.0.0.1","port":"%d","addressType":"udp4","fd":-1,"flags":0`, port))
	if m.fd < 0 {
		t.Fatalf("answer = %s", m.raw)
	}
	a, err := sys.LocalAddr(m.fd)
	sys.Close(m.fd)
	if err != nil || int(a.Port()) != port {
		t.Errorf("lent %v (%v), want port %d", a, err, port)
	}
}

func TestReusePortRescuesOrphans(t *testing.T) {
	p, ev := run(t, PrimaryOptions{})
	var lent []int
	var workers []*fakeWorker
	port := 0
	for id := range uint64(2) {
		w := fake(t, p, WorkerOptions{ID: id + 1, Group: "web", Scheduler: ReusePort})
		m := w.listen(port0)
		a, err := sys.LocalAddr(m.fd)
		if err != nil || port != 0 && int(a.Port()) != port {
			t.Fatalf("worker %d was lent %v (%v), want port %d", w.id, a, err, port)
		}
		port = int(a.Port())
		lent, workers = append(lent, m.fd), append(workers, w)
	}
	for range 40 {
		dial(t, port)
	}
	first, second := acceptAll(lent[0]), acceptAll(lent[1])
	if first == 0 || second == 0 || first+second != 40 {
		t.Errorf("accepted %d and %d of 40", first, second)
	}
	// Connections in the queue of a worker that dies go to the other.
	p.Unroute(2)
	waitFor(t, p)
	for range 10 {
		dial(t, port)
	}
	if n := acceptAll(lent[1]); n != 0 {
		t.Errorf("%d connections for an unrouted slot", n)
	}
	sys.Close(lent[0])
	workers[0].die()
	ev.of(1, WorkerDisconnected)
	c := fake(t, p, WorkerOptions{ID: 3, Group: "web", Scheduler: ReusePort})
	m := c.listen(port0) // takes over the vacant slot with what waits there
	if n := acceptAll(m.fd); n != 10 {
		t.Errorf("successor found %d connections in its slot, want 10", n)
	}
	d := fake(t, p, WorkerOptions{ID: 4, Group: "web", Scheduler: ReusePort})
	md := d.listen(port0)
	for range 40 {
		dial(t, port)
	}
	sys.Close(m.fd)
	c.die()
	ev.of(3, WorkerDisconnected)
	own := acceptAll(md.fd)
	if own == 0 || own == 40 {
		t.Errorf("the other slot got %d of 40", own)
	}
	for range 40 - own {
		d.accept(true)
	}
	sys.Close(md.fd)
	sys.Close(lent[1])
}

// acceptAll accepts what waits on fd.
func acceptAll(fd int) (n int) {
	for {
		conn, err := sys.Accept(fd)
		if err != nil {
			return n
		}
		sys.Close(conn)
		n++
	}
}

// waitFor waits until the primary has done what it was told before.
func waitFor(t *testing.T, p *Primary) {
	t.Helper()
	done := make(chan struct{})
	p.post(func(*dispatcher) { close(done) })
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the primary does not answer")
	}
}

func unixServer(path string) string {
	return fmt.Sprintf(`"index":0,"data":null,"address":%q,"port":-1,"addressType":-1,"backlog":0`, path)
}

func TestUnixSockets(t *testing.T) {
	p, _ := run(t, PrimaryOptions{})
	w := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	dir := t.TempDir()
	deep := filepath.Join(dir, strings.Repeat("d", 60), strings.Repeat("e", 60))
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	serve := func(path string) {
		t.Helper()
		if m := w.listen(unixServer(path)); m.Errno != nil || m.Sockname != nil {
			t.Fatalf("answer for %s = %s", path, m.raw)
		}
	}
	short := filepath.Join(dir, "s.sock")
	serve(short)
	serve(filepath.Join(deep, "long.sock"))
	t.Chdir(deep)
	for _, path := range []string{short, "long.sock"} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		w.accept(true)
		if got := line(t, c); got != "1" {
			t.Errorf("served by %q", got)
		}
		c.Close()
	}
	serve2 := w.listen(`"index":0,"data":null,"address":"` + dir + `/\u0000tend-test-` + fmt.Sprint(os.Getpid()) + `","port":-1,"addressType":-1`)
	if serve2.Errno != nil {
		t.Fatalf("abstract: %s", serve2.raw)
	}
	c, err := net.Dial("unix", "@tend-test-"+fmt.Sprint(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	w.accept(true)
	c.Close()
	p.Release("web")
	waitFor(t, p)
	if _, err := os.Lstat(short); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's file is left: %v", err)
	}
}

// Programs remove the file before they listen, also while others serve it.
func TestUnixSocketWhoseFileIsGone(t *testing.T) {
	p, _ := run(t, PrimaryOptions{})
	path := filepath.Join(t.TempDir(), "app.sock")
	a := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	key := a.listen(unixServer(path)).Key
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	b := fake(t, p, WorkerOptions{ID: 2, Group: "web"})
	if m := b.listen(unixServer(path)); m.Errno != nil || m.Key != key {
		t.Fatalf("answer = %s, want the key %q", m.raw, key)
	}
	for _, w := range []*fakeWorker{a, b} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		w.accept(true)
		if got, want := line(t, c), fmt.Sprint(w.id); got != want {
			t.Errorf("served by %q, want %s", got, want)
		}
		c.Close()
	}
}

func TestUnixSocketInTheWay(t *testing.T) {
	p, ev := run(t, PrimaryOptions{})
	w := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	path := filepath.Join(t.TempDir(), "app.sock")
	live, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if m := w.listen(unixServer(path)); m.Errno == nil || *m.Errno != -98 {
		t.Errorf("answer while another serves = %s, want -98", m.raw)
	}
	ev.of(1, WorkerListenFailed)
	live.(*net.UnixListener).SetUnlinkOnClose(false)
	live.Close()
	m := w.listen(strings.Replace(unixServer(path), `"backlog":0`, `"readableAll":true,"writableAll":true`, 1))
	if m.Errno != nil {
		t.Fatalf("answer after it died = %s", m.raw)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o666 != 0o666 {
		t.Errorf("mode of the file: %v, %v", info.Mode(), err)
	}
	file := filepath.Join(filepath.Dir(path), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if m := w.listen(unixServer(file)); m.Errno == nil || *m.Errno != -98 {
		t.Errorf("answer for a plain file = %s, want -98", m.raw)
	}
	if b, _ := os.ReadFile(file); string(b) != "precious" {
		t.Error("the plain file was replaced")
	}
}

func TestMessages(t *testing.T) {
	p, ev := run(t, PrimaryOptions{})
	w := fake(t, p, WorkerOptions{ID: 1})
	w.say(`"ready"`)
	if got := string(ev.of(1, WorkerMessage).Message); got != `"ready"` {
		t.Errorf("message = %s", got)
	}
	if err := p.Send(1, []byte("{ \"a\" :\n 1 }")); err != nil {
		t.Fatal(err)
	}
	if got := w.must().raw; got != `{"a":1}` {
		t.Errorf("sent %s", got)
	}
	if err := p.Send(1, []byte("nonsense")); err == nil {
		t.Error("nonsense was sent")
	}
	if err := p.Send(9, []byte("1")); err == nil {
		t.Error("a message to nobody was sent")
	}
	w.say(`oops`)
	if e := ev.of(1, WorkerDisconnected); e.Err == nil {
		t.Error("nonsense is no error")
	}
}

// A new version of the program that binds the port otherwise is not kept out
// by what the old one left open; a program that is served is.
func TestFormerListenersMakeRoom(t *testing.T) {
	p, ev := run(t, PrimaryOptions{})
	a := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	port := freePort(t)
	server := func(host string) string {
		return fmt.Sprintf(`"index":0,"data":null,"address":%s,"port":%d,"addressType":4`, host, port)
	}
	a.listen(server(`"127.0.0.1"`))
	other := fake(t, p, WorkerOptions{ID: 2, Group: "web"})
	if m := other.listen(server("null")); m.Errno == nil || *m.Errno != -98 {
		t.Errorf("answer while the port is served = %s", m.raw)
	}
	a.die()
	ev.of(1, WorkerDisconnected)
	if m := other.listen(server("null")); m.Errno != nil {
		t.Errorf("answer when nobody serves = %s", m.raw)
	}
}

// holder holds what a primary gives it, and notes what it was told.
type holder struct {
	mu    sync.Mutex
	names []string
	held  map[string]Held
	fail  error
}

func (h *holder) Store(name string, fd int, meta []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names = append(h.names, "+"+name)
	dup, err := sys.Dup(fd)
	if err != nil {
		return err
	}
	if h.held == nil {
		h.held = map[string]Held{}
	}
	h.held[name] = Held{Name: name, File: os.NewFile(uintptr(dup), name), Meta: slices.Clone(meta)}
	return h.fail
}

func (h *holder) Update(name string, meta []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e, ok := h.held[name]; ok {
		e.Meta = slices.Clone(meta)
		h.held[name] = e
	}
	return nil
}

func (h *holder) Delete(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names = append(h.names, "-"+name)
	if e, ok := h.held[name]; ok {
		e.File.Close()
		delete(h.held, name)
	}
	return nil
}

// give hands all that is held to the next primary, and keeps it.
func (h *holder) give(t *testing.T) (list []Held) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.held {
		fd, err := syscall.Dup(int(e.File.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, Held{Name: e.Name, File: os.NewFile(uintptr(fd), e.Name), Meta: e.Meta})
	}
	return list
}

func TestHolderIsToldFirst(t *testing.T) {
	h := &holder{}
	p, _ := run(t, PrimaryOptions{Hold: h})
	w := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	m := w.listen(port0)
	p.Release("web")
	waitFor(t, p)
	h.mu.Lock()
	want := []string{"+listener/1", "-listener/1"}
	if m.Errno != nil || !slices.Equal(h.names, want) {
		t.Errorf("told %q, want %q", h.names, want)
	}
	h.fail = errors.New("no room")
	h.mu.Unlock()
	if m := w.listen(port0); m.Errno == nil || *m.Errno != -5 {
		t.Errorf("answer = %s, want -5", m.raw)
	}
}

func TestClosedPrimary(t *testing.T) {
	p, err := NewPrimary(PrimaryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.Add(nil, WorkerOptions{ID: 1}); !errors.Is(err, ErrClosed) {
		t.Errorf("Add = %v", err)
	}
	if err := p.Send(1, []byte("1")); !errors.Is(err, ErrClosed) {
		t.Errorf("Send = %v", err)
	}
	if _, err := p.Dial(t.Context(), 1, 80); !errors.Is(err, ErrClosed) {
		t.Errorf("Dial = %v", err)
	}
	p.Disconnect(1)
	p.Remove(1)
}
