package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"time"

	"github.com/tendproc/tend/ipc"
)

const patience = 30 * time.Second

// A task is one thing that is tried on a channel: "messages", or a kind of socket
// "to" the peer or "from" it.
const messages = "messages"

// kind is a kind of socket: the handle's type and what it is of.
type kind struct {
	typ ipc.HandleType
	of  string // the network
}

func (k kind) String() string { return string(k.typ) + ", " + k.of }

var kinds = []kind{
	{ipc.NetServer, "tcp4"},
	{ipc.NetServer, "unix"},
	{ipc.NetSocket, "tcp4"},
	{ipc.NetSocket, "unix"},
	{ipc.NetNative, "tcp4"},
	{ipc.BoundSocket, "tcp4"},
	{ipc.DgramSocket, "udp4"},
	{ipc.DgramSocket, "udp6"},
	{ipc.DgramNative, "udp4"},
}

// request is what the peer is asked for.
type request struct {
	Take ipc.HandleType `json:"take,omitempty"`
	Give ipc.HandleType `json:"give,omitempty"`
	UDP  string         `json:"udp,omitempty"`
	At   place          `json:"at"`
}

type place struct {
	Path string `json:"path,omitempty"`
	Host string `json:"host,omitempty"`
	Port int    `json:"port,omitempty"`
}

// drive does the tasks on ch and says what became of each: "" or what went wrong.
func drive(ctx context.Context, ch *ipc.Channel, tasks []string) map[string]string {
	got := map[string]string{}
	for _, task := range tasks {
		if err := try(ctx, ch, task); err != nil {
			got[task] = err.Error()
		} else {
			got[task] = ""
		}
	}
	return got
}

func try(ctx context.Context, ch *ipc.Channel, task string) error {
	if task == messages {
		return tryMessages(ctx, ch)
	}
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := transfer{ch: ch, dir: dir}
	defer t.close()
	direction, name, _ := strings.Cut(task, " ")
	for _, k := range kinds {
		if k.String() != name {
			continue
		}
		if direction == "to" {
			return t.give(ctx, k)
		}
		return t.take(ctx, k)
	}
	return fmt.Errorf("no task %q", task)
}

// tryMessages sends values that come back as they went.
func tryMessages(ctx context.Context, ch *ipc.Channel) error {
	values := []any{"text", 7.5, 1, true, nil, []any{1, "two"}, map[string]any{"é": "€😀\n\u2028"}, strings.Repeat("é", 1<<18)}
	if ch.Serialization() == ipc.Advanced {
		values = append(values,
			&ipc.Map{Entries: []ipc.MapEntry{{Key: 1, Value: &ipc.Set{Values: []any{ipc.Undefined{}}}}}},
			time.UnixMilli(1).UTC(), big.NewInt(-1), ipc.RegExp{Source: "a", Flags: "g"}, []byte("buffer"), ipc.ArrayBuffer{1},
			ipc.View{Kind: ipc.Float64Array, Bytes: make([]byte, 8)}, &ipc.Error{Name: "TypeError", Message: "m", Stack: "s"})
	}
	for _, v := range values {
		if err := ch.Send(ctx, v); err != nil {
			return err
		}
		m, err := ch.Receive(ctx)
		if err != nil {
			return err
		}
		if got := echoed(m); !reflect.DeepEqual(got, v) && fmt.Sprint(got) != fmt.Sprint(v) {
			return fmt.Errorf("%.40v came back as %.40v", v, got)
		}
	}
	return nil
}

func echoed(m ipc.Message) any {
	v := m.Value
	if m.Data != nil && m.Decode(&v) != nil {
		return nil
	}
	object, _ := v.(map[string]any)
	return object["echo"]
}

// reply receives the peer's word that it did what it was asked for.
func reply(ctx context.Context, ch *ipc.Channel) (ipc.Message, error) {
	m, err := ch.Receive(ctx)
	if err != nil {
		return m, err
	}
	var r struct{ Fail string }
	if err := m.Decode(&r); err != nil {
		return m, err
	}
	if r.Fail != "" {
		return m, errors.New(r.Fail)
	}
	return m, nil
}

// transfer is the passing of one socket.
type transfer struct {
	ch   *ipc.Channel
	dir  string
	open []io.Closer
}

func (t *transfer) close() {
	for _, c := range t.open {
		c.Close()
	}
}

func keep[T io.Closer](t *transfer) func(T, error) (T, error) {
	return func(c T, err error) (T, error) {
		if err == nil {
			t.open = append(t.open, c)
		}
		return c, err
	}
}

// address is one of k's network to listen on.
func (t *transfer) address(k kind) string {
	switch k.of {
	case "unix":
		return filepath.Join(t.dir, "s")
	case "udp6":
		return "[::1]:0"
	}
	return "127.0.0.1:0"
}

func placeOf(a net.Addr) place {
	switch a := a.(type) {
	case *net.UnixAddr:
		return place{Path: a.Name}
	case *net.TCPAddr:
		return place{Host: a.IP.String(), Port: a.Port}
	case *net.UDPAddr:
		return place{Host: a.IP.String(), Port: a.Port}
	}
	return place{}
}

