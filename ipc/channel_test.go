package ipc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/wire"
)

func channels(t testing.TB, o ConnOptions) (a, b *Channel) {
	t.Helper()
	x, y := connPair(t, o)
	a, b = NewChannel(x), NewChannel(y)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestChannelMessages(t *testing.T) {
	for _, s := range []Serialization{JSON, Advanced} {
		a, b := channels(t, ConnOptions{Serialization: s})
		ctx := deadline(t)
		sent := []any{"text", 1.5, true, nil, map[string]any{"é": "€\n"}, []any{}, strings.Repeat("x", 1<<20)}
		var wg sync.WaitGroup
		wg.Go(func() {
			for _, v := range sent {
				if err := a.Send(ctx, v); err != nil {
					t.Error(err)
				}
			}
			if err := a.SendRaw(ctx, []byte(" [ 1 , 2 ] ")); err != nil {
				t.Error(err)
			}
			if err := a.Disconnect(ctx); err != nil {
				t.Error(err)
			}
		})
		var received []any
		for m, err := range b.Messages(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if err := m.Decode(&v); err != nil {
				t.Error(err)
			}
			received = append(received, v)
		}
		wg.Wait()
		if want := append(sent, []any{1.0, 2.0}); !reflect.DeepEqual(received, want) {
			t.Errorf("%s: got %d messages of %d, or others", s, len(received), len(want))
		}
		if _, err := b.Receive(ctx); !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %v", err)
		}
		if err := a.Send(ctx, 1); !errors.Is(err, ErrClosed) {
			t.Errorf("after Disconnect: %v", err)
		}
	}
}

func TestChannelHandles(t *testing.T) {
	for _, s := range []Serialization{JSON, Advanced} {
		a, b := channels(t, ConnOptions{Serialization: s})
		ctx := deadline(t)
		l := tcpListener(t)
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		served, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer udp.Close()
		var wg sync.WaitGroup
		wg.Go(func() {
			sendHandle(t, a, "server", l)
			sendHandle(t, a, "socket", served.(*net.TCPConn))
			sendHandle(t, a, "udp", udp.(*net.UDPConn))
			if err := a.Send(ctx, "last"); err != nil {
				t.Error(err)
			}
		})
		want := []struct {
			text string
			typ  HandleType
		}{{"server", NetServer}, {"socket", NetSocket}, {"udp", DgramSocket}, {"last", ""}}
		for _, w := range want {
			m, err := b.Receive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var text string
			if err := m.Decode(&text); err != nil || text != w.text || (m.Handle == nil) != (w.typ == "") {
				t.Fatalf("%q with %v, want %q", text, m.Handle, w.text)
			}
			if m.Handle != nil {
				useHandle(t, m.Handle, w.typ, client)
			}
		}
		wg.Wait()
		if _, err := served.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the sender kept the socket: %v", err)
		}
	}
}

func sendHandle(t *testing.T, ch *Channel, text string, src interface {
	io.Closer
	syscall.Conn
},
) {
	t.Helper()
	h, err := NewHandle(src)
	if err != nil {
		t.Error(err)
		return
	}
	if err := ch.SendHandle(deadline(t), text, h, false); err != nil {
		t.Error(err)
	}
}

func useHandle(t *testing.T, h *Handle, want HandleType, client net.Conn) {
	t.Helper()
	if h.Type != want {
		t.Errorf("type %s, want %s", h.Type, want)
	}
	switch h.Type {
	case NetServer:
		l, err := h.Listener()
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	case NetSocket:
		conn, err := h.Conn()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "hi")
		conn.Close()
		if text, err := io.ReadAll(client); string(text) != "hi" || err != nil {
			t.Errorf("the client read %q %v", text, err)
		}
	case DgramSocket:
		p, err := h.PacketConn()
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
	default:
		h.Close()
	}
}

func TestChannelContexts(t *testing.T) {
	a, b := channels(t, ConnOptions{})
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("why")
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := a.Receive(ctx); !errors.Is(err, why) {
			t.Errorf("Receive: %v", err)
		}
	})
	cancel(why)
	wg.Wait()
	// A peer that does not read.
	big := strings.Repeat("x", 1<<20)
	ctx, cancel = context.WithCancelCause(context.Background())
	wg.Go(func() {
		if err := a.Send(ctx, big); !errors.Is(err, why) {
			t.Errorf("Send: %v", err)
		}
	})
	for a.conn.Queued() == 0 {
		runtime.Gosched()
	}
	cancel(why)
	wg.Wait()
	// It was begun, so it comes whole.
	m, err := b.Receive(deadline(t))
	if err != nil || len(m.Data) != len(big)+2 {
		t.Errorf("%d bytes, %v", len(m.Data), err)
	}
	wg.Go(func() {
		if _, err := a.Receive(context.Background()); !errors.Is(err, ErrClosed) {
			t.Errorf("Receive at Close: %v", err)
		}
	})
	a.Close()
	wg.Wait()
}

