package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/tendproc/tend/cluster"
	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/ipc"
	"github.com/tendproc/tend/process"
)

func TestMain(m *testing.M) {
	proctest.Main(m,
		proctest.Role{Name: "peer", Run: role(serve)},
		proctest.Role{Name: "driver", Run: role(driver)},
		proctest.Role{Name: "worker", Run: worker},
	)
}

// role is a program on the channel to its parent.
func role(run func(context.Context, *ipc.Channel, []string) error) func([]string) int {
	return func(args []string) int {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		ch, err := process.Channel()
		if err == nil {
			ch.PeerNode(ipc.Latest) // who is not is not asked for what it does not know
			err = run(ctx, ch, args)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			return 1
		}
		return 0
	}
}

// driver is the Go end below a parent: it prints what became of the tasks.
func driver(ctx context.Context, ch *ipc.Channel, tasks []string) error {
	if err := json.NewEncoder(os.Stdout).Encode(drive(ctx, ch, tasks)); err != nil {
		return err
	}
	return ch.Disconnect(ctx)
}

// serve is testdata/peer.js in Go.
func serve(ctx context.Context, ch *ipc.Channel, _ []string) error {
	p := goPeer{ch: ch}
	defer p.close()
	for m, err := range ch.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := p.answer(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

type goPeer struct {
	ch   *ipc.Channel
	open []io.Closer
}

func (p *goPeer) close() {
	for _, c := range p.open {
		c.Close()
	}
}

func (p *goPeer) answer(ctx context.Context, m ipc.Message) error {
	var r request
	switch err := m.Decode(&r); {
	case err == nil && r.Take != "" && m.Handle != nil:
		if err := p.take(m.Handle); err != nil {
			return err
		}
		return p.ch.Send(ctx, map[string]any{"took": r.Take})
	case err == nil && r.Give != "":
		return p.give(ctx, r)
	}
	if m.Data != nil {
		return p.ch.Send(ctx, map[string]any{"echo": json.RawMessage(m.Data)})
	}
	return p.ch.Send(ctx, map[string]any{"echo": m.Value})
}

func (p *goPeer) take(h *ipc.Handle) error {
	switch h.Type {
	case ipc.NetServer:
		l, err := h.Listener()
		if err != nil {
			return err
		}
		p.open = append(p.open, l)
		go serveOne(l)
	case ipc.BoundSocket:
		p.open = append(p.open, h.File)
		return listen(h.File)
	case ipc.NetSocket, ipc.NetNative:
		c, err := h.Conn()
		if err != nil {
			return err
		}
		io.WriteString(c, "served")
		return c.Close()
	default:
		c, err := h.PacketConn()
		if err != nil {
			return err
		}
		p.open = append(p.open, c)
		go func() {
			buf := make([]byte, 16)
			if n, from, err := c.ReadFrom(buf); err == nil {
				c.WriteTo(append([]byte("re:"), buf[:n]...), from)
			}
		}()
	}
	return nil
}

func serveOne(l net.Listener) {
	if c, err := l.Accept(); err == nil {
		io.WriteString(c, "served")
		c.Close()
	}
}

// listen makes a bound socket a listening one and serves it.
func listen(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = syscall.Listen(int(fd), 8) }); err != nil || inner != nil {
		return fmt.Errorf("listen: %v, %v", err, inner)
	}
	l, err := net.FileListener(f)
	if err == nil {
		go func() { serveOne(l); l.Close() }()
	}
	return err
}

func (p *goPeer) give(ctx context.Context, r request) error {
	var src syscall.Conn
	var err error
	switch r.Give {
	case ipc.NetServer:
		network, address := "tcp4", "127.0.0.1:0"
		if r.At.Path != "" {
			network, address = "unix", r.At.Path
		}
		var l net.Listener
		if l, err = net.Listen(network, address); err == nil {
			src = l.(syscall.Conn)
		}
	case ipc.NetSocket, ipc.NetNative:
		network, address := "tcp4", fmt.Sprintf("%s:%d", r.At.Host, r.At.Port)
		if r.At.Path != "" {
			network, address = "unix", r.At.Path
		}
		var c net.Conn
		if c, err = net.Dial(network, address); err == nil {
			src = c.(syscall.Conn)
		}
	case ipc.BoundSocket:
		src, _, err = bound()
	default:
		var c net.PacketConn
		if c, err = net.ListenPacket(r.UDP, net.JoinHostPort(r.At.Host, "0")); err == nil {
			src = c.(syscall.Conn)
		}
	}
	if err != nil {
		return err
	}
	h, err := ipc.NewHandle(src)
	if err != nil {
		return err
	}
	if l, ok := src.(*net.UnixListener); ok {
		l.SetUnlinkOnClose(false) // the other end serves it
	}
	p.open = append(p.open, h)
	h.Type = r.Give
	return p.ch.SendHandle(ctx, map[string]any{"gave": r.Give}, h, true)
}

// worker is testdata/worker.js in Go.
func worker([]string) int {
	l, err := cluster.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	for {
		c, err := l.Accept()
		if err != nil {
			break
		}
		fmt.Fprint(c, os.Getpid())
		c.Close()
	}
	<-cluster.Disconnected()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := cluster.Disconnect(ctx); err != nil {
		return 1
	}
	return 0
}
