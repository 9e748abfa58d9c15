package isolate_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/tendproc/tend/isolate"
	"github.com/tendproc/tend/thread"
)

// A program in WebAssembly, its messages and its end.
func Example() {
	ctx := context.Background()
	wasm, err := os.ReadFile("testdata/hello.wasm")
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := isolate.Compile(ctx, wasm, isolate.Config{MemoryLimit: 1 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close(ctx)
	t, err := m.New(isolate.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := t.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for ev := range t.Events(ctx) {
		switch ev := ev.(type) {
		case thread.Message:
			fmt.Println(ev.Value)
		case thread.Failed:
			fmt.Println("failed:", ev.Err)
		case thread.Exited:
			fmt.Println(ev.Exit)
		case thread.Online, thread.BadMessage:
		}
	}
	// Output:
	// hello
	// exit 0
}

// An endless loop has no more time than it is given.
func ExampleModule_New_deadline() {
	m, err := isolate.Compile(context.Background(), module("", loop), isolate.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close(context.Background())
	t, err := m.New(isolate.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := t.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.Wait(context.Background()))
	// Output: exit 1: context deadline exceeded <nil>
}
