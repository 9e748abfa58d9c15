package loadgen

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Kind is what became of a request.
type Kind int

const (
	OK        Kind = iota // answered with a status below 400
	Refused               // nobody listened
	Reset                 // the connection was reset, or broken while we wrote
	EOF                   // closed before the answer was whole
	Timeout               // no connection or no answer in time
	BadStatus             // answered with 400 or above
	Other                 // a malformed answer, or a fault on our own side
	kinds
)

func (k Kind) String() string {
	return [...]string{"ok", "refused", "reset", "eof", "timeout", "bad status", "other"}[k]
}

// maxErrors is how many failures each client keeps in full.
const maxErrors = 10

// Failure is one failed request.
type Failure struct {
	At     time.Duration // since the start
	Kind   Kind
	Fresh  bool // it was the first on its connection
	Status int
	Err    error
}

func (f Failure) String() string {
	conn := "reused"
	if f.Fresh {
		conn = "fresh"
	}
	if f.Err == nil {
		return fmt.Sprintf("%v: status %d (%s connection)", f.At.Round(time.Millisecond), f.Status, conn)
	}
	return fmt.Sprintf("%v: %v: %v (%s connection)", f.At.Round(time.Millisecond), f.Kind, f.Err, conn)
}

// Result is what became of the requests of one [Run].
type Result struct {
	Fresh, Reused [kinds]int // requests by kind, on new and on used connections
	Latency       Histogram  // of the good ones, connecting included
	LongestGap    time.Duration
	Elapsed       time.Duration
	By            map[string]int // good answers by Options.Key
	Errors        []Failure      // the first failures of each client
}

// Count tells how many requests ended so.
func (r *Result) Count(k Kind) int { return r.Fresh[k] + r.Reused[k] }

// Requests is how many were sent.
func (r *Result) Requests() (n int) {
	for k := range kinds {
		n += r.Count(k)
	}
	return n
}

// Failed is how many were not answered well.
func (r *Result) Failed() int { return r.Requests() - r.Count(OK) }

// Rate is good answers per second.
func (r *Result) Rate() float64 { return float64(r.Count(OK)) / r.Elapsed.Seconds() }

// String is one line: "1200 requests, 0 failed, 4000/s, p50 1ms, p99 3ms, …".
func (r *Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests, %d failed", r.Requests(), r.Failed())
	for k := Refused; k < kinds; k++ {
		if n := r.Count(k); n > 0 {
			fmt.Fprintf(&b, ", %d %v (%d fresh, %d reused)", n, k, r.Fresh[k], r.Reused[k])
		}
	}
	fmt.Fprintf(&b, ", %.0f/s, p50 %v, p99 %v, max %v, longest gap %v", r.Rate(),
		short(r.Latency.Quantile(0.50)), short(r.Latency.Quantile(0.99)), short(r.Latency.Max()), short(r.LongestGap))
	for _, key := range slices.Sorted(maps.Keys(r.By)) {
		fmt.Fprintf(&b, ", %s: %d", key, r.By[key])
	}
	return b.String()
}

func short(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

func (r *Result) count(k Kind, fresh bool) {
	if fresh {
		r.Fresh[k]++
	} else {
		r.Reused[k]++
	}
}

func (r *Result) key(key string) {
	if r.By == nil {
		r.By = map[string]int{}
	}
	r.By[key]++
}

// add merges what another client counted.
func (r *Result) add(o *Result) {
	for k := range kinds {
		r.Fresh[k] += o.Fresh[k]
		r.Reused[k] += o.Reused[k]
	}
	r.Latency.Merge(&o.Latency)
	for key, n := range o.By {
		if r.By == nil {
			r.By = map[string]int{}
		}
		r.By[key] += n
	}
	r.Errors = append(r.Errors, o.Errors...)
}

func classify(status int, err error) Kind {
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil && status < 400:
		return OK
	case err == nil:
		return BadStatus
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return EOF
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return Timeout
	}
	return Other
}
