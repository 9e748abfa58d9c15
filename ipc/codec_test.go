package ipc

import (
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
)

// text is a value that the tests' codec writes as it stands.
type text string

func foreign(buf []byte) Codec {
	return Codec{
		Marshal: func(v any) ([]byte, error) {
			if t, ok := v.(text); ok {
				return append(buf[:0], t...), nil // the same memory each time
			}
			return nil, errUnknown
		},
		Unmarshal: func(data []byte, v any) error {
			if !json.Valid(data) {
				return errUnknown
			}
			*v.(*text) = text(data)
			return nil
		},
	}
}

var errUnknown = errors.New("not known to this codec")

// TestCodec: whatever a foreign codec writes, the peer gets a message or nothing.
func TestCodec(t *testing.T) {
	a, b := channels(t, ConnOptions{})
	ctx := deadline(t)
	a.SetCodec(foreign(make([]byte, 0, 1<<10)))
	b.SetCodec(foreign(nil))
	long := text(`"` + strings.Repeat("x", 2*AtomicFrame) + `"`)
	for _, post := range []bool{false, true} {
		send := a.Send
		if post {
			send = a.Post
		}
		for _, bad := range []text{
			"", " ", "\n", "\n\n", "{", "nul", `{"a":1}` + "\n" + `{"b":2}`, "\"a\nb\"", "\x021", `{"a":}`, "1 2",
			`{"cmd":"NODE_HANDLE_ACK"}`, `{"cmd":"NODE_HANDLE","type":"net.Native","msg":1}`,
		} {
			if err := send(ctx, bad); err == nil {
				t.Errorf("%q was sent", bad)
			}
		}
		if err := send(ctx, 1); !errors.Is(err, errUnknown) {
			t.Errorf("a value that the codec refuses: %v", err)
		}
		for _, good := range []text{"1", " {\n\t\"a\" : [1, 2]\n}\n", `"é"`, long} {
			if err := send(ctx, good); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := a.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, want := range []text{"1", `{"a":[1,2]}`, `"é"`, long} {
			m, err := b.Receive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var got text
			if err := m.Decode(&got); err != nil || got != want {
				t.Errorf("%.20q: %v, not %.20q", got, err, want)
			}
		}
	}
}

// TestCodecAndHandles: so it is with what accompanies a handle.
func TestCodecAndHandles(t *testing.T) {
	a, b := channels(t, ConnOptions{})
	ctx := deadline(t)
	a.SetCodec(foreign(nil))
	b.SetCodec(foreign(nil))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewHandle(l.(*net.TCPListener))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := a.SendHandle(ctx, text(`{"a":1},{"b":2}`), h, true); err == nil {
		t.Error("an envelope with two messages was sent")
	}
	sent := make(chan error, 1)
	go func() { sent <- a.SendHandle(ctx, text(`{"serve": true}`), h, true) }()
	m, err := b.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Handle.Close()
	var got text
	if err := m.Decode(&got); err != nil || got != `{"serve":true}` {
		t.Errorf("%q, %v", got, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// TestCodecPanics: nobody waits for a sender whose codec panicked.
func TestCodecPanics(t *testing.T) {
	a, b := channels(t, ConnOptions{})
	ctx := deadline(t)
	a.SetCodec(Codec{Marshal: func(v any) ([]byte, error) { return []byte(v.(string)), nil }})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		a.Send(ctx, 1)
	}()
	if err := a.Send(ctx, "[]"); err != nil {
		t.Fatal(err)
	}
	if m, err := b.Receive(ctx); err != nil || string(m.Data) != "[]" {
		t.Errorf("%s, %v", m.Data, err)
	}
}

// TestCodecAdvanced: there it only reads.
func TestCodecAdvanced(t *testing.T) {
	a, b := channels(t, ConnOptions{Serialization: Advanced})
	ctx := deadline(t)
	a.SetCodec(foreign(nil))
	b.SetCodec(foreign(nil))
	if err := a.Send(ctx, []any{1, "x"}); err != nil {
		t.Fatal(err)
	}
	m, err := b.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got text
	if err := m.Decode(&got); err != nil || got != `[1,"x"]` {
		t.Errorf("%q, %v", got, err)
	}
}
