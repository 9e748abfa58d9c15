package thread

import (
	"context"
	"runtime"
	"sync/atomic"
)

// Self is a thread as its own entry sees it.
type Self struct {
	t     *Thread
	port  *Port
	data  any
	owner *owner
	code  atomic.Pointer[int] // given to Exit
}

type selfKey struct{}

// FromContext returns the thread that ctx belongs to, nil in the main thread: in
// all that no [Entry] has begun.
func FromContext(ctx context.Context) *Self {
	self, _ := ctx.Value(selfKey{}).(*Self)
	return self
}

// IsMainThread tells that ctx belongs to no thread of this package.
func IsMainThread(ctx context.Context) bool { return FromContext(ctx) == nil }

// ThreadID is the ID of the thread that ctx belongs to, 0 in the main thread.
func ThreadID(ctx context.Context) int {
	if self := FromContext(ctx); self != nil {
		return self.ID()
	}
	return 0
}

// ID is what [Thread.ID] is.
func (s *Self) ID() int { return s.t.id }

// Name is what [Thread.Name] is.
func (s *Self) Name() string { return s.t.name }

// WorkerData is the thread's own copy of [Options].WorkerData.
func (s *Self) WorkerData() any { return s.data }

// Port is the port to the parent: Node's parentPort. What is posted on it comes out
// of [Thread.Receive] and [Thread.Events].
func (s *Self) Port() *Port { return s.port }

// Exit ends the thread with this code and without a [Failed] event, as
// process.exit does in a worker: deferred functions run, nothing after. Call it in
// the entry's own goroutine; in another it ends that one, and leaves the code for
// the case that the entry ends in the same way.
func (s *Self) Exit(code int) {
	s.code.Store(&code)
	runtime.Goexit()
}

func (s *Self) exitCode() (code int, called bool) {
	if c := s.code.Load(); c != nil {
		return *c, true
	}
	return 0, false
}
