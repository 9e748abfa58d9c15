package cluster

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/proctest"
)

// crew is some real workers of one primary.
type crew struct {
	t  *testing.T
	p  *Primary
	ev *events

	mu    sync.Mutex // guards procs
	procs map[uint64]*child.Process
}

func newCrew(t *testing.T) *crew {
	t.Helper()
	p, ev := run(t, PrimaryOptions{})
	c := &crew{t: t, p: p, ev: ev, procs: map[uint64]*child.Process{}}
	t.Cleanup(c.kill)
	return c
}

func (c *crew) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, proc := range c.procs {
		proc.Signal(syscall.SIGKILL)
		<-proc.Exited()
		proc.Close()
	}
}

// fork starts one worker of testdata/app.js.
func (c *crew) fork(program string, s Scheduler, env ...string) uint64 {
	c.t.Helper()
	script, err := filepath.Abs("testdata/app.js")
	if err != nil {
		c.t.Fatal(err)
	}
	return c.forkArgs(program, []string{script}, s, env...)
}

func (c *crew) forkArgs(program string, args []string, s Scheduler, env ...string) uint64 {
	c.t.Helper()
	proc, id, err := c.p.Fork(child.Command{
		Path: program, Args: args, Env: append(os.Environ(), env...),
		Stdio: []child.Stdio{child.Ignore(), child.Inherit(2), child.Inherit(2)},
	}, WorkerOptions{
		Group: "app", Scheduler: s,
		Sticky: slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, StickyVar+"=") }),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.procs[id] = proc
	return id
}

func (c *crew) proc(id uint64) *child.Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.procs[id]
}

// port waits until the worker serves and returns the port.
func (c *crew) port(id uint64) int {
	c.t.Helper()
	e := c.ev.wait(fmt.Sprintf("listening of worker %d", id), func(e Event) bool {
		return e.Worker == id && (e.Type == WorkerListening || e.Type == WorkerListenFailed || e.Type == WorkerDisconnected)
	})
	if e.Type != WorkerListening {
		c.t.Fatalf("worker %d: %s %v", id, e.Type, e.Err)
	}
	_, address, _ := strings.Cut(e.Address, " ")
	_, port, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(port)
	return n
}

// message waits for a message of the worker that holds text.
func (c *crew) message(id uint64, text string) string {
	c.t.Helper()
	return string(c.ev.wait(fmt.Sprintf("message %s of worker %d", text, id), func(e Event) bool {
		return e.Worker == id && e.Type == WorkerMessage && bytes.Contains(e.Message, []byte(text))
	}).Message)
}

func (c *crew) exit(id uint64) child.Exit {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	exit, err := c.proc(id).Wait(ctx)
	if err != nil {
		c.t.Fatalf("worker %d: %v", id, err)
	}
	return exit
}

// eachNode runs the test with every Node at hand.
func eachNode(t *testing.T, test func(t *testing.T, node string)) {
	for _, n := range proctest.Nodes(t) {
		t.Run(n.Name(), func(t *testing.T) { test(t, n.Path) })
	}
}

// ask makes one request and returns the answer: the pid of who served it.
type ask func(port int) (string, error)

