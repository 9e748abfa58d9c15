// Hello-go answers each request with its pid. Run it alone, or as two
// workers that share the port:
//
//	tend start bin/hello-go -i 2 --exec-mode cluster --env PORT=3000
//
// All that makes it a cluster worker is cluster.Listen in place of net.Listen;
// without a primary the two are the same.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tendproc/tend/cluster"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	l, err := cluster.Listen("tcp", ":"+cmp.Or(os.Getenv("PORT"), "3000"))
	if err != nil {
		return err
	}
	fmt.Printf("pid %d listens on %s\n", os.Getpid(), l.Addr())
	// A signal asks it to end; the cluster, as a reload does, to leave when it is done.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return cluster.ServeHTTP(ctx, &http.Server{Handler: http.HandlerFunc(hello)}, l, 8*time.Second)
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "hello from Go, pid %d\n", os.Getpid())
}
