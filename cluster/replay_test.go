package cluster

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/sys"
)

// capture is a recorded conversation between a primary and real Node workers.
type capture struct {
	Events []struct {
		Worker int
		Dir    string
		UTF8   string `json:"utf8"`
		EOF    string `json:"eof"`
	}
}

// TestReplayCaptures says what Node workers said to another primary, and
// compares the answers.
func TestReplayCaptures(t *testing.T) {
	files, err := filepath.Glob("../internal/wire/testdata/vectors/cluster-*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var c capture
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatal(err)
			}
			r := &replay{t: t, name: name, ports: map[string]string{}, workers: map[int]*replayed{}, dir: t.TempDir()}
			r.p, r.ev = run(t, PrimaryOptions{})
			for _, e := range c.Events {
				for _, line := range strings.SplitAfter(e.UTF8, "\n") {
					if line = strings.TrimSuffix(line, "\n"); line != "" {
						r.step(r.worker(e.Worker), e.Dir == "child->parent", line)
					}
				}
				if e.EOF != "" {
					w := r.worker(e.Worker)
					w.die()
					r.ev.of(w.id, WorkerDisconnected)
				}
			}
		})
	}
}

type replay struct {
	t       *testing.T
	name    string
	dir     string
	p       *Primary
	ev      *events
	ports   map[string]string // of the capture: of this run
	workers map[int]*replayed
}

// replayed is one worker of a capture.
type replayed struct {
	*fakeWorker
	keys    map[string]string // of the capture: of this run
	where   map[string]string // key of the capture: network and address
	asked   map[int]msg       // questions by their seq
	seqs    map[int]int       // of newconn
	refused int
}

func (r *replay) worker(n int) *replayed {
	w := r.workers[n]
	if w == nil {
		o := WorkerOptions{ID: uint64(n + 1), Group: "app"}
		if strings.Contains(r.name, "shared") {
			o.Scheduler = Shared
		}
		w = &replayed{
			fakeWorker: fake(r.t, r.p, o), keys: map[string]string{}, where: map[string]string{},
			asked: map[int]msg{}, seqs: map[int]int{},
		}
		r.workers[n] = w
	}
	return w
}

var fixedPort = regexp.MustCompile(`"port":"?([1-9][0-9]*)"?`)

// local puts the addresses of this machine in place of the capture's.
func (r *replay) local(line string) string {
	line = strings.ReplaceAll(line, "/run/x/", r.dir+"/")
	return fixedPort.ReplaceAllStringFunc(line, func(s string) string {
		old := fixedPort.FindStringSubmatch(s)[1]
		if r.ports[old] == "" {
			l, port := takePort(r.t)
			r.ports[old] = fmt.Sprint(port)
			if strings.HasPrefix(r.name, "cluster-eaddrinuse") {
				r.t.Cleanup(func() { l.Close() })
			} else {
				l.Close()
			}
		}
		return strings.Replace(s, old, r.ports[old], 1)
	})
}

func (r *replay) step(w *replayed, said bool, line string) {
	r.t.Helper()
	var m msg
	if err := json.Unmarshal([]byte(line), &m); err != nil && !said {
		r.t.Fatalf("%s: %v", line, err)
	}
	switch {
	case said:
		r.say(w, m, line)
	case m.Act == "disconnect":
		r.p.Disconnect(w.id)
		if got := w.must(); got.Act != "disconnect" {
			r.t.Fatalf("sent %s, want disconnect", got.raw)
		}
	case m.Msg != nil && m.Msg.Act == "newconn":
		r.connect(w, m.Msg)
	case m.Msg != nil:
		r.compare(w, m.Msg, true, line)
	default:
		r.compare(w, &m, false, line)
	}
}

