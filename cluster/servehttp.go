package cluster

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ServeHTTP is srv.Serve(l) until ctx ends or the primary tells this worker to go
// ([Disconnected]); then it ends without any client noticing, which
// http.Server.Shutdown alone does not: that closes idle connections on which the
// next request may be under way, and answers none that it reads after its call.
//
// It closes l, lets each connection have one more answer, which says that it is
// the last, and returns nil when all are closed. After grace it closes those that are
// idle, and returns context.DeadlineExceeded if any are not. Any other error is
// that of Serve. It sets srv's Handler and ConnState to its own, which call the ones
// that were there: call it once for a server.
//
//	l, err := cluster.Listen("tcp", ":3000")
//	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
//	err = cluster.ServeHTTP(ctx, srv, l, 8*time.Second)
//
// A worker whose ctx ends, as by a signal, was not asked to leave but to end: it
// takes a second at most, whatever grace is.
//
// Connections of HTTP/2 are told to end (GOAWAY) when grace is over; those that a
// handler hijacked are its own.
func ServeHTTP(ctx context.Context, srv *http.Server, l net.Listener, grace time.Duration) error {
	d := &httpDrain{next: srv.Handler, conns: map[net.Conn]bool{}, told: srv.ConnState, changed: make(chan struct{}, 1)}
	srv.Handler, srv.ConnState = d, d.state
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		if IsWorker() {
			grace = min(grace, time.Second)
		}
	case <-Disconnected():
	}
	d.going.Store(true)
	if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	<-served // so that the last connection that was accepted is among d's
	soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	d.wait(soon)
	return srv.Shutdown(soon) // what is left has had its time; of HTTP/2 it is the GOAWAY
}

type httpDrain struct {
	next    http.Handler // nil is http.DefaultServeMux
	told    func(net.Conn, http.ConnState)
	going   atomic.Bool
	changed chan struct{} // has a token when conns became fewer

	mu    sync.Mutex // guards conns
	conns map[net.Conn]bool
}

func (d *httpDrain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.going.Load() && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	next := d.next
	if next == nil {
		next = http.DefaultServeMux
	}
	next.ServeHTTP(w, r)
}

func (d *httpDrain) state(c net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		d.mu.Lock()
		d.conns[c] = true
		d.mu.Unlock()
	case http.StateHijacked, http.StateClosed:
		d.mu.Lock()
		delete(d.conns, c)
		d.mu.Unlock()
		select {
		case d.changed <- struct{}{}:
		default:
		}
	case http.StateActive, http.StateIdle:
	}
	if d.told != nil {
		d.told(c, s)
	}
}

func (d *httpDrain) left() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

// wait returns when every connection of HTTP/1 is closed, or ctx ends.
func (d *httpDrain) wait(ctx context.Context) {
	for d.left() > 0 && ctx.Err() == nil {
		select {
		case <-d.changed:
		case <-ctx.Done():
		}
	}
}
