// The cure in Go: each /compute goes to a forked child, here the same Node
// program, and its answer comes back as a message. A child that dies is an
// error for the one who asked, and nobody else notices.
//
//	go run ./examples/article/s1-compute examples/article/s1-compute/compute.js
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/ipc"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: s1-compute COMPUTE.js")
	}
	count, err := strconv.ParseFloat(os.Getenv("COUNT"), 64)
	if err != nil {
		count = 1e10
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") })
	http.HandleFunc("/compute", func(w http.ResponseWriter, r *http.Request) {
		sum, err := compute(r.Context(), os.Args[1], count)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "sum %.0f\n", sum)
	})
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", l.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(l, nil))
}

// compute forks a child for one question. The child is gone when it returns,
// also when the client lost its patience (ctx).
func compute(ctx context.Context, script string, count float64) (sum float64, err error) {
	p, err := child.Fork(script, nil, child.ForkOptions{})
	if err != nil {
		return 0, err
	}
	fmt.Println("computing", p.PID())
	ch := ipc.NewChannel(p.Conn())
	defer func() {
		ch.Close() // nothing holds the child then, and it exits
		exit, stopErr := p.Stop(context.WithoutCancel(ctx), child.StopOptions{Grace: time.Second})
		if err != nil {
			err = fmt.Errorf("the computation ended early: %v", exit)
		} else {
			err = stopErr
		}
	}()
	if err := ch.Send(ctx, map[string]any{"count": count}); err != nil {
		return 0, err
	}
	m, err := ch.Receive(ctx)
	if err != nil {
		return 0, err
	}
	var answer struct{ Sum float64 }
	err = m.Decode(&answer)
	return answer.Sum, err
}
