// Both halves of the channel in Go. As a parent it forks a program of Node or
// itself, tells it a few things and prints the answers; started with a channel
// it is the child.
//
//	s5-channel child.js     Go talks with Node
//	s5-channel s5-channel   Go talks with Go
//	node parent.js s5-channel
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/ipc"
	"github.com/tendproc/tend/process"
)

func main() {
	ctx := context.Background()
	ch, err := process.Channel()
	switch {
	case err == nil:
		err = answer(ctx, ch)
	case !errors.Is(err, process.ErrNoChannel):
	case len(os.Args) == 2:
		err = ask(ctx, os.Args[1])
	default:
		err = errors.New("usage: s5-channel PROGRAM")
	}
	if err != nil {
		log.Fatal(err)
	}
}

func ask(ctx context.Context, program string) error {
	p, err := child.Fork(program, nil, child.ForkOptions{})
	if err != nil {
		return err
	}
	ch := ipc.NewChannel(p.Conn())
	defer ch.Close()
	for _, q := range []any{map[string]any{"n": 1, "text": "grüße\u2028"}, []int{1, 2, 3}, "text", 42, true, nil, "bye"} {
		if err := ch.Send(ctx, q); err != nil {
			return err
		}
	}
	for m, err := range ch.Messages(ctx) {
		if err != nil {
			return err
		}
		fmt.Printf("parent: %s\n", m.Data)
	}
	fmt.Println("parent: disconnected")
	exit, err := p.Wait(ctx)
	fmt.Println("parent: exit", exit.Code)
	return err
}

func answer(ctx context.Context, ch *ipc.Channel) error {
	defer ch.Close()
	if err := ch.Send(ctx, map[string]any{"hello": "from the child", "channel": true}); err != nil {
		return err
	}
	for {
		m, err := ch.Receive(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if string(m.Data) == `"bye"` {
			fmt.Println("child: disconnected")
			return ch.Disconnect(ctx)
		}
		if err := ch.Send(ctx, map[string]any{"got": json.RawMessage(m.Data), "type": typeOf(m.Data)}); err != nil {
			return err
		}
	}
}

// typeOf says what kind of JSON value it is.
func typeOf(data []byte) string {
	switch data[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}
