package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/ipc"
	"github.com/tendproc/tend/process"
)

// The ways to start a program, and to be sure that nothing of it is left.
func main() {
	ctx := context.Background()
	if child.Role() == "shouter" { // this program, forked
		if err := shout(ctx); err != nil {
			log.Fatal(err)
		}
		return
	}
	out, err := child.Exec(ctx, "echo one two | wc -w", child.ExecOptions{})
	fmt.Println("exec:", strings.TrimSpace(string(out.Stdout)), err)

	out, err = child.ExecFile(ctx, "yes", nil, child.ExecOptions{MaxBuffer: 1000})
	if over, ok := errors.AsType[*child.MaxBufferError](err); ok {
		fmt.Printf("execFile: %d bytes of %s, then %v\n", len(out.Stdout), over.Stream, out.Exit)
	}

	_, err = child.Exec(ctx, "sleep 1000 & sleep 1000", child.ExecOptions{Timeout: 50 * time.Millisecond})
	fmt.Println(err)

	if err := fork(ctx); err != nil {
		log.Fatal(err)
	}
}

func fork(ctx context.Context) error {
	p, err := child.ForkSelf("shouter", nil, child.ForkOptions{})
	if err != nil {
		return err
	}
	defer p.Close()
	ch := ipc.NewChannel(p.Conn())
	if err := ch.Send(ctx, "hello"); err != nil {
		return err
	}
	m, err := ch.Receive(ctx)
	if err != nil {
		return err
	}
	fmt.Println("fork:", string(m.Data))
	if err := ch.Disconnect(ctx); err != nil {
		return err
	}
	exit, err := p.Wait(ctx)
	fmt.Println("fork:", exit)
	return err
}

func shout(ctx context.Context) error {
	ch, err := process.Channel()
	if err != nil {
		return err
	}
	for m, err := range ch.Messages(ctx) {
		if err != nil {
			return err
		}
		var text string
		if err := m.Decode(&text); err != nil {
			return err
		}
		if err := ch.Send(ctx, strings.ToUpper(text)); err != nil {
			return err
		}
	}
	return nil
}
