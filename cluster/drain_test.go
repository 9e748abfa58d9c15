package cluster

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/loadgen"
)

// keeping is a crew of testdata/keep.js under the preload.
type keeping struct {
	*crew
	node, preload string
	scheduler     Scheduler
	port          int
	script        string
	env           []string
}

func newKeeping(t *testing.T, node, kind string, s Scheduler) *keeping {
	t.Helper()
	k := &keeping{crew: newCrew(t), node: node, scheduler: s, port: freePort(t), script: "testdata/keep.js"}
	k.env = []string{"KIND=" + kind, fmt.Sprint("PORT=", k.port)}
	if strings.HasPrefix(kind, "https") {
		k.env = append(k.env, certificate(t)...)
	}
	k.preload = filepath.Join(t.TempDir(), "preload.cjs")
	if err := os.WriteFile(k.preload, []byte(Preload), 0o600); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *keeping) worker() uint64 {
	k.t.Helper()
	script, err := filepath.Abs(k.script)
	if err != nil {
		k.t.Fatal(err)
	}
	id := k.forkArgs(k.node, []string{"--require", k.preload, script}, k.scheduler, k.env...)
	k.crew.port(id)
	return id
}

// replace lets a worker go for another one, and returns the new one.
func (k *keeping) replace(old uint64, timeout time.Duration) uint64 {
	k.t.Helper()
	id := k.worker()
	k.p.Drain(old, timeout)
	return id
}

// Clients that keep their connections notice nothing of a worker that is replaced.
func TestNodeDrainsUnnoticed(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		for _, s := range []Scheduler{RoundRobin, Shared, ReusePort} {
			t.Run(s.String(), func(t *testing.T) {
				k := newKeeping(t, node, "http", s)
				id := k.worker()
				ctx, cancel := context.WithCancel(t.Context())
				loaded := make(chan loadgen.Result, 2)
				for _, keep := range []bool{true, false} {
					go func() {
						r, err := loadgen.Run(ctx, loadgen.Options{URL: fmt.Sprintf("http://127.0.0.1:%d/", k.port), Clients: 6, KeepAlive: keep})
						if err != nil {
							t.Error(err)
						}
						loaded <- r
					}()
				}
				for range 2 {
					old := id
					id = k.replace(old, patience)
					k.ev.of(old, WorkerDisconnected)
					k.exit(old)
				}
				cancel()
				for range 2 {
					if r := <-loaded; r.Failed() > 0 || r.Count(loadgen.OK) == 0 {
						t.Errorf("%v: %+v", &r, r.Errors)
					}
				}
			})
		}
	})
}

// An idle connection is not cut: its next answer is its last.
func TestNodeDrainSpares(t *testing.T) {
	dials := map[string]func(addr string) (net.Conn, error){
		"http": func(addr string) (net.Conn, error) { return net.Dial("tcp", addr) },
		"https": func(addr string) (net.Conn, error) {
			return tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		},
	}
	eachNode(t, func(t *testing.T, node string) {
		for kind, dial := range dials {
			t.Run(kind, func(t *testing.T) {
				k := newKeeping(t, node, kind, RoundRobin)
				old := k.worker()
				c, err := dial(fmt.Sprint("127.0.0.1:", k.port))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				in := bufio.NewReader(c)
				ask := func() (closing bool) {
					fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
					resp, err := http.ReadResponse(in, nil)
					if err != nil {
						t.Fatal(err)
					}
					io.Copy(io.Discard, resp.Body)
					return resp.Close
				}
				if ask() {
					t.Fatal("closed before its time")
				}
				k.replace(old, patience)
				for !ask() { // until the worker has heard of it
				}
				k.ev.of(old, WorkerDisconnected)
			})
		}
	})
}

func TestNodeDrainsHTTP2(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		k := newKeeping(t, node, "https2", RoundRobin)
		old := k.worker()
		client := &http.Client{Timeout: patience, Transport: &http.Transport{
			ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		}}
		defer client.CloseIdleConnections()
		ask := func() string {
			resp, err := client.Post(fmt.Sprintf("https://127.0.0.1:%d/", k.port), "text/plain", strings.NewReader("x")) // never sent again by the client
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			pid, err := io.ReadAll(resp.Body)
			if err != nil || resp.ProtoMajor != 2 {
				t.Fatalf("%v by HTTP/%d", err, resp.ProtoMajor)
			}
			return string(pid)
		}
		first := ask()
		k.replace(old, patience)
		for ask() == first { // until the connection is told to go
		}
		k.ev.of(old, WorkerDisconnected)
	})
}

