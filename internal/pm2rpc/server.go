package pm2rpc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/sys"
)

const (
	maxConns     = 128 // at a time, on each socket
	maxInFlight  = 64  // requests of one connection
	writeTimeout = 30 * time.Second
)

// Server is a Service by the sockets of a PM2 home.
type Server struct {
	Service api.Service
	Home    pm2.Home
	Log     func(format string, args ...any)
	// Versioning says that records are to tell which commit of git a process runs.
	Versioning bool

	mu   sync.Mutex     // guards subs
	subs map[*peer]bool // who listens to events
}

// Serve serves both sockets until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	s.subs = map[*peer]bool{}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rpc, err := listen(s.Home.RPC)
	if err != nil {
		return err
	}
	pub, err := listen(s.Home.Pub)
	if err != nil {
		return errors.Join(err, rpc.Close())
	}
	stop := context.AfterFunc(ctx, func() { _, _ = rpc.Close(), pub.Close() })
	defer stop()
	var wg sync.WaitGroup
	errs := make(chan error, 3)
	for _, one := range []struct {
		l     net.Listener
		serve func(context.Context, *peer)
	}{{rpc, s.answer}, {pub, s.publish}} {
		wg.Go(func() {
			errs <- s.accept(ctx, one.l, one.serve)
			cancel()
		})
	}
	if s.Versioning {
		wg.Go(func() { errs <- s.version(ctx) })
	}
	wg.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}

// listen takes the place of a socket that a daemon before left.
func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o775); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (s *Server) accept(ctx context.Context, l net.Listener, serve func(context.Context, *peer)) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	room := make(chan struct{}, maxConns)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := mayAsk(conn); err != nil {
			s.Log("%v", errors.Join(err, conn.Close()))
			continue
		}
		select {
		case room <- struct{}{}:
		default:
			s.Log("pm2's API: more than %d connections", maxConns)
			_ = conn.Close()
			continue
		}
		wg.Go(func() {
			defer func() { <-room }()
			own, cancel := context.WithCancel(ctx)
			defer cancel()
			stop := context.AfterFunc(own, func() { _ = conn.Close() })
			defer stop()
			serve(own, &peer{conn: conn, cancel: cancel})
			_ = conn.Close()
		})
	}
}

// mayAsk lets in who runs as the daemon does, and root: the mode of the sockets is
// PM2's, and says less.
func mayAsk(conn net.Conn) error {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var uid int
	var uerr error
	if err := raw.Control(func(fd uintptr) { uid, uerr = sys.PeerUID(int(fd)) }); err != nil || uerr != nil {
		return errors.Join(err, uerr)
	}
	if uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("pm2's API: user %d may not ask", uid)
	}
	return nil
}

// peer is who is at the other end of a connection.
type peer struct {
	conn   net.Conn
	cancel context.CancelFunc
	mu     sync.Mutex // guards writing
}

func (p *peer) send(parts ...[]byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := p.conn.Write(frame(parts...))
	if err != nil {
		p.cancel() // half a frame may be out
	}
	return err
}

// request is what a client asks.
type request struct {
	Type   string            `json:"type"`
	Method string            `json:"method"`
	Args   []json.RawMessage `json:"args"`
}

// answer serves a connection of requests, each on its own.
func (s *Server) answer(ctx context.Context, p *peer) {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer p.cancel()
	room := make(chan struct{}, maxInFlight)
	for r := bufio.NewReader(p.conn); ; {
		parts, err := readFrame(r)
		if err != nil || len(parts) != 2 {
			return
		}
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			if reply, err := s.reply(ctx, parts[0]); err == nil {
				_ = p.send(reply, parts[1]) // the reader sees that the client is gone
			} else {
				s.Log("pm2's API: %v", err)
			}
		})
	}
}

// reply is the answer to one request.
func (s *Server) reply(ctx context.Context, part []byte) ([]byte, error) {
	var req request
	text, ok := part, len(part) > 2 && string(part[:2]) == "j:"
	if ok {
		text = part[2:]
	}
	if err := json.Unmarshal(text, &req); err != nil {
		return jsonPart(map[string]any{"error": "a request is {type, method, args}: " + err.Error(), "stack": ""})
	}
	if req.Type == "methods" {
		return jsonPart(map[string]any{"methods": described()})
	}
	result, err := s.call(ctx, req)
	if err != nil {
		return jsonPart(map[string]any{"error": err.Error(), "stack": err.Error()})
	}
	return jsonPart(map[string]any{"args": []any{result}})
}
