package child_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tendproc/tend/child"
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