// A session of HTTP/2 whose first request is on its way when the worker is told to
// go has its answer.
func TestNodeDrainAwaitsFirstStream(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		k := newKeeping(t, node, "https2", RoundRobin)
		old := k.worker()
		c, err := tls.Dial("tcp", fmt.Sprint("127.0.0.1:", k.port), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		k.replace(old, patience)
		k.p.Ping(old)
		k.ev.of(old, WorkerPong) // it has heard
		dialed := false
		client := &http.Client{Timeout: patience, Transport: &http.Transport{
			ForceAttemptHTTP2: true,
			DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
				if dialed {
					return nil, errors.New("the request was refused")
				}
				dialed = true
				return c, nil
			},
		}}
		resp, err := client.Get("https://worker/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.ProtoMajor != 2 {
			t.Errorf("an answer by HTTP/%d", resp.ProtoMajor)
		}
		k.ev.of(old, WorkerDisconnected)
	})
}

// What would stay for ever is told before the time is up.
func TestNodeDrainEndsWebSockets(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		k := newKeeping(t, node, "upgrade", RoundRobin)
		old := k.worker()
		c := dial(t, k.port)
		in := bufio.NewReader(c)
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(err)
		}
		k.replace(old, 2*time.Second)
		fmt.Fprint(c, "still there\n")
		for _, want := range []string{"still there\n", "closed 1001\n"} {
			if got, err := in.ReadString('\n'); err != nil || got != want {
				t.Fatalf("%q, %v; want %q", got, err, want)
			}
		}
		c.Close()
		k.ev.of(old, WorkerDisconnected)
	})
}

// A worker answers a ping while its event loop turns.
func TestNodePing(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		k := newKeeping(t, node, "hangs", RoundRobin)
		id := k.worker()
		for range 3 {
			k.p.Ping(id)
			k.ev.of(id, WorkerPong)
		}
		if r, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/hang", k.port)); err == nil {
			r.Body.Close()
		}
		k.p.Ping(id)
		other := k.worker()
		k.p.Ping(other) // long enough for one that would answer
		k.ev.of(other, WorkerPong)
		if k.ev.has(id, WorkerPong) {
			t.Error("it answers in a loop without end")
		}
	})
}

// What a program makes of process.send is not for the preload.
func TestNodePingOfMute(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		k := newKeeping(t, node, "mute", RoundRobin)
		id := k.worker()
		k.p.Ping(id)
		k.ev.of(id, WorkerPong)
	})
}

// A worker that accepts by itself tells each time it has taken its number of connections.
func TestNodeWorn(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		k := newKeeping(t, node, "http", Shared)
		k.env = append(k.env, WornVar+"=3")
		id := k.worker()
		for range 2 {
			for range 3 {
				if k.ev.has(id, WorkerWorn) {
					t.Fatal("too early")
				}
				resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", k.port))
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close() // unread: the connection is not kept
				http.DefaultClient.CloseIdleConnections()
			}
			k.ev.of(id, WorkerWorn)
		}
	})
}

// The preload is nothing that a program could see.
func TestNodePreloadIsInert(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		k := newKeeping(t, node, "nothing", RoundRobin)
		script, err := filepath.Abs("testdata/keep.js")
		if err != nil {
			t.Fatal(err)
		}
		said := map[string]bool{}
		for _, args := range [][]string{{script}, {"--require", k.preload, script}} {
			id := k.forkArgs(node, args, RoundRobin, k.env...)
			text, _, _ := strings.Cut(k.message(id, "listeners"), ",")
			said[text] = true
		}
		if len(said) != 1 {
			t.Errorf("with it and without it the program sees %v", said)
		}
	})
}

// A worker is asked to drain only if it said that it can, and told to disconnect
// once it has. One adopted from a former primary is still known to, though it listens
// no more: it may be draining already, and must not be cut.
func TestDrainIsAskedOfWhoSaidHello(t *testing.T) {
	s := newSuccession(t)
	able, adopt := s.worker(WorkerOptions{ID: 1, Group: "web"})
	able.say(`{"cmd":"NODE_TEND","act":"hello"}`)
	if m := able.must(); m.raw != `{"cmd":"NODE_TEND","act":"brief"}` {
		t.Errorf("at its hello it is told %s", m.raw)
	}
	s.drains = s.ev.wait("that it drains", func(ev Event) bool { return ev.Worker == 1 && ev.Type == WorkerDrains }).Worker == 1
	s.next()
	adopt()
	s.p.Drain(1, 3*time.Second)
	if m := able.must(); m.raw != `{"cmd":"NODE_TEND","act":"drain","timeout":3000}` {
		t.Errorf("the first is told %s", m.raw)
	}
	able.say(`{"cmd":"NODE_TEND","act":"drained"}`)
	if m := able.must(); m.Act != "disconnect" {
		t.Errorf("then it is told %s", m.raw)
	}
	plain := fake(t, s.p, WorkerOptions{ID: 2, Group: "web"})
	plain.listen(port0)
	s.p.Drain(2, 3*time.Second)
	if m := plain.must(); m.Act != "disconnect" {
		t.Errorf("the other is told %s", m.raw)
	}
}
