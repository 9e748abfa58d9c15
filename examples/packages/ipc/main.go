package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/ipc"
	"github.com/tendproc/tend/process"
)

// Messages to a child and back, and a listening socket that goes with one of them.
func main() {
	run := parent
	if child.Role() == "clerk" { // this program, forked
		run = clerk
	}
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func parent(ctx context.Context) error {
	p, err := child.ForkSelf("clerk", nil, child.ForkOptions{})
	if err != nil {
		return err
	}
	defer p.Close()
	ch := ipc.NewChannel(p.Conn())
	defer ch.Close()

	for n := range 3 {
		if err := ch.Post(ctx, map[string]int{"number": n + 1}); err != nil { // all three go at once,
			return err
		}
	}
	for range 3 {
		m, err := ch.Receive(ctx) // here
		if err != nil {
			return err
		}
		fmt.Println("the clerk says", string(m.Data))
	}
	if err := lend(ctx, ch); err != nil {
		return err
	}
	if err := ch.Disconnect(ctx); err != nil {
		return err
	}
	exit, err := p.Wait(ctx)
	fmt.Println("the clerk:", exit)
	return err
}

// lend sends the clerk a listener, and calls it.
func lend(ctx context.Context, ch *ipc.Channel) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h, err := ipc.NewHandle(l.(*net.TCPListener))
	if err != nil {
		return err
	}
	defer h.Close() // closes l, too
	if err := ch.SendHandle(ctx, "serve one", h, false); err != nil {
		return err
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	text, err := io.ReadAll(c)
	fmt.Println("the clerk's socket says", string(text))
	return err
}

func clerk(ctx context.Context) error {
	ch, err := process.Channel()
	if err != nil {
		return err
	}
	for m, err := range ch.Messages(ctx) { // until the parent disconnects
		if err != nil {
			return err
		}
		if m.Handle != nil {
			err = serve(m.Handle)
		} else {
			var in struct{ Number int }
			if err = m.Decode(&in); err == nil {
				err = ch.Post(ctx, in.Number*in.Number)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func serve(h *ipc.Handle) error {
	l, err := h.Listener()
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = io.WriteString(c, "hello")
	return err
}
