package api

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/sys"
)

// Client is a [Service] at the other end of a Unix socket. Its methods may be
// called from any goroutine. Close it when done.
//
// Each request has a connection of its own, written and read by the caller's
// goroutine: a command asks once or twice, and the pool of connections of
// net/http's own client, with its goroutines, costs it two milliseconds.
type Client struct {
	socket string

	mu    sync.Mutex // guards first
	first net.Conn   // made by Connect for the first request
}

var _ Service = (*Client)(nil)

// Dial returns a client for the socket. It connects with the first request.
func Dial(socket string) *Client { return &Client{socket: socket} }

// Connect is as Dial, but connects now: fault.Unavailable if nobody answers.
func Connect(ctx context.Context, socket string) (*Client, error) {
	c := Dial(socket)
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	c.first = conn
	return c, nil
}

// Close closes the connection that no request took. Requests under way end by
// their context.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == nil {
		return nil
	}
	err := c.first.Close()
	c.first = nil
	return err
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	c.mu.Lock()
	conn := c.first
	c.first = nil
	c.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	var d net.Dialer
	err := sys.SocketPath(filepath.Dir(c.socket), filepath.Base(c.socket), func(path string) (err error) {
		conn, err = d.DialContext(ctx, "unix", path)
		return err
	})
	if err == nil {
		return conn, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, c.connectFault(err)
}

func (c *Client) Ping(ctx context.Context) (out event.Info, err error) {
	return out, c.get(ctx, "ping", nil, &out)
}

func (c *Client) List(ctx context.Context, q event.Query) (out event.Snapshot, err error) {
	values := url.Values{}
	for name, asked := range map[string]bool{"usage": q.Usage, "brief": q.Brief, "specs": q.Specs, "table": q.Table} {
		if asked {
			values.Set(name, "true")
		}
	}
	if q.Table {
		var text json.RawMessage
		if err := c.get(ctx, "list", values, &text); err != nil {
			return out, err
		}
		if out, err = event.ReadTable(text); err != nil {
			err = fmt.Errorf("read answer to list: %w", err)
		}
		return out, err
	}
	return out, c.get(ctx, "list", values, &out)
}

func (c *Client) Jlist(ctx context.Context, form Form) (out json.RawMessage, err error) {
	return out, c.get(ctx, "jlist", url.Values{"form": {string(form)}}, &out)
}

func (c *Client) Start(ctx context.Context, req spec.Start) (out event.Outcome, err error) {
	return out, c.post(ctx, "start", req, &out)
}

func (c *Client) Restart(ctx context.Context, req spec.Act) (out event.Outcome, err error) {
	return out, c.post(ctx, "restart", req, &out)
}

func (c *Client) Reload(ctx context.Context, req spec.Act) (out event.Outcome, err error) {
	return out, c.post(ctx, "reload", req, &out)
}

func (c *Client) Rollback(ctx context.Context, req spec.Act) (out event.Outcome, err error) {
	return out, c.post(ctx, "rollback", req, &out)
}

func (c *Client) Stop(ctx context.Context, req spec.Act) (out event.Outcome, err error) {
	return out, c.post(ctx, "stop", req, &out)
}

func (c *Client) Delete(ctx context.Context, req spec.Act) (out event.Outcome, err error) {
	return out, c.post(ctx, "delete", req, &out)
}

func (c *Client) Reset(ctx context.Context, req spec.Act) (out event.Outcome, err error) {
	return out, c.post(ctx, "reset", req, &out)
}

func (c *Client) Apply(ctx context.Context, req spec.Apply) (out event.Applied, err error) {
	return out, c.post(ctx, "apply", req, &out)
}

func (c *Client) Scale(ctx context.Context, app, number string) (out event.Outcome, err error) {
	return out, c.post(ctx, "scale", scaleRequest{App: app, Number: number}, &out)
}

func (c *Client) Signal(ctx context.Context, target, signal string) (out event.Outcome, err error) {
	return out, c.post(ctx, "signal", signalRequest{Target: target, Signal: signal}, &out)
}

func (c *Client) WriteLine(ctx context.Context, id int, line string) error {
	return c.post(ctx, "write", writeRequest{ID: id, Line: line}, &nothing{})
}

func (c *Client) Message(ctx context.Context, id int, message json.RawMessage) error {
	return c.post(ctx, "message", messageRequest{ID: id, Message: message}, &nothing{})
}

func (c *Client) Watch(ctx context.Context, after string, fn func(event.Event) error) error {
	q := url.Values{}
	if after != "" {
		q.Set("after", after)
	}
	return stream(ctx, c, "watch", q, fn)
}

func (c *Client) Logs(ctx context.Context, req LogsRequest, fn func(event.LogLine) error) error {
	q := url.Values{}
	if req.Target != "" {
		q.Set("target", req.Target)
	}
	if req.Lines != 0 {
		q.Set("lines", strconv.Itoa(req.Lines))
	}
	if req.Stream != "" {
		q.Set("stream", req.Stream)
	}
	if req.Follow {
		q.Set("follow", "true")
	}
	return stream(ctx, c, "logs", q, fn)
}

func (c *Client) Flush(ctx context.Context, target string) error {
	return c.post(ctx, "flush", flushRequest{Target: target}, &nothing{})
}

func (c *Client) ReopenLogs(ctx context.Context) error {
	return c.post(ctx, "reopen", nothing{}, &nothing{})
}

func (c *Client) Annotate(ctx context.Context, req spec.Act) (out event.Outcome, err error) {
	return out, c.post(ctx, "annotate", req, &out)
}