// say sends a worker's line as it is, but for names that are this run's own.
func (r *replay) say(w *replayed, m msg, line string) {
	r.t.Helper()
	switch {
	case m.Act == "queryServer":
		line = r.local(line)
		w.asked[m.Seq] = m
	case m.Act == "close":
		key := w.keys[m.Key]
		text, _ := json.Marshal(m.Key)
		line = strings.Replace(line, string(text), fmt.Sprintf("%q", key), 1)
	case m.Ack != nil:
		seq, ok := w.seqs[*m.Ack]
		if !ok {
			r.t.Fatalf("%s answers nothing", line)
		}
		if seq != 9999 && strings.Contains(line, `"accepted":false`) {
			w.refused++
		}
		line = strings.Replace(line, fmt.Sprintf(`"ack":%d`, *m.Ack), fmt.Sprintf(`"ack":%d`, seq), 1)
	}
	w.say(line)
	if m.Cmd == "" {
		r.ev.of(w.id, WorkerMessage)
	}
}

// connect makes the connection that the capture tells of, unless it is one that
// was refused before and must come again.
func (r *replay) connect(w *replayed, captured *msg) {
	r.t.Helper()
	if w.keys[captured.Key] == "" {
		w.seqs[captured.Seq] = 9999 // a key the script made up: answers to nothing
		return
	}
	if w.refused > 0 {
		w.refused--
	} else {
		network, address, _ := strings.Cut(w.where[captured.Key], " ")
		c, err := net.DialTimeout(network, address, patience)
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { c.Close() })
	}
	got := w.must()
	if got.Msg == nil || got.Msg.Act != "newconn" || got.Msg.Key != w.keys[captured.Key] {
		r.t.Fatalf("sent %s, want newconn of %q", got.raw, w.keys[captured.Key])
	}
	sys.Close(got.fd)
	w.seqs[captured.Seq] = got.Msg.Seq
}

// compare holds the next line against the captured answer.
func (r *replay) compare(w *replayed, captured *msg, lent bool, line string) {
	r.t.Helper()
	got := w.must()
	fd := got.fd
	if got.Msg != nil {
		got.Msg.fd, got.Msg.raw = fd, got.raw
		got = got.Msg
	}
	if fd >= 0 {
		defer sys.Close(fd)
	}
	if got.Ack == nil || captured.Ack == nil || *got.Ack != *captured.Ack {
		r.t.Fatalf("answer %s, captured %s", got.raw, line)
	}
	q, asked := w.asked[*captured.Ack]
	if !asked {
		return // a bare ack
	}
	w.keys[captured.Key] = got.Key
	if q.special() || strings.Contains(r.name, "eacces") || strings.Contains(r.name, "missing") {
		return // that primary answered otherwise on purpose
	}
	if errno(got) != errno(captured) || (fd >= 0) != lent {
		r.t.Errorf("answer %s, captured %s", got.raw, line)
	}
	if (got.Data == nil) != (captured.Data == nil) {
		r.t.Errorf("data %v, captured %v", got.Data, captured.Data)
	}
	a, b := got.Sockname, captured.Sockname
	if (a == nil) != (b == nil) || a != nil && (a.Address != b.Address || a.Family != b.Family) {
		r.t.Errorf("sockname %s, captured %s", got.raw, line)
	}
	switch {
	case a != nil:
		w.where[captured.Key] = fmt.Sprintf("tcp [::1]:%d", a.Port)
		if a.Family == "IPv4" {
			w.where[captured.Key] = fmt.Sprintf("tcp 127.0.0.1:%d", a.Port)
		}
	case q.Address != "":
		w.where[captured.Key] = "unix " + strings.Replace(q.Address, "/run/x/", r.dir+"/", 1)
	}
}

// special questions got another answer than a real primary gives: descriptors
// of the primary, and abstract names.
func (m *msg) special() bool { return m.FD != nil && *m.FD > 0 || strings.Contains(m.Address, "\x00") }

func errno(m *msg) int {
	if m.Errno == nil {
		return 0
	}
	return *m.Errno
}
