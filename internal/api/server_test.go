package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/sys"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// serve serves f on a socket until the test ends, or until stop is called.
func serve(t *testing.T, f api.Service, o api.ServerOptions) (socket string, stop func()) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.NewServer(f, o).Serve(ctx, l) }()
	stopped := false
	stop = func() {
		cancel()
		if !stopped {
			stopped = true
			if err := <-done; err != nil {
				t.Errorf("Serve: %v", err)
			}
		}
	}
	t.Cleanup(stop)
	return socket, stop
}

func client(t *testing.T, socket string) *api.Client {
	c := api.Dial(socket)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestClientAndServer(t *testing.T) {
	f := newFake()
	socket, _ := serve(t, f, api.ServerOptions{})
	contract(t, client(t, socket), f)
}

// raw sends text to the socket and returns the whole answer.
func raw(t *testing.T, socket, text string) string {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Logf("send: %v", err) // the server may have hung up already
	}
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil && len(answer) == 0 {
		t.Fatalf("no answer: %v", err)
	}
	return string(answer)
}

// request is a POST of body to path that closes its connection.
func request(path, body string) string {
	return fmt.Sprintf("POST /v1/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// fails checks that answer is an error with code and gives it.
func fails(t *testing.T, answer string, status int, code fault.Code) *fault.Error {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
	if err != nil {
		t.Fatalf("answer %q: %v", answer, err)
	}
	defer resp.Body.Close()
	var body struct{ Error *fault.Error }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body.Error == nil {
		t.Fatalf("answer %q: no error in it: %v", answer, err)
	}
	if resp.StatusCode != status || body.Error.Code != code {
		t.Errorf("answer is %d %s, want %d %s: %v", resp.StatusCode, body.Error.Code, status, code, body.Error)
	}
	return body.Error
}

func TestBadRequests(t *testing.T) {
	f := newFake()
	socket, _ := serve(t, f, api.ServerOptions{})
	get := func(path string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	}
	for _, c := range []struct {
		name, text string
		status     int
		code       fault.Code
		field      string
	}{
		{"unknown field", request("start", `{"word":"a","optionss":{}}`), 400, fault.Invalid, "optionss"},
		{"unknown nested field", request("start", `{"word":"a","options":{"nam":"x"}}`), 400, fault.Invalid, "nam"},
		{"wrong type", request("scale", `{"app":"a","number":4}`), 400, fault.Invalid, "number"},
		{"wrong nested type", request("stop", `{"target":"a","caller":{"cwd":[]}}`), 400, fault.Invalid, "caller.cwd"},
		{"broken JSON", request("stop", `{"target":`), 400, fault.Invalid, ""},
		{"no JSON", request("stop", `hello`), 400, fault.Invalid, ""},
		{"empty body", request("stop", ``), 400, fault.Invalid, ""},
		{"two values", request("stop", `{"target":"a"} {"target":"b"}`), 400, fault.Invalid, ""},
		{"query on a command", request("stop?now=1", `{}`), 400, fault.Invalid, "now"},
		{"unknown query", get("/v1/logs?lnes=3"), 400, fault.Invalid, "lnes"},
		{"query twice", get("/v1/logs?lines=3&lines=4"), 400, fault.Invalid, "lines"},
		{"bad number", get("/v1/logs?lines=-3"), 400, fault.Invalid, "lines"},
		{"bad stream", get("/v1/logs?stream=both"), 400, fault.Invalid, "stream"},
		{"bad bool", get("/v1/list?usage=maybe"), 400, fault.Invalid, "usage"},
		{"bad form", get("/v1/jlist?form=yaml"), 400, fault.Invalid, "form"},
		{"query on watch", get("/v1/watch?x=1"), 400, fault.Invalid, "x"},
		{"wrong method", get("/v1/stop"), 501, fault.Unsupported, ""},
		{"unknown path", get("/v1/fly"), 501, fault.Unsupported, ""},
		{"other version", get("/v2/ping"), 501, fault.Unsupported, ""},
		{"no path", get("/"), 501, fault.Unsupported, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := fails(t, raw(t, socket, c.text), c.status, c.code)
			if e.Field != c.field {
				t.Errorf("field is %q, want %q", e.Field, c.field)
			}
			if strings.HasPrefix(c.name, "unknown") && !strings.HasSuffix(e.Remedy, ": tend upgrade") {
				t.Errorf("a newer tend that asks is told %q", e.Remedy)
			}
		})
	}
	for _, garbage := range []string{"\x00\x01\x02\r\n\r\n", "GET\r\n\r\n", "hello\r\n\r\n"} {
		if a := raw(t, socket, garbage); !strings.HasPrefix(a, "HTTP/1.1 400") {
			t.Errorf("garbage was answered %q", a)
		}
	}
	if calls := f.asked(); len(calls) != 0 {
		t.Errorf("bad requests reached the service: %q", calls)
	}
}

func TestRequestsOverTheLimit(t *testing.T) {
	f := newFake()
	socket, _ := serve(t, f, api.ServerOptions{})
	t.Run("announced", func(t *testing.T) {
		head := "POST /v1/start HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n"
		fails(t, raw(t, socket, head), 413, fault.TooLarge)
	})
	t.Run("100 MB sent", func(t *testing.T) {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		sent := make(chan int64, 1)
		go func() {
			fmt.Fprint(conn, "POST /v1/start HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
			piece := "10000\r\n" + `"` + strings.Repeat("x", 0xfffe) + `"` + "\r\n"
			fmt.Fprint(conn, "b\r\n{\"word\":\"xx\r\n")
			var n int64
			for n < 100<<20 {
				m, err := io.WriteString(conn, piece)
				n += int64(m)
				if err != nil {
					break
				}
				piece = "10000\r\n" + strings.Repeat("x", 0x10000) + "\r\n"
			}
			sent <- n
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		conn.Close()
		if n := <-sent; n > 8<<20 {
			t.Errorf("the server took %d bytes of it", n)
		}
		if resp.StatusCode != 413 && resp.StatusCode != 400 {
			t.Errorf("status %s", resp.Status)
		}
	})
	t.Run("from the client", func(t *testing.T) {
		req := spec.Start{Word: strings.Repeat("x", api.MaxBody)}
		if _, err := client(t, socket).Start(t.Context(), req); fault.CodeOf(err) != fault.TooLarge {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("header", func(t *testing.T) {
		text := "GET /v1/ping HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n"
		if a := raw(t, socket, text); !strings.HasPrefix(a, "HTTP/1.1 431") {
			t.Errorf("answer is %q", a)
		}
	})
	if calls := f.asked(); len(calls) != 0 {
		t.Errorf("they reached the service: %q", calls)
	}
	if _, err := client(t, socket).Ping(t.Context()); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// Clients that say nothing, half a header, half a body, or read nothing are
// dropped in time, and others are served meanwhile.
func TestHangingClients(t *testing.T) {
	f := newFake()
	short := 100 * time.Millisecond
	socket, _ := serve(t, f, api.ServerOptions{HeaderTimeout: short, BodyTimeout: short, WriteTimeout: short, IdleTimeout: short})
	for name, text := range map[string]string{
		"nothing":         "",
		"half a header":   "POST /v1/start HTTP/1.1\r\nHo",
		"half a body":     "POST /v1/start HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"word\":",
		"nothing further": "GET /v1/ping HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			raw(t, socket, text) // returns when the server hangs up
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("held for %v", took)
			}
		})
	}
	t.Run("not reading", func(t *testing.T) {
		t.Parallel()
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET /v1/logs?lines=1000000 HTTP/1.1\r\nHost: x\r\n\r\n")
		for {
			// The server has hung up when a write fails.
			if _, err := io.WriteString(conn, "\r\n"); err != nil {
				return
			}
			if _, err := client(t, socket).Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestOnlyRootAndOwnerMaySpeak(t *testing.T) {
	f := newFake()
	uid := make(chan int, 1)
	socket, _ := serve(t, f, api.ServerOptions{PeerUID: func(net.Conn) (int, error) { return <-uid, nil }})
	uid <- 54321
	e := fails(t, raw(t, socket, "GET /v1/ping HTTP/1.1\r\nHost: x\r\n\r\n"), 403, fault.Denied)
	if !strings.Contains(e.Message, "54321") {
		t.Errorf("message is %q", e.Message)
	}
	uid <- 54321
	if _, err := client(t, socket).Ping(t.Context()); fault.CodeOf(err) != fault.Denied {
		t.Errorf("error is %v", err)
	}
	if calls := f.asked(); len(calls) != 0 {
		t.Errorf("a stranger reached the service: %q", calls)
	}
	uid <- 0
	if _, err := client(t, socket).Ping(t.Context()); err != nil {
		t.Errorf("root: %v", err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	if _, err := api.Connect(t.Context(), socket); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("no socket: %v", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := client(t, socket).Ping(t.Context()); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("stale socket: %v", err)
	}
}

func TestVersionSkew(t *testing.T) {
	for name, header := range map[string]string{"newer": "Tend-Api: 2\r\n", "something else": ""} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			done := make(chan struct{})
			go func() {
				defer close(done)
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n%sContent-Length: 2\r\n\r\n{}", header)
				}
			}()
			c := client(t, socket)
			_, err = c.Ping(t.Context())
			e, ok := err.(*fault.Error)
			if !ok || e.Code != fault.Unsupported || e.Remedy == "" {
				t.Errorf("error is %v", err)
			}
			<-done
		})
	}
}

// When the server ends, commands under way are answered and streams broken off.
func TestServerEnds(t *testing.T) {
	f := newFake()
	socket, stop := serve(t, f, api.ServerOptions{})
	started, followed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := client(t, socket).Start(context.Background(), spec.Start{Word: "slow"})
		started <- err
	}()
	begun := make(chan struct{}, 1)
	go func() {
		followed <- client(t, socket).Logs(context.Background(), api.LogsRequest{Lines: 1, Follow: true},
			func(event.LogLine) error { begun <- struct{}{}; return nil })
	}()
	<-begun
	<-f.begun
	go func() {
		<-f.seen // the follow was ended; the command only then
		close(f.hold)
	}()
	stop()
	if err := <-started; err != nil {
		t.Errorf("the command under way: %v", err)
	}
	if err := <-followed; fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("the stream: %v", err)
	}
}

// One connection serves Connect and the first request.
func TestConnectIsOneDial(t *testing.T) {
	f := newFake()
	dials := make(chan struct{}, 10)
	socket, _ := serve(t, f, api.ServerOptions{PeerUID: func(net.Conn) (int, error) {
		dials <- struct{}{}
		return 0, nil
	}})
	c, err := api.Connect(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for requests := range 3 {
		if _, err := c.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(dials) != requests+1 {
			t.Errorf("%d connections for %d requests", len(dials), requests+1)
		}
	}
}

func TestLongSocketPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c := client(t, filepath.Join(dir, "s"))
	if _, err := c.Ping(t.Context()); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("error is %v", err)
	}
	var l net.Listener
	err := sys.SocketPath(dir, "s", func(path string) (err error) {
		l, err = net.Listen("unix", path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- api.NewServer(newFake(), api.ServerOptions{}).Serve(ctx, l) }()
	_, err = c.Ping(t.Context())
	same(t, "ping", struct{}{}, struct{}{}, err)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