// TestChannelSpeaksNode plays the peer by hand.
func TestChannelSpeaksNode(t *testing.T) {
	conn, peer := pair(t, ConnOptions{})
	a := NewChannel(conn)
	defer a.Close()
	ctx := deadline(t)
	l := tcpListener(t)
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	h, err := NewHandle(client.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	rawSend(t, peer, wire.AckLine+"0\n", -1) // an answer to nothing
	if _, err := a.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		if err := a.SendHandle(ctx, 1, h, true); err != nil {
			t.Error(err)
		}
	})
	line := `{"cmd":"NODE_HANDLE","type":"net.Socket","msg":1}` + "\n"
	// Not found twice, then taken; an ordinary send waits behind.
	for _, answer := range []string{wire.NackLine, wire.NackLine, wire.AckLine} {
		if got := awaitPeer(t, peer, len(line)); got != line {
			t.Fatalf("sent %q", got)
		}
		if answer == wire.AckLine {
			wg.Go(func() {
				if err := a.Send(ctx, 2); err != nil {
					t.Error(err)
				}
			})
		}
		rawSend(t, peer, answer, -1)
	}
	<-done
	if got := awaitPeer(t, peer, 2); got != "2\n" {
		t.Errorf("sent %q", got)
	}
	wg.Wait()
	if _, err := client.Write([]byte("x")); err != nil {
		t.Errorf("keepOpen: %v", err)
	}
	// Counting.
	key := `"key":"4:127.0.0.1:0"}` + "\n"
	rawSend(t, peer, `{"cmd":"NODE_SOCKET_GET_COUNT",`+key, -1) // never got one: no answer
	rawSend(t, peer, strings.TrimSuffix(line, "}\n")+","+key, fdOf(t, h))
	m, err := a.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	rawSend(t, peer, `{"cmd":"NODE_SOCKET_GET_COUNT",`+key+`{"cmd":"NODE_SOCKET_NOTIFY_CLOSE",`+key+"3\n", -1)
	if _, err := a.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	conn2, err := m.Handle.Conn()
	if err != nil {
		t.Fatal(err)
	}
	conn2.Close()
	conn2.Close()
	want := wire.AckLine + `{"cmd":"NODE_SOCKET_COUNT","key":"4:127.0.0.1:0","count":1}` + "\n" + `{"cmd":"NODE_SOCKET_ALL_CLOSED",` + key
	if got := awaitPeer(t, peer, len(want)); got != want {
		t.Errorf("sent %q", got)
	}
}

// awaitPeer reads n bytes as the peer, however long they take.
func awaitPeer(t *testing.T, peer *os.File, n int) (got string) {
	t.Helper()
	buf := make([]byte, n)
	wait := syscall.Timeval{Sec: 10}
	if err := syscall.SetsockoptTimeval(int(peer.Fd()), syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &wait); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(peer, buf); err != nil {
		t.Fatalf("peer read: %v", err)
	}
	return string(buf)
}

