package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/cluster"
)

// Two workers behind one port; one is told to go, and the other goes on.
func main() {
	run := primary
	if cluster.IsWorker() {
		run = worker
	}
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func worker(ctx context.Context) error {
	l, err := cluster.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, cluster.WorkerID())
	})}
	return cluster.ServeHTTP(ctx, srv, l, 8*time.Second)
}

func primary(ctx context.Context) error {
	listening, gone := make(chan string, 2), make(chan uint64, 2)
	p, err := cluster.NewPrimary(cluster.PrimaryOptions{OnEvent: func(e cluster.Event) { // in Run's goroutine: must not wait
		switch e.Type {
		case cluster.WorkerListening:
			listening <- e.Address
		case cluster.WorkerDisconnected:
			gone <- e.Worker
		}
	}})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()

	self, err := os.Executable()
	if err != nil {
		return err
	}
	var workers []*child.Process // of the numbers 1 and 2
	var address string
	for range 2 {
		w, _, err := p.Fork(child.Command{Path: self, Stdio: []child.Stdio{2: child.Inherit(2)}}, cluster.WorkerOptions{Group: "web"})
		if err != nil {
			return err
		}
		workers = append(workers, w)
		address = strings.TrimPrefix(<-listening, "tcp ")
	}
	for answered := map[string]bool{}; len(answered) < 2; {
		by, err := ask(address)
		if err != nil {
			return err
		}
		answered[by] = true
	}
	fmt.Println("both have answered on one port")

	p.Disconnect(1)
	fmt.Println("worker", <-gone, "is gone:", exit(workers[0]))
	by, err := ask(address)
	fmt.Println("worker", by, "answers", err)

	stop() // closes the channels, and the workers go
	if err := <-ended; err != nil {
		return err
	}
	fmt.Println("worker 2:", exit(workers[1]))
	return nil
}

func ask(address string) (by string, err error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + address)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

func exit(p *child.Process) child.Exit {
	<-p.Exited()
	return p.Exit()
}
