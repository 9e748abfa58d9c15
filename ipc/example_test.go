package ipc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/tendproc/tend/ipc"
)

// pair returns both ends of a channel. A program gets its end from child.Fork or
// process.Channel.
func pair(s ipc.Serialization) (parent, child *ipc.Channel) {
	a, b := conns(s)
	return ipc.NewChannel(a), ipc.NewChannel(b)
}

func conns(s ipc.Serialization) (parent, child *ipc.Conn) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		panic(err)
	}
	var ends [2]*ipc.Conn
	for i, fd := range fds {
		syscall.CloseOnExec(fd)
		conn, err := ipc.NewConn(os.NewFile(uintptr(fd), "channel"), ipc.ConnOptions{Serialization: s})
		if err != nil {
			panic(err)
		}
		ends[i] = conn
	}
	return ends[0], ends[1]
}

// Messages are JSON values; the loop ends when the other end disconnects.
func ExampleChannel() {
	parent, child := pair(ipc.JSON)
	defer parent.Close()
	ctx := context.Background()
	go func() {
		for m, err := range child.Messages(ctx) {
			var numbers []int
			if err != nil || m.Decode(&numbers) != nil {
				break
			}
			sum := 0
			for _, n := range numbers {
				sum += n
			}
			child.Send(ctx, map[string]int{"sum": sum})
		}
		child.Close()
	}()
	if err := parent.Send(ctx, []int{1, 2, 3}); err != nil {
		fmt.Println(err)
	}
	m, err := parent.Receive(ctx)
	fmt.Println(string(m.Data), err)
	parent.Disconnect(ctx)
	// Output:
	// {"sum":6} <nil>
}

// The layer below, for event loops: it never waits. Both ends are in one goroutine
// here, which an event loop calls when a descriptor is readable or writable.
func ExampleConn() {
	parent, child := conns(ipc.JSON)
	defer parent.Close()
	defer child.Close()
	frame, err := parent.AppendFrame(nil, []byte(`{"hello": "child"}`), nil)
	if err != nil {
		panic(err)
	}
	if err := parent.Send(frame, -1); err != nil {
		panic(err)
	}
	for pending := true; pending; { // here at once: the channel is not full
		if pending, err = parent.Flush(); err != nil {
			panic(err)
		}
	}
	err = child.Read(func(f *ipc.Frame) error {
		fmt.Println(f.Kind, string(f.Data)) // the memory is the channel's
		return nil
	})
	fmt.Println(err)
	// Output:
	// ordinary {"hello":"child"}
	// <nil>
}

// A JSON text goes and comes without being decoded on the way.
func ExampleChannel_SendRaw() {
	parent, child := pair(ipc.JSON)
	defer parent.Close()
	defer child.Close()
	ctx := context.Background()
	parent.SendRaw(ctx, []byte(`{"passed": "on"}`))
	m, _ := child.Receive(ctx)
	child.SendRaw(ctx, m.Data)
	m, _ = parent.Receive(ctx)
	fmt.Println(string(m.Data))
	fmt.Println(parent.SendRaw(ctx, []byte(`{not JSON}`)))
	// Output:
	// {"passed":"on"}
	// send: message is not JSON: invalid character 'n' looking for beginning of object key string
}

// Another JSON library writes and reads the values; here it is encoding/json with
// its numbers kept as they are written.
func ExampleChannel_SetCodec() {
	parent, child := pair(ipc.JSON)
	defer parent.Close()
	defer child.Close()
	ctx := context.Background()
	child.SetCodec(ipc.Codec{Unmarshal: func(data []byte, v any) error {
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		return d.Decode(v)
	}})
	parent.SendRaw(ctx, []byte(`{"id": 12345678901234567890}`))
	m, err := child.Receive(ctx)
	if err != nil {
		panic(err)
	}
	var v map[string]any
	fmt.Println(m.Decode(&v), v["id"])
	// Output:
	// <nil> 12345678901234567890
}

// A listener is handed to another process, and both may accept from it.
func ExampleChannel_SendHandle() {
	parent, child := pair(ipc.JSON)
	defer parent.Close()
	ctx := context.Background()
	go func() {
		defer child.Close()
		m, err := child.Receive(ctx)
		if err != nil || m.Handle == nil {
			return
		}
		l, err := m.Handle.Listener()
		if err != nil {
			return
		}
		defer l.Close()
		if conn, err := l.Accept(); err == nil {
			io.WriteString(conn, "hello from the child")
			conn.Close()
		}
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	h, err := ipc.NewHandle(l.(*net.TCPListener))
	if err != nil {
		panic(err)
	}
	defer h.Close() // closes l
	fmt.Println("sent:", parent.SendHandle(ctx, "serve this", h, true))
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	fmt.Println(string(text), err)
	// Output:
	// sent: <nil>
	// hello from the child <nil>
}

// A connection is passed on; with keepOpen the sender would keep its own end of it.
func ExampleHandle_Conn() {
	parent, child := pair(ipc.JSON)
	defer parent.Close()
	defer child.Close()
	ctx := context.Background()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		panic(err)
	}
	defer client.Close()
	served, err := l.Accept()
	if err != nil {
		panic(err)
	}
	h, err := ipc.NewHandle(served.(*net.TCPConn))
	if err != nil {
		panic(err)
	}
	go parent.SendHandle(ctx, "yours", h, false)
	m, err := child.Receive(ctx)
	if err != nil {
		panic(err)
	}
	conn, err := m.Handle.Conn()
	if err != nil {
		panic(err)
	}
	io.WriteString(conn, "passed on")
	conn.Close()
	text, err := io.ReadAll(client)
	fmt.Println(m.Handle.Type, string(text), err)
	// Output:
	// net.Socket passed on <nil>
}

// In advanced serialization values are what JavaScript has, beyond JSON.
func ExampleMap() {
	parent, child := pair(ipc.Advanced)
	defer parent.Close()
	defer child.Close()
	ctx := context.Background()
	err := parent.Send(ctx, &ipc.Map{Entries: []ipc.MapEntry{
		{Key: "when", Value: time.UnixMilli(0).UTC()},
		{Key: "many", Value: new(big.Int).Lsh(big.NewInt(1), 70)},
		{Key: "floats", Value: ipc.View{Kind: ipc.Float32Array, Bytes: []byte{0, 0, 128, 63}}},
		{Key: "letters", Value: &ipc.Set{Values: []any{"a", "b"}}},
	}})
	m, rerr := child.Receive(ctx)
	for _, e := range m.Value.(*ipc.Map).Entries {
		switch v := e.Value.(type) {
		case *ipc.Set:
			fmt.Println(e.Key, v.Values)
		default:
			fmt.Println(e.Key, v)
		}
	}
	fmt.Println(err, rerr)
	// Output:
	// when 1970-01-01 00:00:00 +0000 UTC
	// many 1180591620717411303424
	// floats {7 [0 0 128 63]}
	// letters [a b]
	// <nil> <nil>
}

// Answers are posted: they go out together when all that came is answered.
func ExampleChannel_Post() {
	parent, child := pair(ipc.JSON)
	defer child.Close()
	ctx := context.Background()
	go func() {
		for n := range 3 {
			parent.Post(ctx, n)
		}
		parent.Disconnect(ctx) // writes them
	}()
	for m, err := range child.Messages(ctx) {
		fmt.Println(string(m.Data), err)
	}
	// Output:
	// 0 <nil>
	// 1 <nil>
	// 2 <nil>
}
