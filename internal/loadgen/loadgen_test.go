package loadgen

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// server answers each request on each connection as answer says: the text is
// written as it is; "" closes, "reset" resets, "hang" keeps silent.
func server(t *testing.T, answer func(conn, request int) string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); close(done); open.Wait() })
	open.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { serve(c, done, func(request int) string { return answer(n, request) }) })
		}
	})
	return "http://" + l.Addr().String() + "/"
}

func serve(c net.Conn, done <-chan struct{}, answer func(request int) string) {
	defer c.Close()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-done:
			c.Close()
		case <-stop:
		}
	}()
	r := bufio.NewReader(c)
	for i := 0; ; i++ {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		io.Copy(io.Discard, req.Body)
		switch text := answer(i); text {
		case "":
			return
		case "reset":
			c.(*net.TCPConn).SetLinger(0)
			return
		case "hang":
			<-done
			return
		default:
			io.WriteString(c, text)
			if strings.Contains(text, "Connection: close") || strings.Contains(text, "cut") {
				return
			}
		}
	}
}

const good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

func TestEachFateIsTold(t *testing.T) {
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing.Close()
	for _, tt := range []struct {
		name   string
		url    string
		answer func(conn, request int) string
		keep   bool
		fresh  [kinds]int
		reused [kinds]int
	}{
		{
			name: "all well", keep: true, answer: func(int, int) string { return good },
			fresh: [kinds]int{OK: 1}, reused: [kinds]int{OK: 3},
		},
		{name: "no keep-alive", answer: func(int, int) string { return good }, fresh: [kinds]int{OK: 4}},
		{
			name: "closed by announcement", keep: true, fresh: [kinds]int{OK: 4},
			answer: func(int, int) string { return "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end" },
		},
		{
			name: "chunked", keep: true, fresh: [kinds]int{OK: 1}, reused: [kinds]int{OK: 3},
			answer: func(int, int) string {
				return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
			},
		},
		{name: "refused", url: "http://" + refusing.Addr().String(), keep: true, fresh: [kinds]int{Refused: 4}},
		{
			name: "idle connection cut", keep: true, fresh: [kinds]int{OK: 2}, reused: [kinds]int{EOF: 2},
			answer: func(_, request int) string { return []string{good, ""}[request] },
		},
		{name: "reset", keep: true, answer: func(int, int) string { return "reset" }, fresh: [kinds]int{Reset: 4}},
		{
			name: "cut inside the answer", keep: true, fresh: [kinds]int{EOF: 4},
			answer: func(int, int) string { return "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ncut" },
		},
		{name: "silent", keep: true, answer: func(int, int) string { return "hang" }, fresh: [kinds]int{Timeout: 4}},
		{
			name: "bad status", keep: true, fresh: [kinds]int{BadStatus: 1}, reused: [kinds]int{BadStatus: 3},
			answer: func(int, int) string { return "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n" },
		},
		{name: "nonsense", keep: true, answer: func(int, int) string { return "hello\r\n cut" }, fresh: [kinds]int{Other: 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.url == "" {
				tt.url = server(t, tt.answer)
			}
			r, err := Run(t.Context(), Options{URL: tt.url, KeepAlive: tt.keep, Requests: 4, Timeout: 100 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if r.Fresh != tt.fresh || r.Reused != tt.reused {
				t.Errorf("fresh %v, reused %v; want %v, %v\n%v", r.Fresh, r.Reused, tt.fresh, tt.reused, r.Errors)
			}
			var each [kinds]int // on a connection each
			for kind, n := range tt.fresh {
				if n > 0 {
					each[kind] = 4
				}
			}
			r, err = Connections(t.Context(), Options{URL: tt.url, Requests: 4, Timeout: 100 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if r.Fresh != each || r.Reused != [kinds]int{} {
				t.Errorf("a connection each: fresh %v, reused %v; want %v\n%v", r.Fresh, r.Reused, each, r.Errors)
			}
		})
	}
}

func TestManyClientsShareTheWork(t *testing.T) {
	var mu sync.Mutex
	served := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		served++
		n := served
		mu.Unlock()
		fmt.Fprintf(w, "%d%s", n%2, strings.Repeat("x", n*17%9000)) // mostly longer than one read
	}))
	defer srv.Close()
	o := Options{URL: srv.URL, Clients: 8, Requests: 1000, Key: func(body []byte) string { return string(body[:1]) }}
	kept := o
	kept.KeepAlive = true
	for name, run := range map[string]func() (Result, error){
		"kept":        func() (Result, error) { return Run(t.Context(), kept) },
		"fresh":       func() (Result, error) { return Run(t.Context(), o) },
		"connections": func() (Result, error) { return Connections(t.Context(), o) },
	} {
		served = 0
		r, err := run()
		if err != nil {
			t.Fatal(err)
		}
		if r.Requests() != 1000 || r.Failed() != 0 || served != 1000 {
			t.Errorf("%s: %v; served %d", name, &r, served)
		}
		if r.By["0"] != 500 || r.By["1"] != 500 {
			t.Errorf("%s: by key: %v", name, r.By)
		}
		if r.Latency.Count() != 1000 || r.Latency.Quantile(0.5) <= 0 || r.Latency.Quantile(1) > r.Latency.Max() {
			t.Errorf("%s: latency: %d, p50 %v, max %v", name, r.Latency.Count(), r.Latency.Quantile(0.5), r.Latency.Max())
		}
		if r.LongestGap <= 0 || r.LongestGap > r.Elapsed {
			t.Errorf("%s: longest gap %v of %v", name, r.LongestGap, r.Elapsed)
		}
	}
}

func TestDurationEndsTheRun(t *testing.T) {
	url := server(t, func(int, int) string { return good })
	r, err := Run(t.Context(), Options{URL: url, KeepAlive: true, Duration: 50 * time.Millisecond, Pause: time.Millisecond})
	if err != nil || r.Failed() != 0 || r.Count(OK) == 0 {
		t.Errorf("%v, %v", &r, err)
	}
}

func TestBadAddressIsAnError(t *testing.T) {
	for _, url := range []string{"", "localhost:3000", "https://localhost", "http://"} {
		if _, err := Run(t.Context(), Options{URL: url, Requests: 1}); err == nil {
			t.Errorf("no error for %q", url)
		}
	}
}

func TestHistogramStaysWithinThreePercent(t *testing.T) {
	var h Histogram
	var all []time.Duration
	for range 20000 {
		d := time.Duration(rand.Int64N(1 << (4 + rand.UintN(36))))
		all = append(all, d)
		h.Record(d)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.1, 0.5, 0.9, 0.99, 0.999} {
		want, got := all[int(q*float64(len(all)))], h.Quantile(q)
		if got < want || float64(got) > float64(want)*1.04+1 {
			t.Errorf("quantile %v: %v, exactly %v", q, got, want)
		}
	}
	if h.Quantile(1) != h.Max() || h.Max() != all[len(all)-1] {
		t.Errorf("max %v, want %v", h.Max(), all[len(all)-1])
	}
}
