package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/sys"
)

// Of two workers on one port each is reached when it is meant, whoever's turn it is.
func TestDialReachesTheWorker(t *testing.T) {
	env := certificate(t)
	programs := []struct{ name, path string }{{"go", proctest.Self()}}
	for _, n := range proctest.Nodes(t) {
		programs = append(programs, struct{ name, path string }{n.Name(), n.Path})
	}
	for _, program := range programs {
		for _, s := range []Scheduler{RoundRobin, Shared, ReusePort} {
			for _, kind := range []string{"http", "https"} {
				if program.name == "go" && kind == "https" {
					continue
				}
				t.Run(program.name+"/"+s.String()+"/"+kind, func(t *testing.T) {
					c := newCrew(t)
					vars := append([]string{"KIND=" + kind}, env...)
					if program.name == "go" {
						vars = []string{proctest.RoleEnv("worker"), "LISTEN=tcp :0"}
					}
					ids := []uint64{c.fork(program.path, s, vars...), c.fork(program.path, s, vars...)}
					port := c.port(ids[0])
					c.port(ids[1])
					for range 3 {
						for _, id := range []uint64{ids[0], ids[0], ids[1]} {
							got, err := askWorker(t, c.p, id, port, kind)
							if want := fmt.Sprint(c.proc(id).PID()); err != nil || got != want {
								t.Fatalf("worker %d: answered by %q, %v; want %s", id, got, err, want)
							}
						}
					}
				})
			}
		}
	}
}

// askWorker makes a request of one worker.
func askWorker(t *testing.T, p *Primary, id uint64, port int, scheme string) (string, error) {
	client := httpClient(t, false)
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return p.Dial(ctx, id, uint16(port))
	}
	return askHTTP(client, scheme)(port)
}

func TestDialFails(t *testing.T) {
	p, ev := run(t, PrimaryOptions{})
	w := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	dialled := func(id uint64, port int) chan error {
		done := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			conn, err := p.Dial(ctx, id, uint16(port))
			if err == nil {
				conn.Close()
			}
			done <- err
		}()
		return done
	}
	port := w.listen(port0).Sockname.Port
	if err := <-dialled(1, port); !errors.Is(err, errNotServed) {
		t.Errorf("before it listens: %v", err)
	}
	w.cluster(fmt.Sprintf(`"act":"listening","index":0,"data":null,"address":"127.0.0.1","port":%d,"addressType":4`, port))
	ev.of(1, WorkerListening)
	if err := <-dialled(1, port+1); !errors.Is(err, errNotServed) {
		t.Errorf("another port: %v", err)
	}
	if err := <-dialled(2, port); !errors.Is(err, errNotThere) {
		t.Errorf("another worker: %v", err)
	}
	done := dialled(1, port)
	w.accept(true)
	if err := <-done; err != nil {
		t.Errorf("accepted: %v", err)
	}
	done = dialled(1, port)
	w.accept(false)
	if err := <-done; !errors.Is(err, errRefused) {
		t.Errorf("refused: %v", err)
	}
	done = dialled(1, port)
	sys.Close(w.must().fd)
	w.say(`{"cmd":"NODE_HANDLE_NACK"}`)
	if err := <-done; !errors.Is(err, errRefused) {
		t.Errorf("no descriptor left: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := p.Dial(ctx, 1, uint16(port)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no answer: %v", err)
	}
	sys.Close(w.must().fd)
	acked := dialled(1, port)
	sys.Close(w.must().fd)
	w.say(`{"cmd":"NODE_HANDLE_ACK"}`)
	untouched := dialled(1, port)
	sys.Close(w.must().fd)
	other := fake(t, p, WorkerOptions{ID: 2, Group: "web"})
	other.listen(port0)
	w.die()
	for _, done := range []chan error{acked, untouched} {
		if err := <-done; !errors.Is(err, errWentAway) {
			t.Errorf("died: %v", err)
		}
	}
	client := dial(t, port)
	other.accept(true) // and not what was meant for the one that died
	if got := line(t, client); got != "2" {
		t.Errorf("served by %q", got)
	}
}

// A worker that does not answer is not sent connections without end.
func TestDialsOfASilentWorker(t *testing.T) {
	p, ev := run(t, PrimaryOptions{})
	w := fake(t, p, WorkerOptions{ID: 1, Group: "web"})
	port := w.listen(port0).Sockname.Port
	w.cluster(fmt.Sprintf(`"act":"listening","index":0,"data":null,"address":"127.0.0.1","port":%d,"addressType":4`, port))
	ev.of(1, WorkerListening)
	var owed []chan error
	for range maxOwed {
		conn, fd, err := connected(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		taken := make(chan error, 1)
		p.post(func(d *dispatcher) { d.handOwn(1, uint16(port), fd, taken) })
		owed = append(owed, taken)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := p.Dial(ctx, 1, uint16(port)); !errors.Is(err, errSilent) {
		t.Fatalf("one too many: %v", err)
	}
	for _, taken := range owed {
		w.accept(true)
		if err := <-taken; err != nil {
			t.Error(err)
		}
	}
	done := make(chan error, 1)
	go func() {
		conn, err := p.Dial(t.Context(), 1, uint16(port))
		if err == nil {
			conn.Close()
		}
		done <- err
	}()
	w.accept(true)
	if err := <-done; err != nil {
		t.Errorf("once it answers: %v", err)
	}
}

// Where the worker refuses, the client's end is closed, too.
func TestDialLeavesNothing(t *testing.T) {
	conn, fd, err := connected(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sys.Close(fd)
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("somebody has the other end: %v", err)
	}
}
