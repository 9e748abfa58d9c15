package pool_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/pool"
)

// The test binary's main calls pool.IsWorker and pool.Serve with tasks of these
// names, as a program that has workers must.
var sum = pool.NewTask("sum", func(_ context.Context, n int) (total int, err error) {
	for i := range n {
		total += i
	}
	return total, nil
})

// One task, two places: what a thread does, a process does as well.
func ExampleRun() {
	ctx := context.Background()
	for _, place := range []pool.Executor{pool.Thread{}, pool.Process{}} {
		p := pool.New(ctx, place, pool.Options{Queue: 10})
		total, err := pool.Run(ctx, p, sum, 1000)
		fmt.Println(total, err)
		p.Close(ctx)
	}
	// Output:
	// 499500 <nil>
	// 499500 <nil>
}

// A queue that is full refuses at once, where its caller will not wait.
func ExampleTrySubmit() {
	ctx := context.Background()
	p := pool.New(ctx, pool.Thread{}, pool.Options{Size: 1, Queue: 1})
	open := make(chan struct{})
	wait := pool.NewTask("wait", func(context.Context, string) (string, error) { <-open; return "done", nil })
	var all []pool.Future[string]
	for range 3 {
		f, err := pool.TrySubmit(ctx, p, wait, "")
		if err != nil {
			fmt.Println(err)
			continue
		}
		all = append(all, f)
	}
	close(open)
	for _, f := range all {
		fmt.Println(f.Wait(ctx))
	}
	p.Close(ctx)
	// Output:
	// the pool is full
	// done <nil>
	// done <nil>
}

// A worker that dies fails its own task, and the error says how it died.
func ExampleCrashError() {
	ctx := context.Background()
	p := pool.New(ctx, pool.Process{}, pool.Options{Size: 1})
	defer p.Close(ctx)
	die := &pool.Task[string, int]{Name: "die"}
	_, err := pool.Run(ctx, p, die, "exit")
	if crash, ok := errors.AsType[*pool.CrashError](err); ok {
		fmt.Println(crash.Task, crash.Exit == child.Exit{Code: 7})
	}
	fmt.Println(pool.Run(ctx, p, sum, 10))
	// Output:
	// die true
	// 45 <nil>
}

// A task that takes too long is ended, with its worker.
func ExampleTask_timeout() {
	ctx := context.Background()
	p := pool.New(ctx, pool.Process{}, pool.Options{Size: 1})
	defer p.Close(ctx)
	hang := &pool.Task[int, int]{Name: "hang", Timeout: 100 * time.Millisecond}
	_, err := pool.Run(ctx, p, hang, 0)
	fmt.Println(err)
	// Output:
	// task hang: not done within 100ms
}

// A place of one's own: here tasks run as they would on another machine, from
// their input as JSON text to their output as JSON text.
func ExampleExecutor() {
	ctx := context.Background()
	p := pool.New(ctx, shouting{}, pool.Options{})
	defer p.Close(ctx)
	fmt.Println(pool.Run(ctx, p, &pool.Task[string, string]{Name: "shout"}, "hello"))
	// Output:
	// HELLO <nil>
}

// shouting is an executor, and its workers too.
type shouting struct{}

func (s shouting) Size() int                                  { return 1 }
func (s shouting) Start(context.Context) (pool.Worker, error) { return s, nil }
func (s shouting) Spent() bool                                { return false }
func (s shouting) Lost() <-chan struct{}                      { return nil }
func (s shouting) Close(context.Context) error                { return nil }

func (s shouting) Do(_ context.Context, c pool.Call) error {
	in, err := c.AppendInput(nil)
	if err != nil {
		return err
	}
	return c.SetOutput([]byte(strings.ToUpper(string(in))))
}
