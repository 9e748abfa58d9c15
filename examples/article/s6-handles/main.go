// Both ends of the handle example in Go: as a parent it gives its child, Node or
// Go, a socket of each kind and has the child give it one of each; started with
// a channel it is the child. What a client of each socket reads tells who
// served it.
//
//	s6-handles child.js      Go and Node
//	s6-handles s6-handles    Go and Go
//	node parent.js s6-handles
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/ipc"
	"github.com/tendproc/tend/process"
)

// message is what the ends say: one of give, kind with a handle, and gave.
type message struct {
	Give string `json:"give,omitempty"` // make one of this kind and send it
	Kind string `json:"kind,omitempty"` // what comes with this message
	Gave string `json:"gave,omitempty"` // done, and the client read Read
	Read string `json:"read,omitempty"`
}

var kinds = []string{"net.Server", "net.Socket", "pipe", "dgram.Socket", "net.Native"}

func main() {
	ctx := context.Background()
	ch, err := process.Channel()
	switch {
	case err == nil:
		err = beChild(ctx, ch)
	case !errors.Is(err, process.ErrNoChannel):
	case len(os.Args) == 2:
		err = beParent(ctx, os.Args[1])
	default:
		err = errors.New("usage: s6-handles PROGRAM")
	}
	if err != nil {
		log.Fatal(err)
	}
}

func beParent(ctx context.Context, program string) error {
	p, err := child.Fork(program, nil, child.ForkOptions{})
	if err != nil {
		return err
	}
	ch := ipc.NewChannel(p.Conn())
	defer ch.Close()
	for _, kind := range kinds {
		read, err := give(ctx, ch, kind)
		if err != nil {
			return fmt.Errorf("give %s: %w", kind, err)
		}
		fmt.Printf("parent gave %s: %s\n", kind, read)
		if err := ch.Send(ctx, message{Give: kind}); err != nil {
			return err
		}
		answer, err := handle(ctx, ch)
		if err != nil {
			return fmt.Errorf("take %s: %w", kind, err)
		}
		fmt.Printf("child gave %s: %s\n", answer.Gave, answer.Read)
	}
	if err := ch.Disconnect(ctx); err != nil {
		return err
	}
	exit, err := p.Wait(ctx)
	fmt.Println("exit", exit.Code)
	return err
}

// handle takes what comes until the child reports.
func handle(ctx context.Context, ch *ipc.Channel) (message, error) {
	for {
		var m message
		received, err := ch.Receive(ctx)
		if err != nil {
			return m, err
		}
		if err := received.Decode(&m); err != nil || m.Gave != "" {
			return m, err
		}
		if err := take(m.Kind, received.Handle); err != nil {
			return m, err
		}
	}
}

func beChild(ctx context.Context, ch *ipc.Channel) error {
	defer ch.Close()
	for {
		received, err := ch.Receive(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var m message
		if err := received.Decode(&m); err != nil {
			return err
		}
		if m.Give == "" {
			err = take(m.Kind, received.Handle)
		} else {
			var read string
			if read, err = give(ctx, ch, m.Give); err == nil {
				err = ch.Send(ctx, message{Gave: m.Give, Read: read})
			}
		}
		if err != nil {
			return err
		}
	}
}
