package runner

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/spec"
)

const hello = `
const cluster = require('cluster'), http = require('http')
console.log('worker', cluster.worker.id)
const server = http.createServer((req, res) => res.end('pid ' + process.pid))
server.listen(0, '127.0.0.1')
process.on('message', m => {
	if (m === 'ping') process.send({pong: process.env.NODE_APP_INSTANCE})
	if (m === 'leave') cluster.worker.disconnect()
	if (m === 'crash') throw new Error('boom')
})
`

func (g *rig) node(script string, mode spec.Mode) spec.App {
	g.t.Helper()
	path := filepath.Join(g.dir, "app.js")
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		g.t.Fatal(err)
	}
	a := g.spec()
	a.Script, a.Interpreter, a.Runtime, a.Mode, a.Instances = path, proctest.FirstNode(g.t).Path, spec.Node, mode, 2
	a.StopSignal = "SIGINT"
	return a
}

func TestTwoWorkersOfACluster(t *testing.T) {
	g := newRig(t)
	a := g.node(hello, spec.Cluster)
	keys := []Key{{ID: 0, Gen: 1}, {ID: 1, Gen: 1}}
	for i, k := range keys {
		g.r.Spawn(Spawn{Key: k, App: a, Index: i})
	}
	var address string
	for _, k := range keys {
		address = await[Listening](g, k).Address
		if got := g.names(k); got != "Spawned Online Listening" {
			t.Errorf("reports of %v: %s", k, got)
		}
	}
	pids := ask(t, strings.TrimPrefix(address, "tcp "), 20)
	if len(pids) != 2 {
		t.Errorf("%d pids answered: %v", len(pids), pids)
	}

	if err := g.r.Send(keys[1], []byte(`"ping"`)); err != nil {
		t.Fatal(err)
	}
	if m := await[Message](g, keys[1]); string(m.Data) != `{"pong":"1"}` {
		t.Errorf("got %s", m.Data)
	}

	// One announces its end, the other crashes.
	g.r.Send(keys[0], []byte(`"leave"`))
	await[Gone](g, keys[0])
	if got := g.names(keys[0]); got != "Spawned Online Listening Leaving Disconnected Exited Gone" {
		t.Errorf("reports: %s", got)
	}
	g.r.Send(keys[1], []byte(`"crash"`))
	exit := await[Exited](g, keys[1])
	if !strings.Contains(strings.Join(exit.Log, "\n"), "Error: boom") {
		t.Errorf("log %q", exit.Log)
	}
	await[Gone](g, keys[1])
	if got := g.names(keys[1]); got != "Spawned Online Listening Message Disconnected Exited Gone" {
		t.Errorf("reports: %s", got)
	}
	g.r.Release(a.Name)
}

// ask makes n requests, each on its own connection, and returns who answered.
func ask(t *testing.T, address string, n int) map[string]int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	pids := map[string]int{}
	for range n {
		res, err := client.Get("http://" + address)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		pids[string(body)]++
	}
	return pids
}

func TestDisconnectAndTerminateWorkers(t *testing.T) {
	g := newRig(t)
	a := g.node(hello, spec.Cluster)
	one, two := Key{ID: 0, Gen: 1}, Key{ID: 1, Gen: 1}
	for _, k := range []Key{one, two} {
		g.r.Spawn(Spawn{Key: k, App: a})
		await[Listening](g, k)
	}
	g.r.Unroute(one)
	g.r.Disconnect(one)
	await[Gone](g, one)
	if e := await[Exited](g, one).Exit; e.Code != 0 {
		t.Errorf("disconnected, it ended with %+v", e)
	}
	g.r.Terminate(two)
	if e := await[Exited](g, two).Exit; e.Signal != "SIGINT" {
		t.Errorf("terminated, it ended with %+v", e)
	}
	await[Gone](g, two)
	g.r.Release(a.Name)
}

func TestAListenThatFailsIsReported(t *testing.T) {
	g := newRig(t)
	k := Key{ID: 0, Gen: 1}
	g.r.Spawn(Spawn{Key: k, App: g.node(`require('http').createServer().listen('/no/such/folder/sock')`, spec.Cluster)})
	if f := await[ListenFailed](g, k); f.Err == nil || !strings.Contains(f.Address, "/no/such/folder/sock") {
		t.Errorf("got %+v", f)
	}
	await[Gone](g, k)
	g.r.Release("a")
}

