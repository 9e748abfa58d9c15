// The four ways to start a program, in Go: s3-start ECHO.js
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/ipc"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: s3-start ECHO.js")
	}
	ctx := context.Background()
	for _, way := range []func(context.Context) error{spawn, exec, execFile, fork} {
		if err := way(ctx); err != nil {
			log.Fatal(err)
		}
	}
}

// spawn: streams, for output of any size, binary too.
func spawn(ctx context.Context) error {
	p, err := child.Start(child.Command{
		Path: "head", Args: []string{"-c", fmt.Sprint(8 << 20), "/dev/zero"},
		Stdio: []child.Stdio{child.Ignore(), child.Pipe(), child.Inherit(2)},
	})
	if err != nil {
		return err
	}
	out := p.Pipe(1)
	defer out.Close()
	bytes, err := io.Copy(io.Discard, out)
	if err != nil {
		return err
	}
	exit, err := p.Wait(ctx)
	fmt.Printf("spawn: %d bytes, code %d\n", bytes, exit.Code)
	return err
}

// exec: through a shell, gathered in memory, bounded. More than that ends the
// command, whole tree, with an error that says so.
func exec(ctx context.Context) error {
	out, err := child.Exec(ctx, "echo one two | wc -w", child.ExecOptions{})
	if err != nil {
		return err
	}
	fmt.Printf("exec: %c words\n", out.Stdout[0])

	out, err = child.Exec(ctx, "yes", child.ExecOptions{MaxBuffer: 200 << 10})
	if full, ok := errors.AsType[*child.MaxBufferError](err); ok {
		fmt.Printf("maxBuffer: %v, kept %d bytes\n", full, len(out.Stdout))
	}
	_, err = child.Exec(ctx, "exit 3", child.ExecOptions{})
	if failed, ok := errors.AsType[*child.ExitError](err); ok {
		fmt.Printf("failure: code %d\n", failed.Exit.Code)
	}
	return nil
}

// execFile: no shell, so what looks like a command in an argument is just text.
func execFile(ctx context.Context) error {
	out, err := child.ExecFile(ctx, "echo", []string{"hello; echo injected"}, child.ExecOptions{})
	if err != nil {
		return err
	}
	fmt.Printf("execFile: %s", out.Stdout)
	_, err = child.ExecFile(ctx, "no-such-program", nil, child.ExecOptions{})
	fmt.Println("missing:", errors.Is(err, fs.ErrNotExist))
	return nil
}

// fork: a program with a channel to its parent, here one of Node.
func fork(ctx context.Context) error {
	p, err := child.Fork(os.Args[1], nil, child.ForkOptions{})
	if err != nil {
		return err
	}
	ch := ipc.NewChannel(p.Conn())
	defer ch.Close()
	if err := ch.Send(ctx, map[string]string{"text": "hello"}); err != nil {
		return err
	}
	m, err := ch.Receive(ctx)
	if err != nil {
		return err
	}
	var echo struct {
		Text string
		PID  int
	}
	if err := m.Decode(&echo); err != nil {
		return err
	}
	fmt.Printf("fork: %s from another process: %v\n", echo.Text, echo.PID == p.PID())
	if err := ch.Disconnect(ctx); err != nil {
		return err
	}
	exit, err := p.Wait(ctx)
	fmt.Println("exit: code", exit.Code)
	return err
}
