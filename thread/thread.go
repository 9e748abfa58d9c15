package thread

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"sync/atomic"
)

// Entry is the work of a thread. ctx carries self ([FromContext]) and is done when
// the thread is to end: by [Thread.Terminate], with the ctx of [Thread.Start], and
// when the entry has returned. nil is exit code 0; an error is exit code 1 and a
// [Failed] event, as is a panic.
type Entry func(ctx context.Context, self *Self) error

// Options are the choices of [New]; the zero value is fine.
type Options struct {
	// Name is for people: it is the label "thread" in profiles. "" means "thread N".
	Name string
	// WorkerData is what [Self.WorkerData] gives, as a copy made by [New].
	WorkerData any
	// Transfer lists what in WorkerData moves instead of being copied.
	Transfer []Transferable
	// LockOSThread gives the thread an OS thread that nothing else runs on and that
	// ends with it: for libraries that keep state by thread, or to change a thread's
	// priority, namespace or processors. Switching to such a thread costs more.
	LockOSThread bool
}

// Thread is a thread as its parent holds it. Its methods may be called from any
// goroutine.
type Thread struct {
	id    int
	name  string
	entry Entry
	lock  bool
	self  *Self
	port  *Port // the parent's end

	mu     sync.Mutex // guards cancel and began
	cancel context.CancelCauseFunc
	began  bool // started, or terminated before that

	online chan struct{} // closed when the entry begins
	done   chan struct{} // closed when all is over, after exit is set
	exit   Exit
}

// Exit says how a thread ended.
type Exit struct {
	// Code is 0 if the entry returned nil, what [Self.Exit] was given, else 1.
	Code int
	// Err is why the thread did not end by itself: a [*PanicError], ErrGoexit,
	// what the entry returned; ErrTerminated or the cause of Start's ctx if it was
	// told to end. nil with Code 0 and after [Self.Exit].
	Err error

	told bool // it was told to end, so that Err is no failure
}

// String gives it as people say it: "exit 1: panic: boom".
func (e Exit) String() string {
	if e.Err == nil {
		return fmt.Sprintf("exit %d", e.Code)
	}
	return fmt.Sprintf("exit %d: %v", e.Code, e.Err)
}

var lastID atomic.Int64 // of the threads of this process

// New makes a thread, which [Thread.Start] starts. Messages may be posted before.
// The error is about WorkerData and Transfer, as with [Port.Post].
//
// A thread that is never started holds no more than memory; what was transferred
// to it is closed by [Thread.Terminate].
func New(entry Entry, o Options) (*Thread, error) {
	l, err := newLetter(o.WorkerData, o.Transfer)
	if err != nil {
		return nil, fmt.Errorf("worker data: %w", err)
	}
	if err := l.claim(); err != nil {
		return nil, fmt.Errorf("worker data: %w", err)
	}
	l.release()
	t := &Thread{
		id: int(lastID.Add(1)), name: o.Name, entry: entry, lock: o.LockOSThread,
		online: make(chan struct{}), done: make(chan struct{}),
	}
	if t.name == "" {
		t.name = fmt.Sprintf("thread %d", t.id)
	}
	var theirs *Port
	t.port, theirs = NewChannel()
	t.self = &Self{t: t, port: theirs, data: l.value, owner: &owner{ports: map[*Port]struct{}{}, threads: map[*Thread]struct{}{}}}
	for _, p := range append(l.ports, theirs) {
		t.self.owner.add(p)
	}
	return t, nil
}

// Start starts the thread, once. It ends at the latest when ctx does, in the way
// of Terminate; so a thread that is started with another's ctx ends before it.
func (t *Thread) Start(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began {
		return ErrStarted
	}
	parent := FromContext(ctx)
	if parent != nil && !parent.owner.start(t) {
		return fmt.Errorf("start: the parent %w", ErrTerminated)
	}
	t.began = true
	ctx, t.cancel = context.WithCancelCause(context.WithValue(ctx, selfKey{}, t.self))
	go func() {
		if parent != nil {
			defer parent.owner.forget(t)
		}
		t.run(ctx)
	}()
	return nil
}

func (t *Thread) run(ctx context.Context) {
	if t.lock {
		runtime.LockOSThread() // and never unlocked: the OS thread ends too
	}
	ctx = pprof.WithLabels(ctx, pprof.Labels("thread", t.name))
	pprof.SetGoroutineLabels(ctx)
	var err error
	returned := false
	defer func() {
		switch v := recover(); {
		case v != nil:
			err = &PanicError{Value: v, Stack: debug.Stack()}
		case !returned:
			err = ErrGoexit
		}
		t.finish(ctx, err)
	}()
	close(t.online)
	err = t.entry(ctx, t.self)
	returned = true
}

