package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/ipc"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// run starts a primary that ends with the test; its events can be waited for.
func run(t *testing.T, o PrimaryOptions) (*Primary, *events) {
	t.Helper()
	ev := &events{t: t, more: make(chan struct{}, 1)}
	o.OnEvent = ev.add
	p, err := NewPrimary(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return p, ev
}

// events collects what a primary tells.
type events struct {
	t    *testing.T
	mu   sync.Mutex
	list []Event
	more chan struct{}
}

func (e *events) add(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
	select {
	case e.more <- struct{}{}:
	default:
	}
}

// wait returns the first event for which want is true, and forgets it.
func (e *events) wait(what string, want func(Event) bool) Event {
	e.t.Helper()
	timeout := time.After(patience)
	for {
		e.mu.Lock()
		for i, ev := range e.list {
			if want(ev) {
				e.list = append(e.list[:i:i], e.list[i+1:]...)
				e.mu.Unlock()
				return ev
			}
		}
		e.mu.Unlock()
		select {
		case <-e.more:
		case <-timeout:
			e.mu.Lock()
			defer e.mu.Unlock()
			e.t.Fatalf("no %s; there came %+v", what, e.list)
		}
	}
}

func (e *events) of(id uint64, typ EventType) Event {
	e.t.Helper()
	return e.wait(fmt.Sprintf("%s of worker %d", typ, id), func(ev Event) bool { return ev.Worker == id && ev.Type == typ })
}

// has says that there is such an event.
func (e *events) has(id uint64, typ EventType) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.list, func(ev Event) bool { return ev.Worker == id && ev.Type == typ })
}

// fakeWorker is the far end of a channel, played by the test line by line.
type fakeWorker struct {
	t    *testing.T
	id   uint64
	file *os.File
	rest []byte
	fds  []int
	seq  int
}

// msg is a line that a fake worker received.
type msg struct {
	Cmd      string `json:"cmd"`
	Type     string `json:"type"`
	Msg      *msg   `json:"msg"`
	Act      string `json:"act"`
	Key      string `json:"key"`
	Errno    *int   `json:"errno"`
	Ack      *int   `json:"ack"`
	Seq      int    `json:"seq"`
	Data     any    `json:"data"`
	Address  string `json:"address"`
	FD       *int   `json:"fd"`
	Sockname *struct {
		Address, Family string
		Port            int
	} `json:"sockname"`

	fd  int // that came with it; -1
	raw string
}

