package ipc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/internal/wire"
)

// nodeChild starts a Node program with a channel, and awaits its "up".
func nodeChild(t *testing.T, node proctest.Node, o ConnOptions) *Channel {
	t.Helper()
	ch := startNode(t, node, o, "testdata/child.js")
	expect(t, ch, "up")
	return ch
}

// startNode starts a Node program that ends when it is told "bye".
func startNode(t *testing.T, node proctest.Node, o ConnOptions, script string) *Channel {
	t.Helper()
	ours, theirs, err := sys.Socketpair("node")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node.Path, script)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Env = append(os.Environ(), "NODE_CHANNEL_FD=3", "NODE_CHANNEL_SERIALIZATION_MODE="+o.Serialization.String())
	cmd.Stderr = os.Stderr
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := NewConn(ours, o)
	if err != nil {
		t.Fatal(err)
	}
	ch := NewChannel(conn)
	t.Cleanup(func() {
		if err := ch.Send(deadline(t), "bye"); err != nil {
			t.Errorf("bye: %v", err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("node: %v", err)
		}
		ch.Close()
	})
	return ch
}

// nodeDeadline is for tests in which several Node processes boot.
func nodeDeadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// expect receives one message, which must be want as JSON.
func expect(t *testing.T, ch *Channel, want any) Message {
	t.Helper()
	m, err := ch.Receive(nodeDeadline(t))
	if err != nil {
		t.Fatalf("instead of %v: %v", want, err)
	}
	var got any
	if err := m.Decode(&got); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %#v, want %#v, %v", got, want, err)
	}
	return m
}

func eachNode(t *testing.T, fn func(*testing.T, proctest.Node, Serialization)) {
	for _, node := range proctest.Nodes(t) {
		for _, s := range []Serialization{JSON, Advanced} {
			t.Run(node.Name()+"/"+s.String(), func(t *testing.T) { fn(t, node, s) })
		}
	}
}

