// The same with package pool, whose threads are as many as libuv's: two are held up
// by opening a named pipe that nobody writes to. The program goes on; whether the
// third task does depends on UV_THREADPOOL_SIZE.
//
//	mkfifo /tmp/p && UV_THREADPOOL_SIZE=2 go run ./examples/article/s11-threads /tmp/p
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/tendproc/tend/pool"
)

var open = pool.NewTask("open", func(_ context.Context, path string) (bool, error) {
	f, err := os.Open(path)
	fmt.Println("opened")
	f.Close()
	return true, err
})

var stat = pool.NewTask("stat", func(_ context.Context, path string) (int64, error) {
	info, err := os.Stat(path)
	fmt.Println("stat")
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
})

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: s11-threads PIPE")
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, path string) error {
	p := pool.New(ctx, pool.Thread{}, pool.Options{Queue: 10})
	for range 2 {
		if _, err := pool.Submit(ctx, p, open, path); err != nil {
			return err
		}
	}
	if _, err := pool.Submit(ctx, p, stat, path); err != nil {
		return err
	}
	fmt.Println("the event loop goes on")
	return p.Close(ctx)
}
