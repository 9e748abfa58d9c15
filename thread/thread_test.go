package thread_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tendproc/tend/thread"
)

var errTest = errors.New("it went wrong")

func TestEventsComeInOrder(t *testing.T) {
	say := func(next func(self *thread.Self) error) thread.Entry {
		return func(_ context.Context, self *thread.Self) error {
			self.Port().Post(1)
			self.Port().Post(2)
			return next(self)
		}
	}
	for _, tt := range []struct {
		name string
		end  func(self *thread.Self) error
		want []string // after Online and the messages
	}{
		{"returns", func(*thread.Self) error { return nil }, []string{"exited exit 0"}},
		{"error", func(*thread.Self) error { return errTest }, []string{"failed it went wrong", "exited exit 1: it went wrong"}},
		{"panic", func(*thread.Self) error { panic("boom") }, []string{"failed panic: boom", "exited exit 1: panic: boom"}},
		{"nil pointer", func(*thread.Self) error { var p *int; *p = 1; return nil }, []string{"failed panic: runtime error: invalid memory address or nil pointer dereference", "exited exit 1: panic: runtime error: invalid memory address or nil pointer dereference"}},
		{"exit", func(self *thread.Self) error { self.Exit(3); return nil }, []string{"exited exit 3"}},
		{"exit 0", func(self *thread.Self) error { self.Exit(0); return errTest }, []string{"exited exit 0"}},
		{"goexit", func(*thread.Self) error { runtime.Goexit(); return nil }, []string{"failed thread ended itself: runtime.Goexit", "exited exit 1: thread ended itself: runtime.Goexit"}},
		{"panic in Exit's defer", func(self *thread.Self) error { defer func() { panic("late") }(); self.Exit(3); return nil }, []string{"failed panic: late", "exited exit 1: panic: late"}},
	} {
		for _, lock := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, " locked ", lock), func(t *testing.T) {
				th := start(t, say(tt.end), thread.Options{LockOSThread: lock})
				want := append([]string{"online", "message 1", "message 2"}, tt.want...)
				if got := tell(th.Events(soon(t))); !reflect.DeepEqual(got, want) {
					t.Errorf("got  %q\nwant %q", got, want)
				}
				if _, err := th.Receive(soon(t)); !errors.Is(err, io.EOF) {
					t.Errorf("after the end: %v", err)
				}
				if err := th.Post(1); !errors.Is(err, thread.ErrClosed) {
					t.Errorf("post after the end: %v", err)
				}
			})
		}
	}
}

// tell writes events as text.
func tell(events func(func(thread.Event) bool)) (out []string) {
	for ev := range events {
		switch ev := ev.(type) {
		case thread.Online:
			out = append(out, "online")
		case thread.Message:
			out = append(out, fmt.Sprint("message ", ev.Value))
		case thread.BadMessage:
			out = append(out, fmt.Sprint("bad ", ev.Err))
		case thread.Failed:
			out = append(out, fmt.Sprint("failed ", ev.Err))
		case thread.Exited:
			out = append(out, fmt.Sprint("exited ", ev.Exit))
		}
	}
	return out
}

func TestPanicKeepsValueAndStack(t *testing.T) {
	exit := wait(t, start(t, func(context.Context, *thread.Self) error { panic(fmt.Errorf("around: %w", errTest)) }, thread.Options{}))
	p, ok := errors.AsType[*thread.PanicError](exit.Err)
	if !ok || !errors.Is(exit.Err, errTest) || !strings.Contains(string(p.Stack), "TestPanicKeepsValueAndStack") {
		t.Errorf("%#v", exit.Err)
	}
}

func TestWhoAmI(t *testing.T) {
	ctx := soon(t)
	if !thread.IsMainThread(ctx) || thread.ThreadID(ctx) != 0 || thread.FromContext(ctx) != nil {
		t.Error("the test is no main thread")
	}
	tell := func(ctx context.Context, self *thread.Self) error {
		if thread.FromContext(ctx) != self {
			return errors.New("the context's thread is another")
		}
		return self.Port().Post([]any{thread.IsMainThread(ctx), thread.ThreadID(ctx), self.ID(), self.Name(), self.WorkerData()})
	}
	a, b := start(t, tell, thread.Options{Name: "a", WorkerData: 7}), start(t, tell, thread.Options{})
	if a.ID() == b.ID() || a.ID() == 0 || b.Name() != fmt.Sprint("thread ", b.ID()) {
		t.Errorf("%d %d %s", a.ID(), b.ID(), b.Name())
	}
	if got, err := a.Receive(ctx); err != nil || !reflect.DeepEqual(got, []any{false, a.ID(), a.ID(), "a", 7}) {
		t.Errorf("%v %v", got, err)
	}
	if exit := wait(t, b); exit.Code != 0 {
		t.Error(exit)
	}
}

