package process_test

import (
	"fmt"
	"os"

	"github.com/tendproc/tend/process"
)

// A program that cleans up on every way out.
func ExampleMain() {
	main := func() {
		process.Main(func(life *process.Life) int {
			dir, err := os.MkdirTemp("", "example")
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			life.OnExit(func(int) { os.RemoveAll(dir) })
			life.OnUncaught(func(v any, stack []byte) { fmt.Fprintf(os.Stderr, "lost: %v\n", v) })
			if _, err := life.On("SIGHUP", func() { fmt.Println("reading the configuration again") }); err != nil {
				return 1
			}
			return 0
		})
	}
	_ = main // it would end this test
}

func ExampleSetTitle() {
	if err := process.SetTitle("worker 7: idle"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(process.Title())
	// Output:
	// worker 7: idle <nil>
}

func ExampleParseSignal() {
	sig, err := process.ParseSignal("term")
	fmt.Println(process.SignalName(sig), int(sig), err)
	// Output:
	// SIGTERM 15 <nil>
}
