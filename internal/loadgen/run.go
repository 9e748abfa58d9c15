package loadgen

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what to send. URL and either Requests or Duration are needed,
// unless ctx ends the run.
type Options struct {
	URL       string // http://host:port/path
	Clients   int    // concurrent clients; 0 means 1
	KeepAlive bool   // keep connections; else one connection a request
	Requests  int    // stop after as many; 0 means no limit
	Duration  time.Duration
	Timeout   time.Duration // for connecting and for one answer each; 0 means 10 s
	Pause     time.Duration // between two requests of one client
	// Key names the server that answered, from the body: Result.By counts them.
	Key func(body []byte) string
}

// Run sends requests until a limit of o or ctx ends it, waits for those under
// way, and returns what became of them. The error is about o, never about the
// server: failed requests are in the result.
func Run(ctx context.Context, o Options) (Result, error) {
	return o.run(ctx, func(ctx context.Context, r *round) (total Result, err error) {
		results := make([]Result, max(1, o.Clients))
		var clients sync.WaitGroup
		for i := range results {
			clients.Go(func() { results[i] = r.client(ctx) })
		}
		clients.Wait()
		for i := range results {
			total.add(&results[i])
		}
		return total, nil
	})
}

// run has send do the round that o asks for.
func (o Options) run(ctx context.Context, send func(context.Context, *round) (Result, error)) (Result, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return Result{}, fmt.Errorf("loadgen: not an http address: %q", o.URL)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "80")
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Duration)
		defer cancel()
	}
	r := &round{o: o, addr: u.Host, start: time.Now(), request: request(u, o.KeepAlive)}
	r.left.Store(int64(o.Requests))
	total, err := send(ctx, r)
	total.Elapsed = time.Since(r.start)
	r.gap(total.Elapsed)
	total.LongestGap = time.Duration(r.longest.Load())
	return total, err
}

func request(u *url.URL, keep bool) []byte {
	connection := "close"
	if keep {
		connection = "keep-alive"
	}
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n\r\n", u.RequestURI(), u.Host, connection)
}

// round is what the clients of one Run share.
type round struct {
	o       Options
	addr    string
	request []byte
	start   time.Time
	left    atomic.Int64 // requests not yet taken, with Options.Requests
	lastOK  atomic.Int64 // since start
	longest atomic.Int64 // time without a good answer
}

// next takes the right to one more request.
func (r *round) next(ctx context.Context) bool {
	return ctx.Err() == nil && (r.o.Requests == 0 || r.left.Add(-1) >= 0)
}

// gap notes a good answer, or the end of the run, at a time since the start.
func (r *round) gap(now time.Duration) {
	gap := int64(now) - r.lastOK.Swap(int64(now))
	for {
		old := r.longest.Load()
		if gap <= old || r.longest.CompareAndSwap(old, gap) {
			return
		}
	}
}

// client sends one request after the other.
func (r *round) client(ctx context.Context) (res Result) {
	var c *conn
	defer func() { c.close() }()
	for r.next(ctx) {
		start := time.Now()
		fresh := c == nil
		var body []byte
		var status int
		var err error
		if fresh {
			c, err = dial(r.addr, r.o.Timeout)
		}
		if err == nil {
			status, body, err = c.roundTrip(r.request, r.o.Timeout)
		}
		r.count(&res, fate{started: start, fresh: fresh, status: status, body: body, err: err})
		if err != nil || !c.reusable || !r.o.KeepAlive {
			c.close()
			c = nil
		}
		r.rest(ctx)
	}
	return res
}

// fate is what became of one request.
type fate struct {
	started time.Time
	fresh   bool // it was the first on its connection
	status  int
	body    []byte
	err     error
}

// count adds one request to res.
func (r *round) count(res *Result, f fate) {
	kind := classify(f.status, f.err)
	res.count(kind, f.fresh)
	switch {
	case kind == OK:
		now := time.Now()
		res.Latency.Record(now.Sub(f.started))
		r.gap(now.Sub(r.start))
		if r.o.Key != nil {
			res.key(r.o.Key(f.body))
		}
	case len(res.Errors) < maxErrors:
		res.Errors = append(res.Errors, Failure{At: time.Since(r.start), Kind: kind, Fresh: f.fresh, Err: f.err, Status: f.status})
	}
}

func (r *round) rest(ctx context.Context) {
	if r.o.Pause <= 0 {
		return
	}
	pause := time.NewTimer(r.o.Pause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
}
