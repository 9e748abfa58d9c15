package api

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/sys"
)

// ServerOptions may be left zero.
type ServerOptions struct {
	// PeerUID gives the user at the other end of a connection. nil asks the kernel.
	PeerUID func(net.Conn) (int, error)
	// HeaderTimeout and BodyTimeout bound how long a client may take to send
	// its request (default 5s, 10s), WriteTimeout how long it may take to
	// read one piece of a response (default 30s), IdleTimeout how long a
	// connection without request is kept (default 60s).
	HeaderTimeout, BodyTimeout, WriteTimeout, IdleTimeout time.Duration
	// Log takes what goes wrong with a connection. nil is silent.
	Log *log.Logger
	// Used is called before and after each request, from its goroutine. nil is nothing.
	Used func()
}

// Server answers a [Service] on a Unix socket.
type Server struct {
	svc  Service
	opts ServerOptions
	gate sync.RWMutex // read-held by each command under way, held by an upgrade
	door *door        // set by Serve
}

// NewServer returns a server for svc.
func NewServer(svc Service, o ServerOptions) *Server {
	if o.PeerUID == nil {
		o.PeerUID = peerUID
	}
	o.HeaderTimeout = orDefault(o.HeaderTimeout, 5*time.Second)
	o.BodyTimeout = orDefault(o.BodyTimeout, 10*time.Second)
	o.WriteTimeout = orDefault(o.WriteTimeout, 30*time.Second)
	o.IdleTimeout = orDefault(o.IdleTimeout, 60*time.Second)
	if o.Used == nil {
		o.Used = func() {}
	}
	return &Server{svc: svc, opts: o}
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}

// drainTime is how long Serve waits for answers that are being given when it
// is told to end.
const drainTime = 3 * time.Second

// Serve takes connections from l, which it closes, until ctx ends. Then streams
// break off with code unavailable and it returns when the requests under way
// are answered, after three seconds at the latest.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	// Requests do not end with ctx: who asked for kill gets its answer.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	h := &http.Server{
		Handler:           s.handler(ctx),
		ReadHeaderTimeout: s.opts.HeaderTimeout,
		IdleTimeout:       s.opts.IdleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          s.opts.Log,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       s.check,
	}
	if h.ErrorLog == nil {
		h.ErrorLog = log.New(discard{}, "", 0)
	}
	stopped := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(stopped)
		soon, done := context.WithTimeout(base, drainTime)
		defer done()
		if h.Shutdown(soon) != nil {
			cancel()
			h.Close()
		}
	})
	s.door = newDoor(l)
	err := h.Serve(s.door)
	if unhook() {
		h.Close()
		return err // not told to end: the listener failed
	}
	<-stopped
	return nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// strangerKey marks, in a connection's context, the error of a peer that is
// neither root nor our own user.
type strangerKey struct{}

// check asks once per connection who is there.
func (s *Server) check(ctx context.Context, conn net.Conn) context.Context {
	uid, err := s.opts.PeerUID(conn)
	if err == nil && (uid == 0 || uid == os.Geteuid()) {
		return ctx
	}
	return context.WithValue(ctx, strangerKey{}, &fault.Error{
		Code: fault.Denied, Message: "user " + strconv.Itoa(uid) + " may not speak to this daemon", Err: err,
		Remedy: "Run tend as the user who started the daemon, or as root.",
	})
}

func peerUID(conn net.Conn) (int, error) {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return -1, errors.New("not a Unix socket")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	uid := -1
	var uerr error
	if err := raw.Control(func(fd uintptr) { uid, uerr = sys.PeerUID(int(fd)) }); err != nil {
		return -1, err
	}
	return uid, uerr
}