// give passes a socket to the peer and sees whether it serves there.
func (t *transfer) give(ctx context.Context, k kind) error {
	src, client, served, err := t.make(k)
	if err != nil {
		return err
	}
	h, err := ipc.NewHandle(src)
	if err != nil {
		return err
	}
	h.Type = k.typ
	if err := t.ch.SendHandle(ctx, request{Take: k.typ, UDP: h.DgramType}, h, false); err != nil {
		return err
	}
	if k.typ == ipc.NetNative {
		h.Close() // as is done for a net.Socket
	}
	if _, err := reply(ctx, t.ch); err != nil {
		return err
	}
	if client == nil {
		if client, err = keep[net.Conn](t)(net.Dial(k.of, served)); err != nil {
			return err
		}
	}
	client.SetDeadline(time.Now().Add(patience))
	if strings.HasPrefix(k.of, "udp") {
		return asks(client)
	}
	if text, err := io.ReadAll(client); err != nil || string(text) != "served" {
		return fmt.Errorf("the peer served %q, %v", text, err)
	}
	return nil
}

// make makes the socket to give: client is the other end of a connection, and
// address is where the peer serves then.
func (t *transfer) make(k kind) (src syscall.Conn, client net.Conn, address string, err error) {
	if strings.HasPrefix(k.of, "udp") {
		p, err := keep[net.PacketConn](t)(net.ListenPacket(k.of, t.address(k)))
		if err != nil {
			return nil, nil, "", err
		}
		return p.(syscall.Conn), nil, p.LocalAddr().String(), nil
	}
	if k.typ == ipc.BoundSocket {
		f, address, err := bound()
		if err == nil {
			t.open = append(t.open, f)
		}
		return f, nil, address, err
	}
	l, err := keep[net.Listener](t)(net.Listen(k.of, t.address(k)))
	if err != nil || k.typ == ipc.NetServer {
		return l.(syscall.Conn), nil, l.Addr().String(), err
	}
	if client, err = keep[net.Conn](t)(net.Dial(k.of, l.Addr().String())); err != nil {
		return nil, nil, "", err
	}
	c, err := keep[net.Conn](t)(l.Accept())
	if err != nil {
		return nil, nil, "", err
	}
	return c.(syscall.Conn), client, "", nil
}

// bound makes a TCP socket that is bound and does not listen.
func bound() (*os.File, string, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, "", err
	}
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "bound")
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		f.Close()
		return nil, "", err
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		f.Close()
		return nil, "", err
	}
	return f, fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port), nil
}

// asks sends a datagram and wants its answer.
func asks(c net.Conn) error {
	buf := make([]byte, 16)
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "re:x" {
		return fmt.Errorf("UDP gave %q, %v", buf[:n], err)
	}
	return nil
}

// take asks the peer for a socket and uses it.
func (t *transfer) take(ctx context.Context, k kind) error {
	r := request{Give: k.typ, UDP: k.of}
	var l net.Listener
	switch {
	case strings.HasPrefix(k.of, "udp"):
		r.At.Host, _, _ = net.SplitHostPort(t.address(k))
	case k.typ == ipc.NetServer && k.of == "unix":
		r.At.Path = t.address(k)
	case k.typ == ipc.NetSocket || k.typ == ipc.NetNative:
		var err error
		if l, err = keep[net.Listener](t)(net.Listen(k.of, t.address(k))); err != nil {
			return err
		}
		r.At = placeOf(l.Addr())
	}
	if err := t.ch.Send(ctx, r); err != nil {
		return err
	}
	m, err := reply(ctx, t.ch)
	if err != nil {
		return err
	}
	if m.Handle == nil {
		return errors.New("no handle came")
	}
	if m.Handle.Type != k.typ {
		m.Handle.Close()
		return fmt.Errorf("a %s came", m.Handle.Type)
	}
	return t.use(m.Handle, k, l)
}

func (t *transfer) use(h *ipc.Handle, k kind, l net.Listener) error {
	switch {
	case k.typ == ipc.BoundSocket:
		return h.Close()
	case k.typ == ipc.NetServer:
		var err error
		if l, err = keep[net.Listener](t)(h.Listener()); err != nil {
			return err
		}
		address := l.Addr().String()
		if kept := address + ".kept"; k.of == "unix" && exists(kept) {
			address = kept
		}
		client, err := keep[net.Conn](t)(net.Dial(k.of, address))
		if err != nil {
			return err
		}
		return talk(client, l)
	case l != nil:
		c, err := keep[net.Conn](t)(h.Conn())
		if err != nil {
			return err
		}
		return talk(c, l)
	}
	p, err := keep[net.PacketConn](t)(h.PacketConn())
	if err != nil {
		return err
	}
	client, err := keep[net.Conn](t)(net.Dial(k.of, p.LocalAddr().String()))
	if err != nil {
		return err
	}
	return hears(client, p)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// talk sends a word from client to who accepts from l.
func talk(client net.Conn, l net.Listener) error {
	served, err := l.Accept()
	if err != nil {
		return err
	}
	defer served.Close()
	buf := make([]byte, 8)
	served.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(client, "word"); err != nil {
		return err
	}
	if n, err := served.Read(buf); err != nil || string(buf[:n]) != "word" {
		return fmt.Errorf("heard %q, %v", buf[:n], err)
	}
	return nil
}

func hears(client net.Conn, p net.PacketConn) error {
	buf := make([]byte, 8)
	p.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(client, "word"); err != nil {
		return err
	}
	if n, _, err := p.ReadFrom(buf); err != nil || string(buf[:n]) != "word" {
		return fmt.Errorf("heard %q, %v", buf[:n], err)
	}
	return nil
}