// finish ends what the thread owns, and then the thread.
func (t *Thread) finish(ctx context.Context, err error) {
	t.exit = t.outcome(err, context.Cause(ctx))
	t.cancel(nil)
	t.self.owner.close()
	close(t.done)
}

// outcome judges how the entry ended, and whether it was told to.
func (t *Thread) outcome(err, told error) Exit {
	_, panicked := errors.AsType[*PanicError](err)
	code, called := t.self.exitCode()
	switch {
	case panicked:
		return Exit{Code: 1, Err: err}
	case called && errors.Is(err, ErrGoexit):
		return Exit{Code: code}
	case told != nil:
		return Exit{Code: 1, Err: told, told: true}
	case err != nil:
		return Exit{Code: 1, Err: err}
	}
	return Exit{}
}

// ID is unique in this process and not 0, which is the main thread.
func (t *Thread) ID() int { return t.id }

// Name is [Options].Name, or "thread N".
func (t *Thread) Name() string { return t.name }

// Post posts to the thread's [Self.Port]; see [Port.Post].
func (t *Thread) Post(v any, transfer ...Transferable) error { return t.port.Post(v, transfer...) }

// Send is [Port.Send] to the thread's [Self.Port].
func (t *Thread) Send(ctx context.Context, v any, transfer ...Transferable) error {
	return t.port.Send(ctx, v, transfer...)
}

// CloseWrite lets the thread's [Self.Port] end with io.EOF after what was posted:
// a polite "no more work". The thread can still answer.
func (t *Thread) CloseWrite() { t.port.CloseWrite() }

// Receive returns the next message that the thread posted on its [Self.Port]. After
// its end the rest is still there, then io.EOF comes.
func (t *Thread) Receive(ctx context.Context) (any, error) { return t.port.Receive(ctx) }

// Events gives what happens to the thread, up to and with [Exited]; or until ctx
// is done. It takes the messages: use it or Receive.
func (t *Thread) Events(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		if !t.begins(ctx, yield) {
			return
		}
		for {
			var ev Event
			v, err := t.port.Receive(ctx)
			_, bad := errors.AsType[*MessageError](err)
			switch {
			case err == nil:
				ev = Message{v}
			case bad:
				ev = BadMessage{err}
			default:
				t.last(ctx, err, yield)
				return
			}
			if !yield(ev) {
				return
			}
		}
	}
}

// begins gives the first event, unless the thread never began.
func (t *Thread) begins(ctx context.Context, yield func(Event) bool) bool {
	select {
	case <-t.online:
		return yield(Online{})
	case <-ctx.Done():
		return false
	case <-t.done:
	}
	select {
	case <-t.online: // both, and select had the choice
		return yield(Online{})
	default:
		return true
	}
}

// last gives the events of the end, once there are no more messages.
func (t *Thread) last(ctx context.Context, err error, yield func(Event) bool) {
	if !errors.Is(err, io.EOF) {
		return
	}
	exit, err := t.Wait(ctx)
	if err != nil || (exit.failed() && !yield(Failed{exit.Err})) {
		return
	}
	yield(Exited{exit})
}

// failed tells that nobody in the thread handled its error.
func (e Exit) failed() bool { return e.Err != nil && !e.told }

// Wait waits for the end of the thread; it may be called more than once. The error
// is ctx's only.
func (t *Thread) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-t.done:
		return t.exit, nil
	default:
	}
	select {
	case <-t.done:
		return t.exit, nil
	case <-ctx.Done():
		return Exit{}, fmt.Errorf("wait for %s: %w", t.name, context.Cause(ctx))
	}
}

// Done is closed when the thread has ended.
func (t *Thread) Done() <-chan struct{} { return t.done }

// Terminate tells the thread to end and waits until it has. Its context is done,
// with the cause [ErrTerminated], which ends each Receive that was given it. Its
// exit code is then 1, unless it had ended or called [Self.Exit] before.
//
// An entry that does not look at its context runs on, for a goroutine cannot be
// killed: Terminate returns when ctx is done, with ctx's error,
// and the thread goes on using what it uses.
func (t *Thread) Terminate(ctx context.Context) (Exit, error) {
	t.tell()
	return t.Wait(ctx)
}

func (t *Thread) tell() {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.cancel != nil:
		t.cancel(ErrTerminated)
	case !t.began:
		t.began = true
		t.exit = Exit{Code: 1, Err: ErrTerminated, told: true}
		t.self.owner.close()
		close(t.done)
	}
}
