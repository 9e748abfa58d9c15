package cluster

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
)

func TestListenWithoutPrimary(t *testing.T) {
	if IsWorker() || WorkerID() != 0 || Disconnected() != nil {
		t.Fatal("the test is a worker")
	}
	l, err := Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c, err := ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestGoWorkers(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "go.sock")
	for _, s := range []Scheduler{RoundRobin, Shared, ReusePort} {
		for _, tt := range []struct {
			listen string
			ask    ask
		}{
			{"tcp :0", askHTTP(httpClient(t, false), "http")},
			{"tcp4 127.0.0.1:0", askHTTP(httpClient(t, false), "http")},
			{"tcp [::1]:0", nil},
			{"tcp6 :0", nil},
			{"udp 127.0.0.1:0", askDatagram},
			{"unix " + sock, nil},
		} {
			t.Run(s.String()+"/"+tt.listen, func(t *testing.T) {
				if tt.ask != nil {
					starve := s != RoundRobin || strings.HasPrefix(tt.listen, "udp")
					serveTwo(t, proctest.Self(), s, starve, tt.ask, []string{proctest.RoleEnv("worker"), "LISTEN=" + tt.listen})
					return
				}
				c := newCrew(t)
				id := c.fork(proctest.Self(), s, proctest.RoleEnv("worker"), "LISTEN="+tt.listen)
				e := c.ev.of(id, WorkerListening)
				network, address, _ := strings.Cut(e.Address, " ")
				conn, err := net.Dial(network, address)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
				if b, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(b), fmt.Sprint(c.proc(id).PID())) {
					t.Errorf("answer %q, %v", b, err)
				}
			})
		}
	}
}

func TestGoWorkerTalksAndLeaves(t *testing.T) {
	c := newCrew(t)
	id := c.fork(proctest.Self(), RoundRobin, proctest.RoleEnv("worker"), "LISTEN=tcp :0,tcp :0")
	if a, b := c.port(id), c.port(id); a == b {
		t.Errorf("two servers on port %d", a)
	}
	if err := c.p.Send(id, []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	c.message(id, fmt.Sprintf(`{"echo":"{\"a\":1}","id":%d}`, id))
	c.p.Send(id, []byte(`"leave"`))
	c.ev.of(id, WorkerLeaving)
	c.ev.of(id, WorkerDisconnected)
	if exit := c.exit(id); exit.Code != 0 {
		t.Error(exit)
	}
}

func TestGoWorkerMeetsErrors(t *testing.T) {
	taken, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := newCrew(t)
	id := c.fork(proctest.Self(), RoundRobin, proctest.RoleEnv("worker"),
		fmt.Sprintf("LISTEN=tcp :%d", taken.Addr().(*net.TCPAddr).Port))
	c.ev.of(id, WorkerListenFailed)
	if exit := c.exit(id); exit.Code != 3 {
		t.Error(exit)
	}
}

// A request that is being served when the primary says go is answered.
func TestGoWorkerFinishesItsConnections(t *testing.T) {
	for _, s := range []Scheduler{RoundRobin, Shared} {
		c := newCrew(t)
		id := c.fork(proctest.Self(), s, proctest.RoleEnv("worker"), "LISTEN=tcp 127.0.0.1:0")
		conn := dial(t, c.port(id))
		fmt.Fprint(conn, "GET / HT") // has reached the worker when the primary knows
		settled(t, c.p, id)
		if s == Shared {
			accepted(t, conn)
		}
		c.p.Disconnect(id)
		c.ev.of(id, WorkerClosedListener)
		fmt.Fprint(conn, "TP/1.0\r\n\r\n")
		if b, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(b), fmt.Sprint(c.proc(id).PID())) {
			t.Errorf("%s: answer %q, %v", s, b, err)
		}
		c.ev.of(id, WorkerDisconnected)
		c.exit(id)
	}
}

// settled waits until the worker has answered for all it was handed.
func settled(t *testing.T, p *Primary, id uint64) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		done := make(chan bool, 1)
		p.post(func(d *dispatcher) {
			w := d.workers[id]
			done <- w.load.pending == 0 && (w.Scheduler != RoundRobin || w.sent.head > 0)
		})
		if <-done {
			return
		}
		if time.Since(begin) > patience {
			t.Fatal("the worker does not answer")
		}
	}
}