func TestChannelManyAtOnce(t *testing.T) {
	a, b := channels(t, ConnOptions{})
	ctx := deadline(t)
	const each = 200
	var wg sync.WaitGroup
	for _, ch := range []*Channel{a, b} {
		for g := range 4 {
			wg.Go(func() {
				for i := range each {
					if err := ch.Send(ctx, []int{g, i}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Go(func() {
			next := map[int]int{}
			for range 4 * each {
				m, err := ch.Receive(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				var v []int
				if err := m.Decode(&v); err != nil || next[v[0]] != v[1] {
					t.Errorf("%s after %d: %v", m.Data, next[v[0]], err)
				}
				next[v[0]]++
			}
		})
	}
	wg.Wait()
}

func TestChannelHandlesCrossing(t *testing.T) {
	a, b := channels(t, ConnOptions{})
	ctx := deadline(t)
	var wg sync.WaitGroup
	for _, ch := range []*Channel{a, b} {
		l := tcpListener(t)
		wg.Go(func() {
			h, err := NewHandle(l)
			if err != nil {
				t.Error(err)
			}
			for range 20 {
				if err := ch.SendHandle(ctx, "x", h, true); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 20 {
				m, err := ch.Receive(ctx)
				if err != nil || m.Handle == nil {
					t.Error(m, err)
					return
				}
				m.Handle.Close()
			}
		})
	}
	wg.Wait()
}

// TestChannelPost: what is posted keeps its place among what is sent, and is not
// held back by a receiver that waits.
func TestChannelPost(t *testing.T) {
	for _, s := range []Serialization{JSON, Advanced} {
		a, b := channels(t, ConnOptions{Serialization: s})
		ctx := deadline(t)
		next := 0.0
		expectTo := func(last float64) {
			t.Helper()
			for ; next <= last; next++ {
				m, err := b.Receive(ctx)
				var v float64
				if err != nil || m.Decode(&v) != nil || v != next {
					t.Fatalf("%s: %v, %v, want %v", s, v, err, next)
				}
				if m.Handle != nil {
					m.Handle.Close()
				}
			}
		}
		post := func(v any) {
			t.Helper()
			if err := a.Post(ctx, v); err != nil {
				t.Fatal(err)
			}
		}
		post(0)
		if err := a.PostRaw(ctx, []byte(" 1 ")); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []any{func() {}, map[string]string{"cmd": "NODE_HANDLE_ACK"}} {
			if err := a.Post(ctx, bad); err == nil {
				t.Errorf("%s: %T was posted", s, bad)
			}
		}
		if n := a.batch.Len(); n == 0 || n > 40 {
			t.Errorf("%s: %d bytes are gathered", s, n)
		}
		if err := a.Send(ctx, 2); err != nil {
			t.Fatal(err)
		}
		expectTo(2)
		post(3)
		if err := a.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		expectTo(3)
		post(4)
		var wg sync.WaitGroup
		wg.Go(func() { // waits, and so writes
			if m, err := a.Receive(ctx); err != nil {
				t.Error(m, err)
			}
		})
		expectTo(4)
		if err := b.Send(ctx, "go on"); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		post(5)
		wg.Go(func() {
			h, err := NewHandle(tcpListener(t))
			if err == nil {
				err = a.SendHandle(ctx, 6, h, true)
			}
			if err != nil {
				t.Error(err)
			}
		})
		expectTo(6)
		wg.Wait()
		for a.batch.Len() > 0 || next == 7 { // until they are written by themselves
			post(next)
			next++
		}
		last := next - 1
		next = 7
		expectTo(last)
		post(next)
		if err := a.Disconnect(ctx); err != nil {
			t.Fatal(err)
		}
		expectTo(next)
	}
}

// panicking is a value that cannot be encoded.
type panicking struct{}

func (panicking) MarshalJSON() ([]byte, error) { panic("no JSON") }

// TestChannelSurvivesAValue: what a value's own code does is not the channel's end.
func TestChannelSurvivesAValue(t *testing.T) {
	for _, s := range []Serialization{JSON, Advanced} {
		a, b := channels(t, ConnOptions{Serialization: s})
		ctx := deadline(t)
		if err := a.Post(ctx, 1); err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", s)
				}
			}()
			a.Post(ctx, panicking{})
		}()
		if err := a.Send(ctx, 2); err != nil {
			t.Fatal(err)
		}
		for want := 1; want <= 2; want++ {
			var got int
			if m, err := b.Receive(ctx); err != nil || m.Decode(&got) != nil || got != want {
				t.Errorf("%s: %d, %v, want %d", s, got, err, want)
			}
		}
	}
}

// What was posted goes before its sender waits for a message, also when another is
// in the midst of posting, or of writing a message longer than the queue.
func TestPostedGoesBeforeReceive(t *testing.T) {
	for _, how := range []string{"another posts", "another has left much"} {
		t.Run(how, func(t *testing.T) {
			a, b := channels(t, ConnOptions{MaxQueue: 1 << 20})
			ctx := deadline(t)
			if err := a.Post(ctx, "posted"); err != nil {
				t.Fatal(err)
			}
			posting, goOn := make(chan struct{}), make(chan struct{})
			var others sync.WaitGroup
			want := 2
			if how == "another posts" {
				others.Go(func() {
					if err := a.Post(ctx, slow{posting, goOn}); err != nil {
						t.Error(err)
					}
				})
				<-posting
			} else {
				want = 3
				soon, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
				defer cancel()
				if err := a.Send(soon, strings.Repeat("x", 2<<20)); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatal(err)
				}
				if err := a.Post(ctx, "posted then"); err != nil {
					t.Fatal(err)
				}
			}
			received := make(chan error, 1)
			go func() {
				_, err := a.Receive(ctx)
				received <- err
			}()
			for !a.batch.owed.Load() && ctx.Err() == nil { // until it has found that it cannot
				runtime.Gosched()
			}
			close(goOn)
			others.Wait()
			for range want {
				if _, err := b.Receive(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Send(ctx, "answer"); err != nil {
				t.Fatal(err)
			}
			if err := <-received; err != nil {
				t.Error(err)
			}
		})
	}
}

// slow takes until it is told to go on to be encoded.
type slow struct{ encoding, goOn chan struct{} }

func (s slow) MarshalJSON() ([]byte, error) {
	close(s.encoding)
	<-s.goOn
	return []byte("1"), nil
}

// What could not be written since the peer has gone is not flushed, though nothing
// failed to be written.
func TestFlushAfterTheEnd(t *testing.T) {
	a, b := channels(t, ConnOptions{})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Receive(deadline(t)); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if err := a.Post(deadline(t), "lost"); err != nil {
		t.Fatal(err)
	}
	if err := a.Flush(deadline(t)); err == nil {
		t.Error("flushed to nobody")
	}
}