func askHTTP(client *http.Client, scheme string) ask {
	return func(port int) (string, error) {
		resp, err := client.Get(fmt.Sprintf("%s://127.0.0.1:%d/", scheme, port))
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
}

func askStream(network, address string) ask {
	return func(port int) (string, error) {
		to := address
		if network == "tcp" {
			to = fmt.Sprintf("127.0.0.1:%d", port)
		}
		c, err := net.DialTimeout(network, to, patience)
		if err != nil {
			return "", err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		b, err := io.ReadAll(c)
		return string(b), err
	}
}

func askDatagram(port int) (string, error) {
	c, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("ping")); err != nil {
		return "", err
	}
	buf := make([]byte, 64)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

// certificate writes a key and a certificate and returns the environment that names them.
func certificate(t *testing.T) []string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return []string{"KEY=" + write("key.pem", "PRIVATE KEY", der), "CERT=" + write("cert.pem", "CERTIFICATE", cert)}
}

// httpClient makes each request on a connection of its own.
func httpClient(t *testing.T, h2 bool) *http.Client {
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
	}
	if h2 {
		transport.DisableKeepAlives = false
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func TestServersOfEveryKind(t *testing.T) {
	env := certificate(t)
	sock := filepath.Join(t.TempDir(), "app.sock")
	kinds := []struct {
		kind string
		ask  func(t *testing.T) ask
	}{
		{"http", func(t *testing.T) ask { return askHTTP(httpClient(t, false), "http") }},
		{"https", func(t *testing.T) ask { return askHTTP(httpClient(t, false), "https") }},
		{"http2", func(t *testing.T) ask {
			return func(port int) (string, error) {
				client := httpClient(t, true)
				defer client.CloseIdleConnections()
				return askHTTP(client, "http")(port)
			}
		}},
		{"net", func(*testing.T) ask { return askStream("tcp", "") }},
		{"unix", func(*testing.T) ask { return askStream("unix", sock) }},
		{"dgram", func(*testing.T) ask { return askDatagram }},
	}
	eachNode(t, func(t *testing.T, node string) {
		for _, k := range kinds {
			for _, s := range []Scheduler{RoundRobin, Shared, ReusePort} {
				t.Run(k.kind+"/"+s.String(), func(t *testing.T) {
					serveTwo(t, node, s, k.kind == "dgram", k.ask(t), append(env, "KIND="+k.kind, "UPATH="+sock))
				})
			}
		}
	})
}

// serveTwo has two workers answer until both have done so.
func serveTwo(t *testing.T, node string, s Scheduler, mayStarve bool, ask ask, env []string) {
	c := newCrew(t)
	a, b := c.fork(node, s, env...), c.fork(node, s, env...)
	port := c.port(a)
	if other := c.port(b); other != port {
		t.Fatalf("ports %d and %d", port, other)
	}
	got := map[string]int{}
	n := 0
	for ; n < 20 || len(got) < 2 && n < 2000 && !mayStarve; n++ {
		pid, err := ask(port)
		if err != nil {
			t.Fatal(err)
		}
		got[pid]++
	}
	for pid := range got {
		if pid != fmt.Sprint(c.proc(a).PID()) && pid != fmt.Sprint(c.proc(b).PID()) {
			t.Errorf("answered by %q", pid)
		}
	}
	if s == RoundRobin && !mayStarve && (len(got) != 2 || n != 20) {
		t.Errorf("answers: %v", got)
	}
	for _, id := range []uint64{a, b} {
		c.p.Disconnect(id)
	}
	for _, id := range []uint64{a, b} {
		if exit := c.exit(id); exit.Code != 0 {
			t.Errorf("worker %d: %v", id, exit)
		}
	}
}

func TestStrictRotation(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		c := newCrew(t)
		var ids []uint64
		for range 3 {
			ids = append(ids, c.fork(node, RoundRobin, "KIND=http"))
		}
		port := 0
		for _, id := range ids {
			port = c.port(id)
		}
		ask, got := askHTTP(httpClient(t, false), "http"), map[string]int{}
		for range 60 {
			pid, err := ask(port)
			if err != nil {
				t.Fatal(err)
			}
			got[pid]++
		}
		for _, id := range ids {
			if n := got[fmt.Sprint(c.proc(id).PID())]; n != 20 {
				t.Errorf("answers: %v, want 20 each", got)
				break
			}
		}
	})
}

