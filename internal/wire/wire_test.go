package wire

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestNextLine(t *testing.T) {
	for _, c := range []struct {
		in, line, rest string
		err            error
	}{
		{"", "", "", ErrShort},
		{"12", "", "12", ErrShort},
		{"1\n", "1", "", nil},
		{"\n2\n", "", "2\n", nil},
		{"12345\n6", "12345", "6", nil},
		{"123456", "", "123456", ErrTooLong},
		{"123456\n", "", "123456\n", ErrTooLong},
	} {
		line, rest, err := NextLine([]byte(c.in), 5)
		if string(line) != c.line || string(rest) != c.rest || !errors.Is(err, c.err) {
			t.Errorf("%q: %q %q %v", c.in, line, rest, err)
		}
	}
}

func TestClassify(t *testing.T) {
	for in, want := range map[string]Kind{
		`{"cmd":"NODE_"}`:                            Ordinary,
		`{"cmd":"NODE_x"}`:                           Unknown,
		`{"cmd":"node_x"}`:                           Ordinary,
		`{"cmd":5}`:                                  Ordinary,
		`{"cmd":["NODE_CLUSTER"]}`:                   Ordinary,
		`"NODE_CLUSTER"`:                             Ordinary,
		`["cmd","NODE_CLUSTER"]`:                     Ordinary,
		`{"a":{"cmd":"NODE_CLUSTER"}}`:               Ordinary,
		`{"a":"\"cmd\":\"NODE_CLUSTER\""}`:           Ordinary,
		`{"type":"x","msg":1,"cmd":"NODE_HANDLE"}`:   Handle,
		` { "cmd" : "NODE_CLUSTER" , "seq" : 1 }`:    Cluster,
		`{"cmd":"x","cmd":"NODE_CLUSTER"}`:           Cluster,
		`{"cmd":"NODE_HANDLE_ACK","cmd":"x"}`:        Ordinary,
		`{"cmd":"NODE_HANDLE_ACK"}`:                  Ack,
		`{"cmd":"NODE_HANDLE_NACK"}`:                 Nack,
		`{"cmd":"NODE_HANDLE_NACK","x":1}`:           Nack,
		`{"\u0063md":"NODE_CLUSTER"}`:                Cluster,
		`{"cmd":"\u004eODE_CLUSTER"}`:                Cluster,
		`{"cmd":"NODE_DEBUG_ENABLED"}`:               Unknown,
		`{"x":[1,{"y":"]}"}],"cmd":"NODE_CLUSTER"}`:  Cluster,
		`{"cmd":"NODE_SOCKET_GET_COUNT","key":"4:"}`: GetCount,
		`{"cmd" "NODE_CLUSTER"}`:                     Ordinary,
	} {
		kind, _, _, err := Classify([]byte(in))
		if kind != want || err != nil {
			t.Errorf("%s: %s, want %s; %v", in, kind, want, err)
		}
	}
	for _, in := range []string{"", " ", "\r", "\x02", "hello", "\x00\x00\x00\x05", "}", "'x'"} {
		if _, _, _, err := Classify([]byte(in)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v", in, err)
		}
	}
	kind, data, bun, err := Classify([]byte("\x02{\"cmd\":\"NODE_CLUSTER\",\"act\":\"online\",\"seq\":0}"))
	if kind != Cluster || !bun || data[0] != '{' || err != nil {
		t.Errorf("Bun's: %s %q %v %v", kind, data, bun, err)
	}
}

