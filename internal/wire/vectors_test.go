package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// event is one line of a recorded conversation.
type event struct {
	Dir    string   `json:"dir"`
	UTF8   *string  `json:"utf8"`
	Hex    string   `json:"hex"`
	Worker any      `json:"worker"`
	FDs    []string `json:"fds"`
}

// streams returns what each side of each recorded channel wrote, by file and direction.
func streams(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/vectors/*.json")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d recordings: %v", len(files), err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		if strings.HasSuffix(f, "advanced-values.json") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct{ Events []event }
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		for _, e := range doc.Events {
			data, err := hex.DecodeString(e.Hex)
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			if e.UTF8 != nil {
				data = []byte(*e.UTF8)
			}
			if e.Dir != "" && len(data) > 0 {
				worker, _ := json.Marshal(e.Worker)
				name := filepath.Base(f) + " " + e.Dir + " " + string(worker)
				all[name] = append(all[name], data...)
			}
		}
	}
	return all
}

func isAdvanced(name string) bool { return strings.Contains(name, "advanced") }

type nextFunc func([]byte, int) (frame, rest []byte, err error)

// split cuts stream at the given chances and returns the frames a reader gets.
func split(t testing.TB, stream []byte, next nextFunc, size func() int) (frames []string) {
	t.Helper()
	var buf []byte
	for len(stream) > 0 {
		n := min(size(), len(stream))
		buf, stream = append(buf, stream[:n]...), stream[n:]
		for {
			frame, rest, err := next(buf, 1<<20)
			if errors.Is(err, ErrShort) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			frames, buf = append(frames, string(frame)), rest
		}
	}
	if len(buf) > 0 {
		t.Fatalf("left over: %q", buf)
	}
	return frames
}

func TestAnyCutGivesTheSameMessages(t *testing.T) {
	for name, stream := range streams(t) {
		next := nextFunc(NextLine)
		if isAdvanced(name) {
			next = NextAdvanced
		}
		whole := split(t, stream, next, func() int { return len(stream) })
		bytewise := split(t, stream, next, func() int { return 1 })
		if !reflect.DeepEqual(whole, bytewise) {
			t.Errorf("%s: byte by byte %d messages, at once %d", name, len(bytewise), len(whole))
		}
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, 1))
			if got := split(t, stream, next, func() int { return 1 + r.IntN(300) }); !reflect.DeepEqual(got, whole) {
				t.Errorf("%s: seed %d gives other messages", name, seed)
			}
		}
	}
}

// kindByDecoding is Classify as the reference words it.
func kindByDecoding(line []byte) Kind {
	var m map[string]json.RawMessage // a number like 1e700 is JSON, but none of Go's
	var cmd string
	if json.Unmarshal(line, &m) != nil || json.Unmarshal(m["cmd"], &cmd) != nil {
		return Ordinary
	}
	return kindOf(cmd)
}

func TestRecordedLines(t *testing.T) {
	seen := map[Kind]int{}
	for name, stream := range streams(t) {
		if isAdvanced(name) {
			continue
		}
		for _, line := range split(t, stream, NextLine, func() int { return len(stream) }) {
			checkLine(t, name, []byte(line), seen)
		}
	}
	for _, k := range []Kind{Ordinary, Cluster, Handle, Ack, Nack, GetCount, Count, NotifyClose, AllClosed} {
		if seen[k] == 0 && k != Nack && k != Count && k != GetCount {
			t.Errorf("no recorded line of kind %s", k)
		}
	}
	t.Log(seen)
}

func checkLine(t *testing.T, name string, line []byte, seen map[Kind]int) {
	t.Helper()
	kind, data, bun, err := Classify(line)
	if err != nil {
		t.Errorf("%s: %s: %v", name, line, err)
		return
	}
	if bun != (line[0] == BunPrefix) || bun && !strings.HasPrefix(name, "bun-") {
		t.Errorf("%s: %s: bun is %v", name, line, bun)
	}
	if want := kindByDecoding(data); kind != want {
		t.Errorf("%s: %s: kind %s, want %s", name, line, kind, want)
	}
	seen[kind]++
	if again, err := AppendMessage(nil, data); err != nil || string(again) != string(data)+"\n" {
		t.Errorf("%s: %s: written again: %s %v", name, line, again, err)
	}
	var plain map[string]any
	json.Unmarshal(data, &plain)
	switch kind {
	case Handle:
		checkEnvelope(t, data, plain)
	case Cluster:
		checkCluster(t, data, plain)
	case GetCount, Count, NotifyClose, AllClosed:
		m := ParseSocketMessage(kind, data)
		if again := AppendSocketMessage(nil, m); string(again) != string(data)+"\n" {
			t.Errorf("%s: written again: %s", data, again)
		}
	default:
	}
}

func checkEnvelope(t *testing.T, data []byte, plain map[string]any) {
	t.Helper()
	e, err := ParseEnvelope(data)
	if err != nil {
		t.Errorf("%s: %v", data, err)
		return
	}
	if inner, ok := plain["msg"].(map[string]any); ok && inner["cmd"] == "NODE_HANDLE" {
		plain = inner // a retransmission
		data, _ = json.Marshal(inner)
	}
	if e.Type != plain["type"] {
		t.Errorf("%s: type %q", data, e.Type)
	}
	again, err := AppendEnvelope(nil, e)
	if err != nil || !sameJSON(t, again, data) {
		t.Errorf("%s: written again: %s %v", data, again, err)
	}
	if kind := ClassifyText(e.Msg); kind == Cluster {
		var msg map[string]any
		json.Unmarshal(e.Msg, &msg)
		checkCluster(t, e.Msg, msg)
	}
}

func checkCluster(t *testing.T, data []byte, plain map[string]any) {
	t.Helper()
	m, err := ParseCluster(data)
	if err != nil {
		t.Errorf("%s: %v", data, err)
		return
	}
	act, _ := plain["act"].(string)
	seq, hasSeq := plain["seq"].(float64)
	ack, hasAck := plain["ack"].(float64)
	if string(m.Act) != act || m.Seq != int64(seq) || m.HasSeq != hasSeq || m.Ack != int64(ack) || m.HasAck != hasAck {
		t.Errorf("%s: read as %+v", data, m)
	}
	bun := m.HasHandle
	var again []byte
	switch {
	case act == "queryServer" || act == "listening":
		again, err = AppendQuery(nil, m.Act, &m.Query, m.Seq)
		plain["port"] = float64(m.Query.Port) // our own workers send numbers
		udp := m.Query.AddressType == UDP4 || m.Query.AddressType == UDP6
		if !udp && (plain["backlog"] == false || plain["backlog"] == nil) {
			plain["backlog"] = 0.0
		}
		for _, name := range []string{"flags", "fd", "readableAll", "writableAll"} {
			if plain[name] == nil || plain[name] == false {
				delete(plain, name)
			}
		}
	case act == "close":
		again, err = AppendClose(nil, m.Key, m.Seq)
	case act == "newconn" && !bun:
		var key string
		if json.Unmarshal(m.Key, &key) == nil {
			tmpl := NewConnTemplate(key, false)
			e, _ := ParseEnvelope(tmpl.Append(nil, m.Seq))
			again = e.Msg
		}
	case plain["accepted"] != nil:
		a, accepted, ok := ParseAccepted(data)
		if !ok || a != m.Ack || accepted != m.Accepted || accepted != plain["accepted"] {
			t.Errorf("%s: fast path: %d %v %v", data, a, accepted, ok)
		}
		again = AppendAccepted(nil, m.Ack, m.Accepted, m.Seq)
	case act != "" && !bun:
		again = AppendAct(nil, m.Act, m.Seq, false)
	case hasAck && m.Key == nil:
		again = AppendAck(nil, m.Ack, m.Seq, false)
	default:
		return
	}
	want, _ := json.Marshal(plain)
	if hasSeq && (err != nil || !sameJSON(t, again, want)) {
		t.Errorf("%s: written again: %s %v", data, again, err)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

func TestRecordedAdvancedStreams(t *testing.T) {
	handles := 0
	for name, stream := range streams(t) {
		if !isAdvanced(name) {
			continue
		}
		for _, frame := range split(t, stream, NextAdvanced, func() int { return len(stream) }) {
			v, err := ParseAdvanced([]byte(frame))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if ClassifyValue(v) == Handle {
				handles++
				if e, _, err := OpenValue(v); err != nil || e.Type == "" {
					t.Errorf("%s: %+v %v", name, v, err)
				}
			}
			again, err := AppendAdvanced(nil, v)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			back, err := ParseAdvanced(again[4:])
			if err != nil || !sameValue(back, v) {
				t.Errorf("%s: %#v, written again %#v, %v", name, v, back, err)
			}
		}
	}
	t.Log("handles:", handles)
}

// sameValue is DeepEqual where NaN equals NaN.
func sameValue(a, b any) bool {
	x, _ := AppendAdvanced(nil, a)
	y, _ := AppendAdvanced(nil, b)
	return bytes.Equal(x, y)
}

func TestRecordedValues(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors/advanced-values.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct{ Value, Hex string }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		data, err := hex.DecodeString(c.Hex)
		if err != nil {
			t.Fatal(err)
		}
		frame, rest, err := NextAdvanced(data, 1<<20)
		if err != nil || len(rest) > 0 {
			t.Errorf("%s: %v, %d left", c.Value, err, len(rest))
			continue
		}
		v, err := ParseAdvanced(frame)
		if err != nil {
			t.Errorf("%s: %v", c.Value, err)
			continue
		}
		again, err := AppendAdvanced(nil, v)
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("%s: %#v: wrote %x, V8 %x, %v", c.Value, v, again, data, err)
		}
	}
}