func TestMixedVersions(t *testing.T) {
	nodes := proctest.Nodes(t)
	if len(nodes) < 2 {
		if os.Getenv("TEND_REQUIRE_NODE") == "1" {
			t.Fatal("one version of Node only; the test command fetches the others")
		}
		t.Skip("one version of Node only")
	}
	for _, s := range []Scheduler{RoundRobin, Shared} {
		t.Run(s.String(), func(t *testing.T) {
			c := newCrew(t)
			env := []string{"KIND=https", "PORT=" + fmt.Sprint(freePort(t))}
			env = append(env, certificate(t)...)
			var ids []uint64
			for _, n := range nodes {
				ids = append(ids, c.fork(n.Path, s, env...))
			}
			port := 0
			for _, id := range ids {
				port = c.port(id)
			}
			ask, got := askHTTP(httpClient(t, false), "https"), map[string]int{}
			for n := 0; n < 10*len(nodes) || len(got) < len(nodes) && n < 3000; n++ {
				pid, err := ask(port)
				if err != nil {
					t.Fatal(err)
				}
				got[pid]++
			}
			if len(got) != len(nodes) {
				t.Errorf("answers: %v, want of %d workers", got, len(nodes))
			}
		})
	}
}

func TestNodeMeetsErrors(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		taken, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		c := newCrew(t)
		port := fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)
		for _, s := range []Scheduler{RoundRobin, Shared, ReusePort} {
			id := c.fork(node, s, "KIND=net", "PORT="+port)
			c.message(id, `{"error":"EADDRINUSE","errno":-98}`)
			id = c.fork(node, s, "KIND=net", "HOST=192.0.2.1")
			c.message(id, `"error":"EADDRNOTAVAIL"`)
		}
		id := c.fork(node, RoundRobin, "KIND=twosame", "PORT="+fmt.Sprint(freePort(t)))
		c.message(id, `"listening"`)
		c.message(id, `"EADDRINUSE"`)
	})
}

func TestTwoServersOnPortZero(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		c := newCrew(t)
		var ports [2][]int
		for i := range 2 {
			id := c.fork(node, RoundRobin, "KIND=twozero")
			ports[i] = []int{c.port(id), c.port(id)}
			slices.Sort(ports[i])
		}
		if !slices.Equal(ports[0], ports[1]) || ports[0][0] == ports[0][1] {
			t.Errorf("ports %v", ports)
		}
	})
}

func TestNodeLeaves(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		for _, kind := range []string{"leave", "kill"} {
			c := newCrew(t)
			id := c.fork(node, RoundRobin, "KIND="+kind)
			c.port(id)
			if err := c.p.Send(id, []byte(`"go"`)); err != nil {
				t.Fatal(err)
			}
			c.ev.of(id, WorkerLeaving)
			c.ev.of(id, WorkerDisconnected)
			if exit := c.exit(id); exit.Code != 0 {
				t.Errorf("%s: %v", kind, exit)
			}
		}
	})
}

func TestNodeEchoes(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		c := newCrew(t)
		id := c.fork(node, RoundRobin, "KIND=echo")
		c.port(id)
		big, err := json.Marshal(strings.Repeat("é", 200_000))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.p.Send(id, big); err != nil {
			t.Fatal(err)
		}
		if got := c.message(id, "echo"); got != `{"echo":`+string(big)+`}` {
			t.Errorf("%d bytes came back, want %d", len(got), len(big)+9)
		}
	})
}

// load asks again and again until stop, and counts what went wrong.
type load4 struct {
	asked, refused, failed atomic.Int64
	wg                     sync.WaitGroup
	stop                   chan struct{}
}

func startLoad(clients int, ask ask, port int) *load4 {
	l := &load4{stop: make(chan struct{})}
	for range clients {
		l.wg.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				l.asked.Add(1)
				if pid, err := ask(port); err != nil || pid == "" {
					l.failed.Add(1)
					if err != nil && strings.Contains(err.Error(), "refused") {
						l.refused.Add(1)
					}
				}
			}
		})
	}
	return l
}

func (l *load4) end() {
	close(l.stop)
	l.wg.Wait()
}

