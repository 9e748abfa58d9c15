// The cure with a pool: /compute runs in a worker process, at most WORKERS at once,
// and the server stays free. The workers are this program itself, or the Node script
// that is given; with -thread they are goroutines. That is one line.
//
//	go run ./examples/article/s1-pool [-thread] [examples/article/s1-pool/worker.js]
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/tendproc/tend/pool"
)

var sum = pool.NewTask("sum", func(ctx context.Context, count float64) (total float64, err error) {
	fmt.Println("computing", os.Getpid())
	for i := 0.0; i < count; i++ {
		total += i
	}
	return total, nil
})

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if pool.IsWorker() {
		if err := pool.Serve(ctx, sum); err != nil {
			log.Fatal(err)
		}
		return
	}
	var place pool.Executor = pool.Process{}
	switch arg := strings.Join(os.Args[1:], ""); arg {
	case "":
	case "-thread":
		place = pool.Thread{}
	default:
		place = pool.Process{Path: arg}
	}
	workers, _ := strconv.Atoi(os.Getenv("WORKERS")) // 0: one for each processor
	p := pool.New(ctx, place, pool.Options{Size: workers, Queue: 100})
	defer p.Close(ctx) // a signal has ended ctx: by force
	if err := serve(ctx, p); err != nil {
		log.Println(err)
	}
}

func serve(ctx context.Context, p *pool.Pool) error {
	count, err := strconv.ParseFloat(os.Getenv("COUNT"), 64)
	if err != nil {
		count = 1e10
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") })
	http.HandleFunc("/compute", func(w http.ResponseWriter, r *http.Request) {
		// A client that goes away takes its computation with it.
		total, err := pool.Run(r.Context(), p, sum, count)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "sum %.0f\n", total)
	})
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		return err
	}
	fmt.Println("listening", l.Addr().(*net.TCPAddr).Port)
	go func() {
		<-ctx.Done()
		l.Close()
	}()
	return http.Serve(l, nil)
}
