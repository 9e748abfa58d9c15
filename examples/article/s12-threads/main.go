// Worker threads in Go: what threads.js does in Node, with the same output. A
// thread that loops for ever cannot be stopped when it is a goroutine, so that one
// is a WebAssembly module:
//
//	GOOS=wasip1 GOARCH=wasm go build -o loop.wasm ./loop
//	s12-threads loop.wasm
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/tendproc/tend/isolate"
	"github.com/tendproc/tend/thread"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: s12-threads LOOP.wasm")
	}
	ctx := context.Background()
	fmt.Printf("main thread: %v, id %d\n", thread.IsMainThread(ctx), thread.ThreadID(ctx))
	for _, part := range []func(context.Context) error{sums, copies, failures, ports, transfer, stop} {
		if err := part(ctx); err != nil {
			log.Fatal(err)
		}
	}
}

// run starts a thread and waits for its end; message is the last it posted.
func run(ctx context.Context, entry thread.Entry, o thread.Options) (message any, exit thread.Exit, err error) {
	t, err := thread.New(entry, o)
	if err != nil {
		return nil, exit, err
	}
	if err := t.Start(ctx); err != nil {
		return nil, exit, err
	}
	for ev := range t.Events(ctx) {
		switch ev := ev.(type) {
		case thread.Message:
			message = ev.Value
		case thread.Exited:
			exit = ev.Exit
		case thread.Online, thread.BadMessage, thread.Failed:
		}
	}
	return message, exit, nil
}

type span struct{ From, To int }

type part struct {
	Total int
	Main  bool
}

// A long computation beside the main thread, in two halves.
func sums(ctx context.Context) error {
	var threads []*thread.Thread
	for _, s := range []span{{0, 5e7}, {5e7, 1e8}} {
		t, err := thread.New(sum, thread.Options{WorkerData: s})
		if err != nil {
			return err
		}
		if err := t.Start(ctx); err != nil {
			return err
		}
		threads = append(threads, t)
	}
	var all part
	for _, t := range threads {
		p, err := thread.Receive[part](ctx, t)
		if err != nil {
			return err
		}
		all.Total += p.Total
		all.Main = all.Main || p.Main
	}
	fmt.Printf("sum %d by two threads, main thread: %v\n", all.Total, all.Main)
	return nil
}

func sum(ctx context.Context, self *thread.Self) error {
	s, total := self.WorkerData().(span), 0
	for i := s.From; i < s.To; i++ {
		total += i
	}
	return self.Port().Post(part{total, thread.IsMainThread(ctx)})
}

// Data is copied, not shared.
func copies(ctx context.Context) error {
	list := []any{1, 2, 3}
	changed, _, err := run(ctx, func(_ context.Context, self *thread.Self) error {
		list := self.WorkerData().([]any)
		list[0] = "changed"
		return self.Port().Post(list)
	}, thread.Options{WorkerData: list})
	fmt.Printf("the thread has %s, the main thread %s\n", commas(changed.([]any)), commas(list))
	return err
}

func commas(list []any) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(list), "[]"), " ", ",")
}

// Errors, panics too, and exit codes.
func failures(ctx context.Context) error {
	_, failed, err := run(ctx, func(context.Context, *thread.Self) error { panic("it went wrong") }, thread.Options{})
	if err != nil {
		return err
	}
	if p, ok := errors.AsType[*thread.PanicError](failed.Err); ok {
		fmt.Printf("error: %v, exit %d\n", p.Value, failed.Code)
	}
	_, left, err := run(ctx, func(_ context.Context, self *thread.Self) error { self.Exit(3); return nil }, thread.Options{})
	if left.Err == nil {
		fmt.Printf("error: none, exit %d\n", left.Code)
	}
	return err
}

// Two threads talk past the main thread.
func ports(ctx context.Context) error {
	a, b := thread.NewChannel()
	_, _, err := run(ctx, func(_ context.Context, self *thread.Self) error {
		return self.WorkerData().(*thread.Port).Post("hello")
	}, thread.Options{WorkerData: a, Transfer: []thread.Transferable{a}})
	if err != nil {
		return err
	}
	heard, _, err := run(ctx, func(ctx context.Context, self *thread.Self) error {
		m, err := self.WorkerData().(*thread.Port).Receive(ctx)
		if err != nil {
			return err
		}
		return self.Port().Post(m)
	}, thread.Options{WorkerData: b, Transfer: []thread.Transferable{b}})
	fmt.Printf("the other thread heard %v\n", heard)
	return err
}

// Memory moves, and is gone here.
func transfer(context.Context) error {
	bytes := thread.NewBuffer(make([]byte, 1<<20))
	a, _ := thread.NewChannel()
	defer a.Close()
	if err := a.Post(bytes, bytes); err != nil {
		return err
	}
	left, err := bytes.Bytes()
	if !errors.Is(err, thread.ErrDetached) {
		return err
	}
	fmt.Printf("after the transfer: %d bytes\n", len(left))
	return nil
}

// An endless loop is stopped.
func stop(ctx context.Context) error {
	wasm, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	m, err := isolate.Compile(ctx, wasm, isolate.Config{})
	if err != nil {
		return err
	}
	defer m.Close(ctx)
	looping := make(said, 1)
	t, err := m.New(isolate.Options{Stdout: looping})
	if err != nil {
		return err
	}
	if err := t.Start(ctx); err != nil {
		return err
	}
	<-looping
	exit, err := t.Terminate(ctx)
	fmt.Printf("the loop was stopped, exit %d\n", exit.Code)
	return err
}

// said is a writer that tells of the first thing written.
type said chan struct{}

func (s said) Write(p []byte) (int, error) {
	select {
	case s <- struct{}{}:
	default:
	}
	return len(p), nil
}