func TestKillUnderLoad(t *testing.T) {
	node := proctest.FirstNode(t).Path
	for _, s := range []Scheduler{RoundRobin, Shared, ReusePort} {
		t.Run(s.String(), func(t *testing.T) {
			c := newCrew(t)
			ids := []uint64{c.fork(node, s, "KIND=net"), c.fork(node, s, "KIND=net")}
			port := c.port(ids[0])
			c.port(ids[1])
			l := startLoad(8, askStream("tcp", ""), port)
			const kills = 4
			for i := range kills {
				victim := ids[i%2]
				c.proc(victim).Signal(syscall.SIGKILL)
				c.ev.of(victim, WorkerDisconnected)
				ids[i%2] = c.fork(node, s, "KIND=net")
				c.port(ids[i%2])
			}
			l.end()
			t.Logf("%s: %d asked, %d failed, %d refused", s, l.asked.Load(), l.failed.Load(), l.refused.Load())
			if l.refused.Load() > 0 {
				t.Errorf("%d refused", l.refused.Load())
			}
			// What a dying worker had taken is lost in every way of sharing.
			if l.failed.Load() > 8*kills {
				t.Errorf("%d of %d failed", l.failed.Load(), l.asked.Load())
			}
		})
	}
}

// Servers that close and open again all the time refuse connections, and none
// of them is lost.
func TestRelistenUnderLoad(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		c := newCrew(t)
		var ids []uint64
		for range 2 {
			ids = append(ids, c.fork(node, RoundRobin, "KIND=relisten"))
		}
		port := c.port(ids[0])
		c.port(ids[1])
		l := startLoad(4, askStream("tcp", ""), port)
		for range 8 {
			c.port(ids[0])
		}
		l.end()
		if l.failed.Load() > 0 {
			t.Errorf("%d of %d failed", l.failed.Load(), l.asked.Load())
		}
	})
}

// With all workers at maxConnections a further connection waits, without the
// two sides throwing it at each other, and is served when one ends.
func TestMaxConnections(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		c := newCrew(t)
		id := c.fork(node, RoundRobin, "KIND=maxconn")
		port := c.port(id)
		first, second := dial(t, port), dial(t, port)
		if _, err := readLine(first); err != nil {
			t.Fatal(err)
		}
		second.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		if got, err := readLine(second); err == nil {
			t.Fatalf("second connection got %q", got)
		}
		if seq := offers(t, c.p, id); seq > 16 {
			t.Errorf("%d messages to the worker for two connections", seq)
		}
		first.Close()
		second.SetReadDeadline(time.Now().Add(patience))
		if _, err := readLine(second); err != nil {
			t.Error(err)
		}
	})
}

// offers is how many messages the worker was sent.
func offers(t *testing.T, p *Primary, id uint64) (seq int64) {
	t.Helper()
	done := make(chan struct{})
	p.post(func(d *dispatcher) {
		seq = d.workers[id].seq
		close(done)
	})
	<-done
	return seq
}

func TestBun(t *testing.T) {
	bun := proctest.Bun(t)
	for _, kind := range []string{"net", "dgram"} {
		for _, s := range []Scheduler{RoundRobin, Shared} {
			t.Run(kind+"/"+s.String(), func(t *testing.T) {
				ask := askStream("tcp", "")
				if kind == "dgram" {
					ask = askDatagram
				}
				serveTwo(t, bun, s, true, ask, []string{"KIND=" + kind})
			})
		}
	}
	t.Run("http", func(t *testing.T) {
		c := newCrew(t)
		port := freePort(t)
		id := c.fork(bun, RoundRobin, "KIND=http", fmt.Sprintf("PORT=%d", port))
		if got := c.port(id); got != port {
			t.Fatalf("listening on %d, want %d", got, port)
		}
		if pid, err := askHTTP(httpClient(t, false), "http")(port); err != nil || pid != fmt.Sprint(c.proc(id).PID()) {
			t.Errorf("answered by %q, %v", pid, err)
		}
	})
}
