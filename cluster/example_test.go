package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/cluster"
	"github.com/tendproc/tend/internal/proctest"
)

// The primary forks a worker, which is any program that listens by package cluster,
// or a Node script, and is told when it serves, and when it has gone.
func ExamplePrimary() {
	events := make(chan cluster.Event, 8)
	p, err := cluster.NewPrimary(cluster.PrimaryOptions{OnEvent: func(e cluster.Event) { events <- e }})
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()

	w, id, err := p.Fork(child.Command{
		Path: proctest.Self(), Stdio: []child.Stdio{2: child.Inherit(2)},
		Env: append(os.Environ(), proctest.RoleEnv("worker"), "LISTEN=tcp 127.0.0.1:0"), // what this one listens on
	}, cluster.WorkerOptions{Group: "hello"})
	if err != nil {
		panic(err)
	}
	for e := range events {
		if e.Type == cluster.WorkerListening {
			fmt.Println("worker", e.Worker, e.Type)
			answer, err := http.Get("http://" + strings.TrimPrefix(e.Address, "tcp "))
			if err != nil {
				panic(err)
			}
			fmt.Println(answer.Status)
			answer.Body.Close()
			p.Disconnect(id)
		}
		if e.Type == cluster.WorkerDisconnected {
			break
		}
	}
	fmt.Println(w.Wait(ctx))
	stop()
	fmt.Println(<-ended)
	// Output:
	// worker 1 listening
	// 200 OK
	// exit 0 <nil>
	// <nil>
}

// A server that any primary may have as its worker, tend's daemon or a Node program
// too, and that listens by itself where there is none.
func ExampleServeHTTP() {
	l, err := cluster.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "in a cluster: ", cluster.IsWorker())
	})}
	ctx, stop := context.WithCancel(context.Background()) // a program's: signal.NotifyContext
	served := make(chan error, 1)
	go func() { served <- cluster.ServeHTTP(ctx, srv, l, 8*time.Second) }()

	answer, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		panic(err)
	}
	text, err := io.ReadAll(answer.Body)
	fmt.Println(string(text), errors.Join(err, answer.Body.Close()))
	http.DefaultClient.CloseIdleConnections()
	stop()
	fmt.Println(<-served)
	// Output:
	// in a cluster: false <nil>
	// <nil>
}
