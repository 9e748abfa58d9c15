package cluster

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
)

func TestSessionOwner(t *testing.T) {
	for head, want := range map[string]uint64{
		"GET /socket.io/?EIO=4&transport=polling&t=abc&sid=lv_VI97HAXpY6yYWAAAB.12 HTTP/1.1\r\nHost: x\r\n\r\n": 12,
		"POST /x?sid=a.b.7&t=1 HTTP/1.1\r\n":             7,
		"GET /x?sid=a.3&b":                               3, // cut off later
		"GET /x?sid=a.3":                                 0, // of more digits, perhaps
		"GET /x?sid=a.3 ":                                3,
		"GET /x?sid=12 HTTP/1.1\r\n":                     0,
		"GET /x?sid=a. HTTP/1.1\r\n":                     0,
		"GET /x?sid=a.-1 HTTP/1.1\r\n":                   0,
		"GET /x?notsid=a.1 HTTP/1.1\r\n":                 0,
		"GET /x HTTP/1.1\r\nReferer: http://y/?sid=a.1 ": 0,
		"":                                  0,
		"\x16\x03\x01\x02\x00\x01\x00?sid=": 0,
	} {
		if got, ok := sessionOwner([]byte(head)); got != want || ok != (want != 0) {
			t.Errorf("%q: %d, %v; want %d", head, got, ok, want)
		}
	}
}

// What a client writes into tend's own header means nothing.
func TestNodeStickyHeaderIsOurs(t *testing.T) {
	modules := proctest.Modules(t)
	node := proctest.FirstNode(t).Path
	k := newKeeping(t, node, "http", Shared)
	k.env = append(k.env, StickyVar+"="+t.TempDir(), "NODE_PATH="+modules)
	k.script = "testdata/sticky.js"
	owner, other := k.worker(), k.worker()
	url := func(id uint64) string {
		return fmt.Sprintf("http://127.0.0.1:%d/?EIO=4&transport=polling&sid=x.%d", k.port, id)
	}
	for _, id := range []uint64{owner, other, owner, other} { // one way or the other it is passed on
		req, err := http.NewRequest("GET", url(id), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Tend-Sticky", `{"end":"all"}`)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		http.DefaultClient.CloseIdleConnections()
		if string(body) != "1" { // the session is closed; the note's answer would be empty
			t.Errorf("of worker %d: %d %q", id, resp.StatusCode, body)
		}
	}
}

// stickyClients is what testdata/sticky-client.js tells.
type stickyClients struct {
	Sessions  int
	Errors    map[string]int
	Ends      map[string]int
	Answers   int
	Strangers int // answered by another worker than before, or not knowing the client's address
	Pids      map[string]int
}

// Sessions of Socket.IO stay with their worker, over whatever connections their
// requests come, and while all workers are replaced no client is told that its
// session is unknown.
func TestNodeStickySessions(t *testing.T) {
	kinds := []struct {
		name      string
		scheduler Scheduler
		env       []string
	}{
		{"kept alive", RoundRobin, []string{"TRANSPORTS=polling", "KEEP=1", "OWN_IDS=1"}},
		{"upgrading", RoundRobin, []string{"TRANSPORTS=polling,websocket"}},
		{"polling", RoundRobin, []string{"TRANSPORTS=polling"}},
		{"shared", Shared, []string{"TRANSPORTS=polling,websocket"}},
		{"reuseport", ReusePort, []string{"TRANSPORTS=polling"}},
	}
	modules := proctest.Modules(t)
	first := proctest.FirstNode(t).Path
	eachNode(t, func(t *testing.T, node string) {
		for i, kind := range kinds {
			if node != first && i > 1 {
				continue // what those add is not of Node
			}
			t.Run(kind.name, func(t *testing.T) {
				k := newKeeping(t, node, "http", kind.scheduler)
				k.env = append(k.env, append(kind.env, StickyVar+"="+t.TempDir(), "NODE_PATH="+modules)...)
				k.script = "testdata/sticky.js"
				var old []uint64
				for range 4 {
					old = append(old, k.worker())
				}
				client, err := filepath.Abs("testdata/sticky-client.js")
				if err != nil {
					t.Fatal(err)
				}
				clients := k.forkArgs(node, []string{client}, Shared, k.env...)
				k.message(clients, "begun")
				for range old {
					k.worker()
				}
				for _, id := range old {
					k.p.Drain(id, 2*time.Second)
				}
				for _, id := range old {
					k.ev.of(id, WorkerDisconnected)
				}
				k.p.Send(clients, []byte(`"finish"`))
				var m struct{ Told stickyClients }
				if err := json.Unmarshal([]byte(k.message(clients, "told")), &m); err != nil {
					t.Fatal(err)
				}
				got := m.Told
				if len(got.Errors) > 0 || got.Strangers > 0 || got.Answers < got.Sessions {
					t.Errorf("%+v", got)
				}
				if n := got.Ends["transport close"]; n < 12 || len(got.Ends) != 1 {
					t.Errorf("%+v: each session is told to end when its worker goes", got)
				}
				if kind.scheduler == RoundRobin && len(got.Pids) < 4 { // else the kernel chooses
					t.Errorf("only %d workers had sessions", len(got.Pids))
				}
			})
		}
	})
}