func TestNameIsInProfiles(t *testing.T) {
	th := start(t, func(ctx context.Context, self *thread.Self) error {
		self.Port().Post("here")
		<-ctx.Done()
		return nil
	}, thread.Options{Name: "profiled one"})
	if _, err := th.Receive(soon(t)); err != nil {
		t.Fatal(err)
	}
	var profile strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil || !strings.Contains(profile.String(), `"thread":"profiled one"`) {
		t.Error(err, profile.String())
	}
}

func TestStartOnce(t *testing.T) {
	th := start(t, func(context.Context, *thread.Self) error { return nil }, thread.Options{})
	if err := th.Start(soon(t)); !errors.Is(err, thread.ErrStarted) {
		t.Error(err)
	}
	near, far := thread.NewChannel()
	never, err := thread.New(func(context.Context, *thread.Self) error { panic("runs") }, thread.Options{Transfer: []thread.Transferable{far}})
	if err != nil {
		t.Fatal(err)
	}
	exit, err := never.Terminate(soon(t))
	if err != nil || exit.Code != 1 || exit.Err != thread.ErrTerminated {
		t.Error(exit, err)
	}
	if _, err := near.Receive(soon(t)); !errors.Is(err, io.EOF) {
		t.Errorf("a port that was given to it: %v", err)
	}
	if got := tell(never.Events(soon(t))); !reflect.DeepEqual(got, []string{"exited exit 1: thread was terminated"}) {
		t.Error(got)
	}
	if err := never.Start(soon(t)); !errors.Is(err, thread.ErrStarted) {
		t.Error(err)
	}
}

func TestTerminate(t *testing.T) {
	for name, entry := range map[string]thread.Entry{
		"waits for ctx":     func(ctx context.Context, _ *thread.Self) error { <-ctx.Done(); return ctx.Err() },
		"waits for message": func(ctx context.Context, self *thread.Self) error { _, err := self.Port().Receive(ctx); return err },
		"looks now and then": func(ctx context.Context, _ *thread.Self) error {
			for ctx.Err() == nil {
				runtime.Gosched()
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			th := start(t, entry, thread.Options{})
			exit, err := th.Terminate(soon(t))
			if err != nil || exit.Code != 1 || exit.Err != thread.ErrTerminated {
				t.Error(exit, err)
			}
			if got := tell(th.Events(soon(t))); !reflect.DeepEqual(got, []string{"online", "exited exit 1: thread was terminated"}) {
				t.Error(got)
			}
		})
	}
	t.Run("a panic on the way out is told", func(t *testing.T) {
		th := start(t, func(ctx context.Context, _ *thread.Self) error { <-ctx.Done(); panic("late") }, thread.Options{})
		if exit, _ := th.Terminate(soon(t)); exit.Err.Error() != "panic: late" {
			t.Error(exit)
		}
	})
	t.Run("an exit code on the way out counts", func(t *testing.T) {
		th := start(t, func(ctx context.Context, self *thread.Self) error { <-ctx.Done(); self.Exit(9); return nil }, thread.Options{})
		if exit, _ := th.Terminate(soon(t)); exit.Code != 9 || exit.Err != nil {
			t.Error(exit)
		}
	})
}

// A goroutine cannot be killed: Terminate says so in time, and the thread ends
// when it looks up.
func TestTerminateOfTheDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		th, err := thread.New(func(context.Context, *thread.Self) error { <-release; return nil }, thread.Options{})
		if err != nil {
			t.Fatal(err)
		}
		th.Start(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := th.Terminate(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		close(release)
		if exit, err := th.Wait(t.Context()); err != nil || exit.Err != thread.ErrTerminated {
			t.Error(exit, err)
		}
	})
}