func TestNodeMessages(t *testing.T) {
	eachNode(t, func(t *testing.T, node proctest.Node, s Serialization) {
		ch := nodeChild(t, node, ConnOptions{Serialization: s})
		ctx := nodeDeadline(t)
		for _, v := range []any{"text", 7.0, false, nil, []any{1.0, "two"}, map[string]any{"é": "€😀\n\u2028"}} {
			if err := ch.Send(ctx, v); err != nil {
				t.Fatal(err)
			}
			expect(t, ch, map[string]any{"echo": v})
		}
		big := strings.Repeat("é", 1<<20)
		if err := ch.Send(ctx, map[string]any{"count": big}); err != nil {
			t.Fatal(err)
		}
		expect(t, ch, map[string]any{"length": float64(1 << 20)})
		if err := ch.Send(ctx, big); err != nil {
			t.Fatal(err)
		}
		expect(t, ch, map[string]any{"echo": big})
		for i := range 500 {
			if err := ch.Post(ctx, i); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 500 { // and so they are written
			expect(t, ch, map[string]any{"echo": float64(i)})
		}
		if err := ch.Send(ctx, map[string]any{"cmd": "NODE_OURS"}); err != nil { // never seen there
			t.Fatal(err)
		}
		if err := ch.SendRaw(ctx, []byte("{\n \"pretty\" : 1\n}\n")); err != nil {
			t.Fatal(err)
		}
		expect(t, ch, map[string]any{"echo": map[string]any{"pretty": 1.0}})
	})
}

func TestNodeAdvancedValues(t *testing.T) {
	for _, node := range proctest.Nodes(t) {
		t.Run(node.Name(), func(t *testing.T) {
			ch := nodeChild(t, node, ConnOptions{Serialization: Advanced})
			cycle := map[string]any{}
			cycle["self"] = cycle
			for _, v := range []any{
				wire.Undefined{},
				1, 1.5, big.NewInt(-1 << 60), time.UnixMilli(12345).UTC(), []byte("buffer"),
				&wire.Map{Entries: []wire.MapEntry{{Key: "k", Value: 1}}}, &wire.Set{Values: []any{"x"}},
				wire.RegExp{Source: "a", Flags: "gi"},
				wire.ArrayBuffer{1, 2},
				wire.View{Kind: wire.Float64Array, Bytes: make([]byte, 8)},
				wire.View{Kind: wire.Int16Array, Bytes: []byte{1, 2}},
				wire.Boxed{Value: "s"},
				&wire.Array{Length: 3, Items: map[uint32]any{1: "x"}, Members: map[string]any{}},
				&wire.Error{Name: "TypeError", Message: "m", Stack: "s"},
			} {
				if err := ch.Send(nodeDeadline(t), []any{v}); err != nil {
					t.Fatal(err)
				}
				m, err := ch.Receive(nodeDeadline(t))
				if err != nil {
					t.Fatal(err)
				}
				if want := map[string]any{"echo": []any{v}}; !reflect.DeepEqual(m.Value, want) {
					t.Errorf("got %#v, want %#v", m.Value, want)
				}
			}
			if err := ch.Send(nodeDeadline(t), cycle); err != nil {
				t.Fatal(err)
			}
			m, err := ch.Receive(nodeDeadline(t))
			if err != nil {
				t.Fatal(err)
			}
			back := m.Value.(map[string]any)["echo"].(map[string]any)
			back["mark"] = true
			if back["self"].(map[string]any)["mark"] != true {
				t.Error("the cycle is broken")
			}
		})
	}
}

// TestNodeValues has Node compare what it sent with what came back through Go.
func TestNodeValues(t *testing.T) {
	for _, node := range proctest.Nodes(t) {
		t.Run(node.Name(), func(t *testing.T) {
			ch := startNode(t, node, ConnOptions{Serialization: Advanced, Node: Latest}, "testdata/values.js")
			for m, err := range ch.Messages(nodeDeadline(t)) {
				if err != nil {
					t.Fatal(err)
				}
				v := m.Value.(map[string]any)
				if n, done := v["done"].(int); done {
					if bad := v["bad"].([]any); len(bad) > 0 || n < 64 {
						t.Errorf("of %d values these came back as others: %v", n, bad)
					}
					return
				}
				if err := ch.Send(nodeDeadline(t), v["v"]); err != nil {
					t.Fatalf("%v: %v", v["name"], err)
				}
			}
			t.Error("Node left before the end")
		})
	}
}

func TestNodeTakesHandles(t *testing.T) {
	eachNode(t, func(t *testing.T, node proctest.Node, s Serialization) {
		ch := nodeChild(t, node, ConnOptions{Serialization: s})
		ctx := nodeDeadline(t)
		l := tcpListener(t)
		port := l.Addr().(*net.TCPAddr).Port
		client := dial(t, l.Addr().String())
		served, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer udp.Close()
		sendHandle(t, ch, "s", served.(*net.TCPConn))
		sendHandle(t, ch, "l", l)
		sendHandle(t, ch, "u", udp.(*net.UDPConn))
		if err := ch.Send(ctx, "after"); err != nil {
			t.Fatal(err)
		}
		expect(t, ch, map[string]any{"took": "socket"})
		expect(t, ch, map[string]any{"took": "server", "port": float64(port)})
		expect(t, ch, map[string]any{"took": "udp"})
		expect(t, ch, map[string]any{"echo": "after"})
		if text, err := io.ReadAll(client); string(text) != "hello" || err != nil {
			t.Errorf("the socket gave %q %v", text, err)
		}
		second := dial(t, l.Addr().String())
		if text, err := io.ReadAll(second); string(text) != "served" || err != nil {
			t.Errorf("the server gave %q %v", text, err)
		}
		third, err := net.Dial("udp4", udp.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer third.Close()
		fmt.Fprint(third, "x")
		buf := make([]byte, 10)
		if n, err := third.Read(buf); string(buf[:n]) != "re:x" || err != nil {
			t.Errorf("UDP gave %q %v", buf[:n], err)
		}
	})
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestNodeGivesHandles(t *testing.T) {
	eachNode(t, func(t *testing.T, node proctest.Node, s Serialization) {
		ch := nodeChild(t, node, ConnOptions{Serialization: s})
		ctx := nodeDeadline(t)
		ask := func(what string) *Handle {
			t.Helper()
			if err := ch.Send(ctx, map[string]string{"give": what}); err != nil {
				t.Fatal(err)
			}
			m := expect(t, ch, what)
			if m.Handle == nil {
				t.Fatalf("no handle with %s", what)
			}
			return m.Handle
		}
		h := ask("server")
		l, err := h.Listener()
		if err != nil || h.Type != NetServer {
			t.Fatal(h.Type, err)
		}
		l.Close()
		h = ask("socket")
		if h.Type != NetSocket || h.Key != "4:127.0.0.1:0" {
			t.Errorf("%s with key %q", h.Type, h.Key)
		}
		conn, err := h.Conn()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "from Go")
		expect(t, ch, map[string]any{"client": "from Go"})
		conn.Close()
		h = ask("udp")
		p, err := h.PacketConn()
		if err != nil || h.Type != DgramSocket || h.DgramType != "udp4" {
			t.Fatal(h.Type, h.DgramType, err)
		}
		p.Close()
	})
}

// TestNodeNeverSeesBadHandles: what would abort Node is refused, and Node lives.
func TestNodeNeverSeesBadHandles(t *testing.T) {
	ch := nodeChild(t, proctest.FirstNode(t), ConnOptions{})
	ctx := nodeDeadline(t)
	file, err := os.Open("testdata/child.js")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var he *HandleError
	if _, err := NewHandle(file); !errors.As(err, &he) {
		t.Errorf("a handle of a file: %v", err)
	}
	if err := ch.SendHandle(ctx, 1, &Handle{Type: NetSocket, File: file}, true); !errors.As(err, &he) {
		t.Errorf("a file as a socket: %v", err)
	}
	if err := ch.SendRaw(ctx, []byte(`{"cmd":"NODE_HANDLE_ACK"}`)); !errors.Is(err, ErrFrame) {
		t.Errorf("an answer of the program's: %v", err)
	}
	if err := ch.SendRaw(ctx, []byte("")); err == nil {
		t.Error("a blank line was sent")
	}
	if err := ch.Send(ctx, 1); err != nil {
		t.Error(err)
	}
	expect(t, ch, map[string]any{"echo": 1.0})
}