func TestNodeInForkMode(t *testing.T) {
	g := newRig(t)
	k := Key{ID: 0, Gen: 1}
	g.r.Spawn(Spawn{Key: k, App: g.node(`
		console.log(require.main === module, require('cluster').isWorker, process.title === 'node', process.connected)
		process.on('message', m => { process.send({echo: m}); process.disconnect() })
		process.send('ready')`, spec.Fork)})
	await[Ready](g, k)
	if err := g.r.Send(k, []byte(`{"a":[1,"ü"]}`)); err != nil {
		t.Fatal(err)
	}
	if m := await[Message](g, k); string(m.Data) != `{"echo":{"a":[1,"ü"]}}` {
		t.Errorf("got %s", m.Data)
	}
	log := await[Gone](g, k).Log
	if len(log) != 1 || log[0] != "true false true true" {
		t.Errorf("log %q", log)
	}
	if got := g.names(k); got != "Spawned Ready Message Disconnected Exited Gone" {
		t.Errorf("reports: %s", got)
	}
	if err := g.r.Send(k, []byte("1")); fault.CodeOf(err) != fault.NotRunning {
		t.Errorf("got %v", err)
	}
}

// What is between a crash and the exec of the next process is ours: it is to be
// a few milliseconds, also when the dead process left a child behind.
func TestACrashIsReportedAtOnce(t *testing.T) {
	g := newRig(t)
	var delays []time.Duration
	for gen := range uint64(15) {
		k := Key{ID: 1, Gen: gen}
		g.r.Spawn(Spawn{Key: k, App: g.spec("stray", "err=boom", "kill")})
		exit := await[Exited](g, k)
		next := Key{ID: 2, Gen: gen}
		g.r.Spawn(Spawn{Key: next, App: g.spec("exit=0")})
		await[Spawned](g, next)
		delays = append(delays, g.at(next, Spawned{PID: await[Spawned](g, next).PID}).Sub(exit.Exit.At))
		await[Gone](g, k)
		await[Gone](g, next)
	}
	slow := 0
	for _, d := range delays {
		if d > 20*time.Millisecond {
			slow++
		}
	}
	if slow > len(delays)/2 {
		t.Errorf("from exit to exec: %v", delays)
	}
	t.Log(delays)
}

// at is when rep was reported.
func (g *rig) at(k Key, rep Report) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.seen {
		if s.key == k && s.rep == rep {
			return s.at
		}
	}
	return time.Time{}
}

// freePort returns a port that the kernel gives to nobody who asks for any.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(20_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// Each of two workers on one port is asked for itself: one does well, the other not yet.
func TestWorkersAreProbed(t *testing.T) {
	g := newRig(t)
	port := strconv.Itoa(freePort(t))
	a := g.node(strings.Replace(`
const http = require('http')
let well = process.env.NODE_APP_INSTANCE === '0'
http.createServer((req, res) => { res.statusCode = well ? 200 : 503; res.end() }).listen(PORT, '127.0.0.1')
process.on('message', m => { well = m })
`, "PORT", port, 1), spec.Cluster)
	a.Probe = "http://127.0.0.1:" + port + "/"
	keys := []Key{{ID: 0, Gen: 1}, {ID: 1, Gen: 1}}
	for i, k := range keys {
		g.r.Spawn(Spawn{Key: k, App: a, Index: i})
	}
	await[Ready](g, keys[0])
	if err := await[ProbeFailed](g, keys[1]).Err; err.Error() != "answered 503 Service Unavailable" {
		t.Errorf("error %v", err)
	}
	if err := g.r.Probe(keys[0]); err != nil {
		t.Error(err)
	}
	if err := g.r.Probe(keys[1]); err == nil {
		t.Error("it does well")
	}
	g.r.Send(keys[1], []byte("true"))
	await[Ready](g, keys[1])
	g.r.Send(keys[0], []byte("false"))
	for g.r.Probe(keys[0]) == nil { // until it has read that
		if t.Context().Err() != nil {
			t.Fatal("it goes on doing well")
		}
	}
	for _, k := range keys {
		g.r.Kill(k)
		await[Gone](g, k)
	}
	if err := g.r.Probe(keys[0]); fault.CodeOf(err) != fault.NotRunning {
		t.Errorf("of one that is gone: %v", err)
	}
}

// A command may ask the port that the others serve: a worker is not ready by its probe
// before it listens, if such workers do.
func TestProbeAfterListening(t *testing.T) {
	g := newRig(t)
	a := g.node(`process.on('message', () => require('http').createServer(() => {}).listen(0, '127.0.0.1'))`, spec.Cluster)
	a.Probe = "exec:exit 0"
	quiet, serving := Key{ID: 0, Gen: 1}, Key{ID: 1, Gen: 1}
	g.r.Spawn(Spawn{Key: serving, App: a, Listens: true})
	await[Online](g, serving)
	g.r.Spawn(Spawn{Key: quiet, App: a, Index: 1})
	await[Ready](g, quiet)
	g.r.Send(serving, []byte("1"))
	await[Ready](g, serving)
	if got := g.names(serving); got != "Spawned Online Listening Ready" {
		t.Error(got)
	}
	for _, k := range []Key{quiet, serving} {
		g.r.Kill(k)
		await[Gone](g, k)
	}
}
