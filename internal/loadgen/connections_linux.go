package loadgen

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"
)

// Connections is [Run] with a connection for each request, from one thread that
// sleeps in epoll(7): two thirds of the processor time of Run, of which nine
// tenths are the kernel's. Where clients and servers share two processors, so much
// more of them is the servers'. The host of the URL is an IPv4 address; there is no
// Pause.
func Connections(ctx context.Context, o Options) (Result, error) {
	if o.KeepAlive || o.Pause != 0 {
		return Result{}, errors.New("loadgen: Connections neither keeps connections nor pauses")
	}
	return o.run(ctx, func(ctx context.Context, r *round) (Result, error) {
		addr, err := netip.ParseAddrPort(r.addr)
		if err != nil || !addr.Addr().Is4() {
			return Result{}, fmt.Errorf("loadgen: the host of %q is no IPv4 address", o.URL)
		}
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
		if err != nil {
			return Result{}, fmt.Errorf("loadgen: epoll_create1: %w", err)
		}
		defer syscall.Close(epoll)
		l := &loop{round: r, epoll: epoll, to: &syscall.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}}
		l.parser.r = bufio.NewReader(nil)
		err = l.run(ctx)
		return l.result, err
	})
}

// loop is the clients of one Connections.
type loop struct {
	*round
	epoll   int
	to      syscall.Sockaddr
	clients []client
	open    int // clients that have a connection
	parser  conn
	answer  bytes.Reader
	result  Result
}

// client has one connection at a time.
type client struct {
	fd      int // -1 for none
	sent    bool
	started time.Time
	got     []byte // of the answer
}

func (l *loop) run(ctx context.Context) error {
	l.clients = make([]client, max(1, l.o.Clients))
	for i := range l.clients {
		l.clients[i] = client{fd: -1, got: make([]byte, 0, 4096)}
		l.begin(ctx, i)
	}
	ready := make([]syscall.EpollEvent, len(l.clients))
	swept := time.Now()
	for l.open > 0 {
		n, err := syscall.EpollWait(l.epoll, ready, int(l.o.Timeout.Milliseconds()/4)+1)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("loadgen: epoll_wait: %w", err)
		}
		for _, e := range ready[:max(0, n)] {
			l.proceed(ctx, int(e.Fd))
		}
		if now := time.Now(); now.Sub(swept) > l.o.Timeout/4 {
			swept = now
			for i := range l.clients {
				if c := &l.clients[i]; c.fd >= 0 && now.Sub(c.started) > l.o.Timeout {
					l.end(ctx, i, 0, nil, os.ErrDeadlineExceeded)
				}
			}
		}
	}
	return nil
}

// begin connects client i and sends its request, until one is under way or the
// round is over.
func (l *loop) begin(ctx context.Context, i int) {
	for c := &l.clients[i]; c.fd < 0 && l.next(ctx); {
		c.started, c.got, c.sent = time.Now(), c.got[:0], false
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			l.count(&l.result, fate{started: c.started, fresh: true, err: err})
			continue
		}
		if err = syscall.Connect(fd, l.to); err == nil || errors.Is(err, syscall.EINPROGRESS) {
			c.fd = fd
			err = l.send(c)
		}
		if err == nil {
			interest := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)}
			if !c.sent {
				interest.Events |= syscall.EPOLLOUT
			}
			err = syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, fd, &interest)
		}
		if err != nil {
			c.fd = -1
			syscall.Close(fd)
			l.count(&l.result, fate{started: c.started, fresh: true, err: err})
			continue
		}
		l.open++
	}
}

// send writes the request, if the connection is there. It is far smaller than
// the room that a new one has.
func (l *loop) send(c *client) error {
	_, err := syscall.Write(c.fd, l.request)
	if errors.Is(err, syscall.EAGAIN) {
		return nil
	}
	c.sent = err == nil
	return err
}

// proceed does what the connection of client i is ready for.
func (l *loop) proceed(ctx context.Context, i int) {
	c := &l.clients[i]
	if !c.sent {
		err := l.send(c)
		if err == nil && c.sent {
			err = syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_MOD, c.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)})
		}
		if err != nil {
			l.end(ctx, i, 0, nil, err)
		}
		return
	}
	if len(c.got) == cap(c.got) {
		c.got = append(c.got, make([]byte, cap(c.got))...)[:len(c.got)]
	}
	n, err := syscall.Read(c.fd, c.got[len(c.got):cap(c.got)])
	if errors.Is(err, syscall.EAGAIN) {
		return
	}
	if err != nil {
		l.end(ctx, i, 0, nil, err)
		return
	}
	c.got = c.got[:len(c.got)+n]
	if status, body, err := l.parse(c.got, n == 0); err != errMore {
		l.end(ctx, i, status, body, err)
	}
}

// errMore says that an answer is not whole yet.
var errMore = errors.New("more to come")

// parse reads an answer of which got is here, and no more will come if it has
// ended. The body is valid until the next call.
func (l *loop) parse(got []byte, ended bool) (status int, body []byte, err error) {
	l.answer.Reset(got)
	l.parser.r.Reset(&l.answer)
	l.parser.body = l.parser.body[:0]
	h, err := l.parser.readHead()
	if err == nil {
		if h.length < 0 && !h.chunked && !ended {
			return 0, nil, errMore
		}
		err = l.parser.readBody(h)
	}
	if !ended && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return 0, nil, errMore
	}
	return h.status, l.parser.body, err
}

// end closes the connection of client i, counts its request and begins the next.
func (l *loop) end(ctx context.Context, i, status int, body []byte, err error) {
	c := &l.clients[i]
	syscall.Close(c.fd)
	c.fd = -1
	l.open--
	l.count(&l.result, fate{started: c.started, fresh: true, status: status, body: body, err: err})
	l.begin(ctx, i)
}