func TestQueryOddTypes(t *testing.T) {
	for in, want := range map[string]Query{
		`{"address":null,"port":0,"addressType":4,"backlog":false}`:      {FD: -1, AddressType: TCP4},
		`{"address":"::1","port":80,"addressType":6,"flags":1}`:          {FD: -1, AddressType: TCP6, Address: "::1", HasAddress: true, Port: 80, Flags: 1, HasFlags: true},
		`{"address":null,"port":null,"addressType":null,"fd":7}`:         {FD: 7, HasFD: true},
		`{"address":"0.0.0.0","port":"5000","addressType":"udp4"}`:       {FD: -1, AddressType: UDP4, Address: "0.0.0.0", HasAddress: true, Port: 5000},
		`{"address":"::","addressType":"udp6","fd":-1,"flags":4}`:        {FD: -1, HasFD: true, AddressType: UDP6, Address: "::", HasAddress: true, Flags: 4, HasFlags: true},
		`{"address":null,"port":null,"addressType":"udp4","flags":null}`: {FD: -1, AddressType: UDP4},
		`{"address":"/a/\u0000n","port":-1,"addressType":-1}`:            {FD: -1, AddressType: UnixPath, Address: "/a/\x00n", HasAddress: true, Port: -1},
		`{"port":"x","addressType":"7","backlog":1.28e2,"index":2}`:      {FD: -1, Backlog: 128, Index: 2},
	} {
		m, err := ParseCluster([]byte(in))
		q := m.Query
		q.RawPort, q.RawBacklog = nil, nil
		got, _ := json.Marshal(q)
		expected, _ := json.Marshal(want)
		if err != nil || string(got) != string(expected) {
			t.Errorf("%s:\n got %s\nwant %s %v", in, got, expected, err)
		}
	}
	m, _ := ParseCluster([]byte(`{"address":"/a/\u0000n","port":-1,"addressType":-1}`))
	if name, ok := m.Query.AbstractName(); name != "n" || !ok {
		t.Errorf("abstract name %q %v", name, ok)
	}
}

func TestNestedEnvelope(t *testing.T) {
	inner := `{"cmd":"NODE_HANDLE","type":"net.Socket","msg":{"a":1},"key":"4:x:0"}`
	line := inner
	for range 3 {
		line = `{"cmd":"NODE_HANDLE","type":"net.Native","msg":` + line + `}`
	}
	e, err := ParseEnvelope([]byte(line))
	if err != nil || e.Type != "net.Socket" || string(e.Msg) != `{"a":1}` || e.Key != "4:x:0" {
		t.Errorf("%+v %v", e, err)
	}
	for range 10 {
		line = `{"cmd":"NODE_HANDLE","type":"net.Native","msg":` + line + `}`
	}
	if _, err := ParseEnvelope([]byte(line)); !errors.Is(err, ErrSyntax) {
		t.Errorf("endless nesting: %v", err)
	}
}

func TestNothingUnsafeIsWritten(t *testing.T) {
	for _, bad := range []string{"", " ", "\n", "{", "1 2", "{}\n{}", "nul", "{\"a\":\n}", "\"a\nb\"", "\x02{}", "'a'", "[1,]"} {
		if out, err := AppendMessage([]byte("x"), []byte(bad)); err == nil || string(out) != "x" {
			t.Errorf("message %q: wrote %q, %v", bad, out, err)
		}
		if out, err := AppendEnvelope([]byte("x"), Envelope{Type: "t", Msg: []byte(bad)}); err == nil || string(out) != "x" {
			t.Errorf("envelope %q: wrote %q, %v", bad, out, err)
		}
		if out, err := AppendReply([]byte("x"), Reply{Data: []byte(bad)}, 1); err == nil || string(out) != "x" {
			t.Errorf("reply %q: wrote %q, %v", bad, out, err)
		}
	}
	got, err := AppendMessage(nil, []byte(" {\n \"a\" : [ 1 ,\t\"x y\\n\" ]\r\n}\n"))
	if string(got) != `{"a":[1,"x y\n"]}`+"\n" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if _, err := AppendReply(nil, Reply{Errno: 98}, 1); err == nil {
		t.Error("a positive errno was written")
	}
	weird := "k\n\"\\\x00\x7fé\xff\u2028"
	if out := AppendSocketMessage(nil, SocketMessage{Kind: AllClosed, Key: weird}); strings.Count(string(out), "\n") != 1 || !json.Valid(out) {
		t.Errorf("%q", out)
	}
	tmpl := NewConnTemplate(weird, false)
	if out := tmpl.Append(nil, 7); strings.Count(string(out), "\n") != 1 || !json.Valid(out) || EnvelopeType(out) != "net.Native" {
		t.Errorf("%q", out)
	}
}