// accepted waits until some process has taken the other end of conn, an IPv4
// connection, from the kernel's queue: only then has that end an inode (proc_net_tcp).
func accepted(t *testing.T, conn net.Conn) {
	t.Helper()
	port := func(a net.Addr) string { return fmt.Sprintf(":%04X", a.(*net.TCPAddr).Port) }
	local, remote := port(conn.RemoteAddr()), port(conn.LocalAddr())
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		table, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(table)) {
			f := strings.Fields(line)
			if len(f) > 9 && strings.HasSuffix(f[1], local) && strings.HasSuffix(f[2], remote) && f[9] != "0" {
				return
			}
		}
		if time.Since(begin) > patience {
			t.Fatal("nobody accepts the connection")
		}
	}
}

func TestGoWorkerLosesItsPrimary(t *testing.T) {
	c := newCrew(t)
	id := c.fork(proctest.Self(), RoundRobin, proctest.RoleEnv("worker"), "LISTEN=tcp :0")
	c.port(id)
	c.p.Remove(id)
	if exit := c.exit(id); exit.Code != 0 {
		t.Error(exit)
	}
}

// Go workers of a real Node primary.
func TestGoWorkersOfNode(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		for _, policy := range []string{"rr", "none"} {
			for _, mode := range []string{"json", "advanced"} {
				for _, kind := range []string{"tcp", "udp"} {
					t.Run(policy+"/"+mode+"/"+kind, func(t *testing.T) { underNode(t, node, policy, mode, kind) })
				}
			}
		}
	})
}

// nodeEvent is what testdata/primary.js tells.
type nodeEvent struct {
	Online, Listening, Disconnect, Exit int
	Port                                int
	Code                                *int
	Left                                bool
	Message                             *struct{ Echo string }
}

func underNode(t *testing.T, node, policy, mode, kind string) {
	listen, ask := "tcp 127.0.0.1:0", askHTTP(httpClient(t, false), "http")
	if kind == "udp" {
		listen, ask = "udp 127.0.0.1:0", askDatagram
	}
	cmd := exec.Command(node, "testdata/primary.js")
	proctest.RoleEnv("worker")
	cmd.Env = append(os.Environ(), "GO="+proctest.Self(), "POLICY="+policy, "MODE="+mode, "LISTEN="+listen)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(2*patience, func() { cmd.Process.Signal(syscall.SIGKILL) })
	defer func() {
		timer.Stop()
		cmd.Process.Kill()
		cmd.Wait()
	}()
	lines := bufio.NewScanner(out)
	until := func(done func(nodeEvent) bool) {
		t.Helper()
		for lines.Scan() {
			var e nodeEvent
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Fatalf("%s: %v", lines.Bytes(), err)
			}
			if done(e) {
				return
			}
		}
		t.Fatal("the primary ended")
	}
	online, listening, port := 0, 0, 0
	until(func(e nodeEvent) bool {
		if e.Online > 0 {
			online++
		}
		if e.Listening > 0 {
			listening++
			port = e.Port
		}
		return online == 2 && listening == 2
	})
	got := map[string]int{}
	for range 20 {
		pid, err := ask(port)
		if err != nil {
			t.Fatal(err)
		}
		got[pid]++
	}
	if kind == "tcp" && policy == "rr" && len(got) != 2 {
		t.Errorf("answers: %v", got)
	}
	fmt.Fprintln(in, "hello")
	echoes := 0
	until(func(e nodeEvent) bool {
		if e.Message != nil {
			echoes++
		}
		return echoes == 2
	})
	fmt.Fprintln(in, "disconnect")
	gone := 0
	until(func(e nodeEvent) bool {
		if e.Disconnect > 0 && !e.Left {
			t.Errorf("worker %d left unasked", e.Disconnect)
		}
		if e.Exit > 0 {
			gone++
			if e.Code == nil || *e.Code != 0 {
				t.Errorf("worker %d: exit %v", e.Exit, e.Code)
			}
		}
		return gone == 2
	})
}

// A Node primary under SCHED_NONE lends an unbound socket when the port is taken.
func TestPortTakenUnderNodeNone(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		cmd := exec.Command(node, "testdata/primary.js")
		cmd.Env = append(os.Environ(), "GO="+proctest.Self(), "POLICY=none", "LISTEN=tcp "+taken.Addr().String())
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			cmd.Process.Kill()
			cmd.Wait()
		}()
		exits := 0
		for lines := bufio.NewScanner(out); exits < 2 && lines.Scan(); {
			if strings.Contains(lines.Text(), `"exit"`) {
				if exits++; !strings.Contains(lines.Text(), `"code":3`) {
					t.Error(lines.Text())
				}
			}
		}
	})
}