func fake(t *testing.T, p *Primary, o WorkerOptions) *fakeWorker {
	t.Helper()
	ours, theirs, err := sys.Socketpair("fake")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ipc.NewConn(ours, ipc.ConnOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Add(conn, o); err != nil {
		t.Fatal(err)
	}
	if err := sys.SetNonblock(int(theirs.Fd())); err != nil {
		t.Fatal(err)
	}
	w := &fakeWorker{t: t, id: o.ID, file: theirs}
	t.Cleanup(w.die)
	return w
}

func (w *fakeWorker) die() {
	if w.file == nil {
		return
	}
	w.file.Close()
	w.file = nil
	for _, fd := range w.fds {
		sys.Close(fd)
	}
	w.fds = nil
}

func (w *fakeWorker) say(line string) {
	w.t.Helper()
	if _, err := sys.Send(int(w.file.Fd()), []byte(line+"\n"), -1); err != nil {
		w.t.Fatalf("worker %d says %s: %v", w.id, line, err)
	}
}

// cluster sends a cluster message with the next number and returns that.
func (w *fakeWorker) cluster(members string) (seq int) {
	w.t.Helper()
	w.say(fmt.Sprintf(`{"cmd":"NODE_CLUSTER",%s,"seq":%d}`, members, w.seq))
	w.seq++
	return w.seq - 1
}

// next returns the next line; nil when none comes within the time.
func (w *fakeWorker) next(within time.Duration) *msg {
	w.t.Helper()
	deadline := time.Now().Add(within)
	for {
		if i := bytes.IndexByte(w.rest, '\n'); i >= 0 {
			return w.parse(i)
		}
		if !waitReadable(int(w.file.Fd()), time.Until(deadline)) {
			return nil
		}
		var buf [64 << 10]byte
		n, fds, _, err := sys.Recv(int(w.file.Fd()), buf[:])
		switch {
		case errors.Is(err, syscall.EAGAIN):
			continue
		case err != nil || n == 0:
			w.t.Fatalf("worker %d: the channel ended: %v", w.id, errors.Join(err, io.EOF))
		}
		w.rest, w.fds = append(w.rest, buf[:n]...), append(w.fds, fds...)
	}
}

func (w *fakeWorker) parse(end int) *msg {
	m := &msg{fd: -1, raw: string(w.rest[:end])}
	if err := json.Unmarshal(w.rest[:end], m); err != nil {
		w.t.Fatalf("worker %d was sent %q: %v", w.id, w.rest[:end], err)
	}
	w.rest = w.rest[end+1:]
	if m.Cmd == "NODE_HANDLE" {
		if len(w.fds) == 0 {
			w.t.Fatalf("worker %d: no descriptor with %s", w.id, m.raw)
		}
		m.fd, w.fds = w.fds[0], w.fds[1:]
	}
	return m
}

// must returns the next line, which must come.
func (w *fakeWorker) must() *msg {
	w.t.Helper()
	m := w.next(patience)
	if m == nil {
		w.t.Fatalf("worker %d was sent nothing", w.id)
	}
	return m
}

// listen asks for a server and returns the key it got.
func (w *fakeWorker) listen(members string) *msg {
	w.t.Helper()
	seq := w.cluster(`"act":"queryServer",` + members)
	m := w.must()
	if m.Cmd == "NODE_HANDLE" {
		w.say(`{"cmd":"NODE_HANDLE_ACK"}`)
		m.Msg.fd = m.fd
		m = m.Msg
	}
	if m.Ack == nil || *m.Ack != seq {
		w.t.Fatalf("worker %d: the answer to %d is %s", w.id, seq, m.raw)
	}
	return m
}

const port0 = `"index":0,"data":null,"address":"127.0.0.1","port":0,"addressType":4,"backlog":0`

// accept takes the next line as a connection and answers it.
func (w *fakeWorker) accept(yes bool) {
	w.t.Helper()
	w.answer(w.must(), yes)
}

func (w *fakeWorker) answer(m *msg, yes bool) {
	w.t.Helper()
	if m.Msg == nil || m.Msg.Act != "newconn" || m.fd < 0 {
		w.t.Fatalf("worker %d was sent %s, want newconn", w.id, m.raw)
	}
	if yes {
		syscall.Write(m.fd, fmt.Appendf(nil, "%d\n", w.id))
	}
	sys.Close(m.fd)
	w.say(`{"cmd":"NODE_HANDLE_ACK"}`)
	w.cluster(fmt.Sprintf(`"ack":%d,"accepted":%t`, m.Msg.Seq, yes))
}

func waitReadable(fd int, within time.Duration) bool {
	if within <= 0 {
		return false
	}
	f := os.NewFile(uintptr(mustDup(fd)), "wait")
	defer f.Close()
	f.SetReadDeadline(time.Now().Add(within))
	raw, err := f.SyscallConn()
	if err != nil {
		panic(err)
	}
	first := true
	return raw.Read(func(fd uintptr) bool {
		if !first {
			return true
		}
		first = false
		_, _, err := sys.Peek(int(fd), make([]byte, 1))
		return !errors.Is(err, syscall.EAGAIN)
	}) == nil
}

func mustDup(fd int) int {
	dup, err := sys.Dup(fd)
	if err != nil {
		panic(err)
	}
	return dup
}

// dial connects to a port of 127.0.0.1 and returns what the server says.
func dial(t *testing.T, port int) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), patience)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c
}

func line(t *testing.T, c net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(b))
}
