package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/tendproc/tend/pool"
)

var (
	sum = pool.NewTask("sum", func(_ context.Context, n int) (total int, err error) {
		for i := range n {
			total += i
		}
		return total, nil
	})
	crash = pool.NewTask("crash", func(_ context.Context, code int) (int, error) { os.Exit(code); return 0, nil })
	hang  = &pool.Task[int, int]{Name: "hang", Timeout: 100 * time.Millisecond, Func: func(_ context.Context, n int) (int, error) {
		for {
			n++
		}
	}}
)

// The same task on a thread and in a process, and what only a process survives.
func main() {
	ctx := context.Background()
	if pool.IsWorker() { // this program, started again
		if err := pool.Serve(ctx, sum, crash, hang); err != nil {
			log.Fatal(err)
		}
		return
	}
	for _, place := range []pool.Executor{pool.Thread{}, pool.Process{}} {
		p := pool.New(ctx, place, pool.Options{Queue: 10})
		total, err := pool.Run(ctx, p, sum, 1000)
		fmt.Printf("%T: %d, %v\n", place, total, err)
		p.Close(ctx)
	}

	p := pool.New(ctx, pool.Process{}, pool.Options{Size: 1, Queue: 10})
	defer p.Close(ctx)
	_, err := pool.Run(ctx, p, crash, 7)
	if died, ok := errors.AsType[*pool.CrashError](err); ok {
		fmt.Println("the worker of", died.Task, "ended:", died.Exit)
	}
	_, err = pool.Run(ctx, p, hang, 0)
	fmt.Println(err)
	total, err := pool.Run(ctx, p, sum, 10)
	fmt.Println(total, err, "after", p.Stats().Replaced, "replaced workers")
}
