package pool

import (
	"context"
	"os"
	"strconv"
	"strings"
)

// Executor is a place where tasks run: [Thread], [Process], or one of your own,
// such as other machines. Its methods may be called from any goroutine.
type Executor interface {
	// Size is how many workers a pool has if its Options do not say.
	Size() int
	// Start makes a worker, and returns when that can take a task. The end of
	// ctx ends the worker, whatever it does.
	Start(ctx context.Context) (Worker, error)
}

// Worker runs one task at a time. Its methods are called by one goroutine at a
// time, but for Lost.
type Worker interface {
	// Do runs one task. If ctx ends it gives up, as well as it can. The error is
	// the task's own, or a [*CrashError] if the worker ended.
	Do(ctx context.Context, c Call) error
	// Spent is asked between tasks: it is true when the worker died, or has done
	// its share and is to be replaced.
	Spent() bool
	// Lost is closed when the worker died. It is nil for one that cannot be
	// ended from outside.
	Lost() <-chan struct{}
	// Close ends a worker that has no task; it gives it time until ctx ends.
	Close(ctx context.Context) error
}

// Call is one run of a task as an [Executor] sees it: either Run is called, or
// the input taken elsewhere and the output brought back.
type Call interface {
	// Name is the task's, by which the other side finds what to do.
	Name() string
	// Run runs the task's function here.
	Run(ctx context.Context) error
	// AppendInput appends the input as JSON text to dst.
	AppendInput(dst []byte) ([]byte, error)
	// SetOutput takes the output from JSON text, which it does not keep.
	SetOutput(text []byte) error
}

// Thread runs tasks on goroutines of this program. The ctx of a task is that of
// the caller, with the task's Timeout: a function that ignores it cannot be ended,
// though its caller is told in time, and keeps its worker until it returns.
type Thread struct{}

// Size is [ThreadpoolSize].
func (Thread) Size() int { return ThreadpoolSize() }

// Start returns a worker; there is nothing to start.
func (Thread) Start(context.Context) (Worker, error) { return threadWorker{}, nil }

type threadWorker struct{}

func (threadWorker) Do(ctx context.Context, c Call) error { return c.Run(ctx) }
func (threadWorker) Spent() bool                          { return false }
func (threadWorker) Lost() <-chan struct{}                { return nil }
func (threadWorker) Close(context.Context) error          { return nil }

// The size of libuv's thread pool, of which Node's file, DNS, zlib and crypto work
// is done: what UV_THREADPOOL_SIZE says, and else four.
const (
	sizeVar         = "UV_THREADPOOL_SIZE"
	defaultPoolSize = 4
	maxPoolSize     = 1024
)

// ThreadpoolSize is how many threads Node would have in its pool: 4, or what the
// environment variable UV_THREADPOOL_SIZE says, from 1 to 1024. As there, text
// that is no number counts as 0 and so as 1.
func ThreadpoolSize() int {
	text, ok := os.LookupEnv(sizeVar)
	if !ok {
		return defaultPoolSize
	}
	return poolSize(text)
}

func poolSize(text string) int {
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || end == 0 && (text[0] == '+' || text[0] == '-')) {
		end++
	}
	n, err := strconv.Atoi(text[:end])
	switch {
	case err != nil && end > 1: // too long
		return maxPoolSize
	case n < 0: // unsigned there
		return maxPoolSize
	}
	return min(max(n, 1), maxPoolSize)
}