func (c *Client) Profile(ctx context.Context, req ProfileRequest) (out Profile, err error) {
	return out, c.post(ctx, "profile", req, &out)
}

func (c *Client) Upgrade(ctx context.Context, path string) error {
	return c.post(ctx, "upgrade", upgradeRequest{Program: path}, &nothing{})
}

func (c *Client) Kill(ctx context.Context) error {
	return c.post(ctx, "kill", nothing{}, &nothing{})
}

func (c *Client) get(ctx context.Context, path string, q url.Values, out any) error {
	return c.exchange(ctx, path, q, nil, out)
}

func (c *Client) post(ctx context.Context, path string, in, out any) error {
	body, err := encode(in)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	if len(body) > MaxBody {
		return bodyTooLarge()
	}
	return c.exchange(ctx, path, nil, body, out)
}

// exchange sends a request and decodes its answer into out. A question that a
// dying daemon took is put to the next one.
func (c *Client) exchange(ctx context.Context, path string, q url.Values, body []byte, out any) error {
	resp, err := c.send(ctx, path, q, body)
	if body == nil && fault.CodeOf(err) == fault.Unavailable {
		resp, err = c.send(ctx, path, q, nil)
	}
	for range upgradeTries {
		if !errors.Is(err, errAgain) {
			break
		}
		select {
		case <-time.After(upgradePause):
		case <-ctx.Done():
			return ctx.Err()
		}
		resp, err = c.send(ctx, path, q, body)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return c.brokenFault(ctx, err)
	}
	if raw, ok := out.(*json.RawMessage); ok {
		*raw = data
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("read answer to %s: %w", path, err)
	}
	return nil
}

// send returns the response once it is known to be a good one. The caller
// closes its body. What has a body is posted.
func (c *Client) send(ctx context.Context, path string, q url.Values, body []byte) (*http.Response, error) {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	u := url.URL{Scheme: "http", Host: "tend", Path: prefix + path, RawQuery: q.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Close = true
	resp, err := c.roundTrip(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := checkResponse(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// roundTrip sends req on a connection that lasts as long as the response's body.
// The end of ctx breaks it off.
func (c *Client) roundTrip(ctx context.Context, req *http.Request) (*http.Response, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	unhook := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	// A server may answer, and close, before it has read all.
	sendErr := req.Write(conn)
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		unhook()
		return nil, c.brokenFault(ctx, errors.Join(cmp.Or(sendErr, err), conn.Close()))
	}
	resp.Body = &body{resp.Body, conn, unhook}
	return resp, nil
}

// body is a response's, and the connection it comes on.
type body struct {
	io.ReadCloser
	conn   net.Conn
	unhook func() bool
}

// Close does not read what is left, as the library's own does: of a stream
// that would be to the end of time.
func (b *body) Close() error {
	b.unhook()
	return b.conn.Close()
}

func checkResponse(resp *http.Response) error {
	if v := resp.Header.Get(versionHeader); v != strconv.Itoa(Version) {
		return skewFault(v)
	}
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	var e errorBody
	data, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody))
	if err == nil {
		err = json.Unmarshal(data, &e)
	}
	if err != nil || e.Error == nil {
		return &fault.Error{Code: fault.Internal, Message: "the daemon answered " + resp.Status}
	}
	if resp.Header.Get(againHeader) != "" {
		e.Error.Err = errAgain
	}
	return e.Error
}

// errAgain is the cause of an answer after which the request can be sent again.
var errAgain = errors.New("it can be sent again")

// How long a command waits for an upgrade: some 70 ms are to be expected.
const (
	upgradeTries = 100
	upgradePause = 50 * time.Millisecond
)

func skewFault(theirs string) error {
	what := "another API, version " + theirs
	if theirs == "" {
		what = "no API of tend"
	}
	return &fault.Error{
		Code:    fault.Unsupported,
		Message: fmt.Sprintf("the daemon speaks %s; this command speaks version %d", what, Version),
		Remedy:  "Use the tend that started the daemon; or stop that daemon with it (tend kill) and start again with this one.",
	}
}

func (c *Client) connectFault(err error) error {
	e := &fault.Error{
		Code: fault.Unavailable, Op: "connect", Message: "no daemon answers at " + c.socket,
		Remedy: "Start one with any command, as tend start APP.", Err: cause(err),
	}
	if errors.Is(err, os.ErrPermission) {
		e.Code, e.Message = fault.Denied, "not allowed to open "+c.socket
		e.Remedy = "Run tend as the user who started the daemon, or as root."
	}
	return e
}

func (c *Client) brokenFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &fault.Error{
		Code: fault.Unavailable, Message: "the daemon ended before it answered", Err: cause(err),
		Remedy: "See " + filepath.Join(filepath.Dir(c.socket), "tend.log") + ", then try again.",
	}
}

// cause strips the address that net puts around an error.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return err
}

// maxLine bounds one line of a stream; a snapshot of many apps is one line.
const maxLine = 256 << 20

// stream calls fn with each value of a streamed response.
func stream[T any](ctx context.Context, c *Client, path string, q url.Values, fn func(T) error) error {
	// The request ends with the stream, whatever ended it.
	reqCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := c.send(reqCtx, path, q, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), `{"error":`) {
			return streamFault(lines.Bytes())
		}
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if err := fn(v); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return c.brokenFault(ctx, err)
	}
	return ctx.Err()
}

func streamFault(line []byte) error {
	var e errorBody
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("read error: %w", err)
	}
	return e.Error
}
