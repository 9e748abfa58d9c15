package child_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/ipc"
	"github.com/tendproc/tend/process"
)

// Streams, as from Node's spawn.
func ExampleStart() {
	p, err := child.Start(child.Command{
		Path: "tr", Args: []string{"a-z", "A-Z"},
		Stdio: []child.Stdio{child.Pipe(), child.Pipe()},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	fmt.Fprintln(p.Pipe(0), "one\ntwo")
	p.Pipe(0).Close()
	for lines := bufio.NewScanner(p.Pipe(1)); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	exit, err := p.Wait(context.Background())
	fmt.Println(exit, err)
	// Output:
	// ONE
	// TWO
	// exit 0 <nil>
}

// A shell line, its output gathered.
func ExampleExec() {
	out, err := child.Exec(context.Background(), "echo $((6 * 7)) | rev", child.ExecOptions{})
	fmt.Printf("%s%v\n", out.Stdout, err)
	// Output:
	// 24
	// <nil>
}

// Output without end ends the command.
func ExampleExec_maxBuffer() {
	out, err := child.Exec(context.Background(), "yes", child.ExecOptions{MaxBuffer: 6})
	if over, ok := errors.AsType[*child.MaxBufferError](err); ok {
		fmt.Printf("%q of %s, %v\n", out.Stdout, over.Stream, out.Exit)
	}
	// Output:
	// "y\ny\ny\n" of stdout, SIGKILL
}

// A program and its arguments; no shell looks at them.
func ExampleExecFile() {
	out, err := child.ExecFile(context.Background(), "echo", []string{"$HOME", "; exit 1"}, child.ExecOptions{})
	fmt.Printf("%s%v\n", out.Stdout, err)
	// Output:
	// $HOME ; exit 1
	// <nil>
}

// A script with the interpreter that is there, and messages to and fro.
func ExampleFork() {
	script := filepath.Join(os.TempDir(), "tend-example-double.js")
	if err := os.WriteFile(script, []byte(`process.on('message', (n) => process.send(2 * n));`), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(script)
	p, err := child.Fork(script, nil, child.ForkOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	ctx := context.Background()
	ch := ipc.NewChannel(p.Conn())
	defer ch.Close()
	if err := ch.Send(ctx, 21); err != nil {
		fmt.Println(err)
		return
	}
	m, err := ch.Receive(ctx)
	fmt.Println(string(m.Data), err)
	if err := ch.Disconnect(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(p.Wait(ctx))
}

// A main that starts its own program in another role, with a channel between the two.
func ExampleForkSelf() {
	ctx := context.Background()
	if child.Role() == "shouter" { // in the child
		if err := shout(ctx); err != nil {
			log.Fatal(err)
		}
		return
	}
	p, err := child.ForkSelf("shouter", nil, child.ForkOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	ch := ipc.NewChannel(p.Conn())
	defer ch.Close()
	if err := ch.Send(ctx, "hello"); err != nil {
		log.Fatal(err)
	}
	m, err := ch.Receive(ctx)
	fmt.Println(string(m.Data), err) // "HELLO" <nil>
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

// A program in the foreground, for as long as a ctx lasts.
func ExampleRun() {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	exit, err := child.Run(ctx, child.Command{Path: "sleep", Args: []string{"1000"}}, child.StopOptions{Grace: 10 * time.Second})
	fmt.Println(exit, err)
	// Output:
	// SIGTERM context deadline exceeded
}

// Who is in the tree of a process.
func ExampleProcess_Tree() {
	p, err := child.Start(child.Command{Path: "sh", Args: []string{"-c", "echo up; read x"}, Stdio: []child.Stdio{child.Pipe(), child.Pipe()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	p.Pipe(1).Read(make([]byte, 3))
	tree, err := p.Tree()
	for _, m := range tree {
		fmt.Println(m.Name, m.PID == p.PID(), err)
	}
	p.Pipe(0).Close()
	exit, _ := p.Wait(context.Background())
	fmt.Println(exit)
	// Output:
	// sh true <nil>
	// exit 1
}

// All that are called so, as killall ends them, and what they started.
func ExampleStopNamed() {
	name := fmt.Sprint("worker-of-", os.Getpid()) // nobody else's
	p, err := child.Start(child.Command{Path: "sleep", Args: []string{"1000"}, Argv0: name})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	ended, err := child.StopNamed(context.Background(), name, child.StopOptions{Grace: 10 * time.Second})
	fmt.Println(len(ended), err)
	fmt.Println(p.Wait(context.Background()))
	// Output:
	// 1 <nil>
	// SIGTERM <nil>
}

// The first process of a container collects the orphans there.
func ExampleReaper() {
	ctx, cancel := context.WithCancel(context.Background())
	collected := make(chan child.Exit, 1)
	ready := make(chan struct{})
	r := child.Reaper{
		Reaped: func(pid int, exit child.Exit) { collected <- exit },
		Ready:  func() { close(ready) },
	}
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	<-ready

	// A daemon: its parent ends at once, it later.
	out, err := child.Exec(ctx, "(exec >/dev/null; sleep 0.05; exit 3) & echo started", child.ExecOptions{})
	fmt.Printf("%s%v\n", out.Stdout, err)
	fmt.Println("orphan:", <-collected)
	cancel()
	fmt.Println(<-done)
	// Output:
	// started
	// <nil>
	// orphan: exit 3
	// context canceled
}

// A polite signal to all it started, a second of grace, then SIGKILL.
func ExampleProcess_Stop() {
	p, err := child.Start(child.Command{Path: "sh", Args: []string{"-c", "sleep 1000 & exec sleep 1000"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	exit, err := p.Stop(context.Background(), child.StopOptions{Grace: time.Second, Tree: true})
	fmt.Println(exit, err)
	// Output:
	// SIGTERM <nil>
}
