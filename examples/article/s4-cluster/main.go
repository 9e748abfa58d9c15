// Hello cluster in Go: the primary forks one worker per CPU (or WORKERS), all
// serve one port, and a worker that dies is told of and replaced.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/cluster"
)

func main() {
	run := primary
	if cluster.IsWorker() {
		run = worker
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func worker() error {
	l, err := cluster.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "worker %d pid %d\n", cluster.WorkerID(), os.Getpid())
	})}
	go srv.Serve(l)
	<-cluster.Disconnected()
	return srv.Close()
}

func primary() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	p, err := cluster.NewPrimary(cluster.PrimaryOptions{OnEvent: func(e cluster.Event) {
		if e.Type == cluster.WorkerListening {
			fmt.Printf("worker %d listening %s\n", e.Worker, e.Address)
		}
	}})
	if err != nil {
		return err
	}
	workers, err := strconv.Atoi(os.Getenv("WORKERS"))
	if err != nil {
		workers = runtime.NumCPU()
	}
	var keepers sync.WaitGroup
	defer keepers.Wait()
	for range workers {
		keepers.Go(func() { keep(ctx, p) })
	}
	return p.Run(ctx) // closes the channels at its end, and the workers go
}

// keep has one worker running until ctx ends.
func keep(ctx context.Context, p *cluster.Primary) {
	for ctx.Err() == nil {
		proc, id, err := p.Fork(child.Command{
			Path:  "/proc/self/exe",
			Stdio: []child.Stdio{child.Ignore(), child.Inherit(1), child.Inherit(2)},
		}, cluster.WorkerOptions{Group: "hello"})
		if err != nil {
			log.Print(err)
			return
		}
		<-proc.Exited()
		if ctx.Err() == nil {
			fmt.Printf("worker %d died: %v\n", id, proc.Exit())
		}
	}
}