func TestNewConnTemplate(t *testing.T) {
	tmpl, bun := NewConnTemplate("k", false), NewConnTemplate("k", true)
	want := `{"cmd":"NODE_HANDLE","type":"net.Native","msg":{"cmd":"NODE_CLUSTER","act":"newconn","key":"k","seq":12}}` + "\n"
	if got := string(tmpl.Append(nil, 12)); got != want {
		t.Errorf("%s", got)
	}
	want = "\x02" + `{"cmd":"NODE_CLUSTER","act":"newconn","key":"k","$hasHandle":true,"seq":12}` + "\n"
	if got := string(bun.Append(nil, 12)); got != want {
		t.Errorf("%s", got)
	}
}

func TestReplyLines(t *testing.T) {
	for want, r := range map[string]Reply{
		`{"cmd":"NODE_CLUSTER","errno":null,"key":"a","ack":1,"data":null,"sockname":{"address":"::","family":"IPv6","port":80},"seq":9}`: {
			Key: "a", Ack: 1, Sockname: &Sockname{"::", "IPv6", 80},
		},
		`{"cmd":"NODE_CLUSTER","errno":-98,"key":"a","ack":1,"data":{"t":[1]},"seq":9}`:                     {Errno: -98, Key: "a", Ack: 1, Data: []byte(`{"t": [1]}`)},
		`{"cmd":"NODE_CLUSTER","errno":0,"key":"a","ack":1,"data":null,"seq":9}`:                            {Key: "a", Ack: 1, Shared: true},
		"\x02" + `{"cmd":"NODE_CLUSTER","errno":0,"key":"a","ack":1,"data":null,"$hasHandle":true,"seq":9}`: {Key: "a", Ack: 1, Shared: true, Bun: true},
	} {
		if got, err := AppendReply(nil, r, 9); string(got) != want+"\n" || err != nil {
			t.Errorf("got  %swant %s\n%v", got, want, err)
		}
	}
}

func TestFastPathsDoNotAllocate(t *testing.T) {
	ack := []byte(`{"cmd":"NODE_HANDLE_ACK"}`)
	accepted := []byte(`{"cmd":"NODE_CLUSTER","ack":123456,"accepted":true,"seq":99}`)
	ordinary := []byte(`{"type":"process:msg","data":{"n":1,"s":"` + strings.Repeat("x", 100) + `"}}`)
	tmpl := NewConnTemplate("k", false)
	buf := make([]byte, 0, 256)
	var sink int64
	if n := testing.AllocsPerRun(100, func() {
		for _, line := range [][]byte{ack, accepted, ordinary} {
			kind, _, _, _ := Classify(line)
			sink += int64(kind)
		}
		a, _, _ := ParseAccepted(accepted)
		buf = tmpl.Append(buf[:0], a)
		sink += int64(len(EnvelopeType(buf)))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestParseAccepted(t *testing.T) {
	for in, ok := range map[string]bool{
		`{"cmd":"NODE_CLUSTER","ack":1,"accepted":true,"seq":2}`:                    true,
		`{"cmd":"NODE_CLUSTER","ack":1,"accepted":false,"seq":2}`:                   true,
		`{"cmd":"NODE_CLUSTER","ack":1,"accepted":true,"seq":2}x`:                   false,
		`{"cmd":"NODE_CLUSTER","ack":1,"accepted":true,"seq":2`:                     false,
		`{"cmd":"NODE_CLUSTER","ack":,"accepted":true,"seq":2}`:                     false,
		`{"cmd":"NODE_CLUSTER","ack":-1,"accepted":true,"seq":2}`:                   false,
		`{"cmd":"NODE_CLUSTER","ack":1,"accepted":maybe,"seq":2}`:                   false,
		`{"cmd":"NODE_CLUSTER","ack":99999999999999999999,"accepted":true,"seq":2}`: false,
		`{"cmd":"NODE_CLUSTER","act":"online","seq":0}`:                             false,
	} {
		if _, _, got := ParseAccepted([]byte(in)); got != ok {
			t.Errorf("%s: %v", in, got)
		}
	}
}