func TestContextEndsTheThread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errTest)
		defer cancel()
		th, err := thread.New(func(ctx context.Context, _ *thread.Self) error { <-ctx.Done(); return nil }, thread.Options{})
		if err != nil {
			t.Fatal(err)
		}
		th.Start(ctx)
		if exit, err := th.Wait(t.Context()); err != nil || exit.Code != 1 || exit.Err != errTest {
			t.Error(exit, err)
		}
	})
}

// Threads of a thread end with it, before it.
func TestThreadsInThreads(t *testing.T) {
	ended := make(chan string, 2)
	var late context.Context
	th := start(t, func(ctx context.Context, self *thread.Self) error {
		late = ctx
		inner, err := thread.New(func(ctx context.Context, inner *thread.Self) error {
			inner.Port().Post(thread.ThreadID(ctx))
			<-ctx.Done()
			ended <- "inner"
			return nil
		}, thread.Options{})
		if err != nil {
			return err
		}
		if err := inner.Start(ctx); err != nil {
			return err
		}
		id, err := inner.Receive(ctx)
		if err != nil || id != inner.ID() || id == self.ID() {
			return fmt.Errorf("%v %w", id, err)
		}
		return nil
	}, thread.Options{})
	if exit := wait(t, th); exit.Err != nil {
		t.Error(exit)
	}
	select {
	case <-ended:
	default:
		t.Error("the inner thread outlived the outer")
	}
	after, err := thread.New(func(context.Context, *thread.Self) error { return nil }, thread.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := after.Start(late); !errors.Is(err, thread.ErrTerminated) {
		t.Errorf("start in a thread that has ended: %v", err)
	}
}

func TestWorkerDataIsACopy(t *testing.T) {
	data := map[string]any{"list": []any{1, 2}}
	th, err := thread.New(func(_ context.Context, self *thread.Self) error { return self.Port().Post(self.WorkerData()) }, thread.Options{WorkerData: data})
	if err != nil {
		t.Fatal(err)
	}
	data["list"].([]any)[0] = "changed"
	th.Start(soon(t))
	got, err := th.Receive(soon(t))
	if err != nil || !reflect.DeepEqual(got, map[string]any{"list": []any{1, 2}}) {
		t.Error(got, err)
	}
	wait(t, th)

	_, err = thread.New(nil, thread.Options{WorkerData: map[string]any{"f": func() {}}})
	if e, ok := errors.AsType[*thread.CloneError](err); !ok || e.Path != `["f"]` {
		t.Error(err)
	}
}

// CloseWrite is "no more work": the thread finishes what it has.
func TestCloseWrite(t *testing.T) {
	th := start(t, func(ctx context.Context, self *thread.Self) error {
		sum := 0
		for v, err := range self.Port().Messages(ctx) {
			if err != nil {
				return err
			}
			sum += v.(int)
		}
		return self.Port().Post(sum)
	}, thread.Options{})
	for i := range 100 {
		if err := th.Post(i); err != nil {
			t.Fatal(err)
		}
	}
	th.CloseWrite()
	if err := th.Post(1); !errors.Is(err, thread.ErrClosed) {
		t.Error(err)
	}
	if sum, err := thread.Receive[int](soon(t), th); err != nil || sum != 4950 {
		t.Error(sum, err)
	}
}

func TestBadMessages(t *testing.T) {
	th := start(t, func(_ context.Context, self *thread.Self) error {
		self.Port().Post("text")
		self.Port().Post(&thread.MessageError{Value: "{", Err: errTest})
		return self.Port().Post(1)
	}, thread.Options{})
	_, err := thread.Receive[int](soon(t), th)
	if e, ok := errors.AsType[*thread.MessageError](err); !ok || e.Value != "text" || e.Error() != "message: string instead of int" {
		t.Error(err)
	}
	want := []string{"online", "bad message: it went wrong", "message 1", "exited exit 0"}
	if got := tell(th.Events(soon(t))); !reflect.DeepEqual(got, want) {
		t.Error(got)
	}
}

// Whoever listens to events may stop, and their context ends them.
func TestEventsEnd(t *testing.T) {
	th := start(t, func(ctx context.Context, self *thread.Self) error {
		self.Port().Post(1)
		<-ctx.Done()
		return nil
	}, thread.Options{})
	for ev := range th.Events(soon(t)) {
		if _, ok := ev.(thread.Message); ok {
			break
		}
	}
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	for range th.Events(ctx) {
		cancel()
	}
	if _, err := th.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
