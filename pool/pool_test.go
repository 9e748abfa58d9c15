package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// gated tasks run until their gate is closed.
type gated struct {
	task    *Task[int, int]
	gate    chan struct{}
	running atomic.Int32
	most    atomic.Int32
	order   []int // guarded by there being one worker
}

func newGated() *gated {
	g := &gated{gate: make(chan struct{})}
	g.task = NewTask("gated", func(ctx context.Context, n int) (int, error) {
		g.most.Store(max(g.most.Load(), g.running.Add(1)))
		defer g.running.Add(-1)
		<-g.gate
		g.order = append(g.order, n)
		return n, nil
	})
	return g
}

func TestTheQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, g := t.Context(), newGated()
		p := New(ctx, Thread{}, Options{Size: 1, Queue: 2})
		var all []Future[int]
		for i := range 3 {
			f, err := TrySubmit(ctx, p, g.task, i)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
		synctest.Wait()
		if _, err := TrySubmit(ctx, p, g.task, 9); !errors.Is(err, ErrFull) {
			t.Errorf("a fourth: %v", err)
		}
		short, cancel := context.WithTimeoutCause(ctx, time.Second, errors.New("impatient"))
		defer cancel()
		if _, err := Submit(short, p, g.task, 9); err == nil || err.Error() != "impatient" {
			t.Errorf("a fourth that waits a second: %v", err)
		}
		admitted := make(chan Future[int])
		go func() {
			f, err := Submit(ctx, p, g.task, 3)
			if err != nil {
				t.Error(err)
			}
			admitted <- f
		}()
		synctest.Wait()
		if st := p.Stats(); st.Running != 1 || st.Queued != 2 || st.Waiting != 1 || st.Workers != 1 {
			t.Errorf("%+v", st)
		}
		close(g.gate)
		all = append(all, <-admitted)
		for i, f := range all {
			for range 2 { // it may be asked more than once
				if got, err := f.Wait(ctx); err != nil || got != i {
					t.Errorf("task %d: %d, %v", i, got, err)
				}
			}
		}
		for i, n := range g.order {
			if n != i {
				t.Errorf("the order was %v", g.order)
				break
			}
		}
		if err := p.Close(ctx); err != nil || g.most.Load() != 1 {
			t.Errorf("%v; %d at once", err, g.most.Load())
		}
	})
}

// The end of a task's ctx takes it out of the queue, and makes room there.
func TestCancelInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, g := t.Context(), newGated()
		p := New(ctx, Thread{}, Options{Size: 1, Queue: 1})
		if _, err := Submit(ctx, p, g.task, 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		why := errors.New("not wanted any more")
		for range 3 {
			its, cancel := context.WithCancelCause(ctx)
			f, err := TrySubmit(its, p, g.task, 1)
			if err != nil {
				t.Fatal(err)
			}
			ran := make(chan error)
			go func() {
				_, err := Run(its, p, g.task, 2) // the queue is full: it waits for room
				ran <- err
			}()
			synctest.Wait()
			cancel(why)
			if _, err := f.Wait(ctx); !errors.Is(err, why) {
				t.Errorf("%v", err)
			}
			if err := <-ran; !errors.Is(err, why) {
				t.Errorf("%v", err)
			}
			if st := p.Stats(); st.Queued != 0 || st.Waiting != 0 {
				t.Errorf("%+v", st)
			}
		}
		close(g.gate)
		if err := p.Close(ctx); err != nil || len(g.order) != 1 {
			t.Errorf("%v; %v ran", err, g.order)
		}
	})
}

// Tasks with one ctx cost one registration with it, those with ctx of their own leave
// none behind, and each leaves the queue when its own ends.
func TestWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, g := t.Context(), newGated()
		p := New(ctx, Thread{}, Options{Size: 1, Queue: 1000})
		submit := func(ctx context.Context, n int) (all []Future[int]) {
			for i := range n {
				f, err := Submit(ctx, p, g.task, i)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, f)
			}
			return all
		}
		watched := func() int {
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.watches)
		}
		blocked := submit(ctx, 1)
		synctest.Wait()
		its, cancel := context.WithCancel(ctx)
		defer cancel()
		before := watched()
		both := append(submit(its, 100), submit(context.WithValue(its, t, 1), 100)...)
		if n := watched() - before; n != 1 {
			t.Errorf("%d watches for 200 tasks", n)
		}
		other := submit(ctx, 1)
		cancel()
		synctest.Wait()
		for _, f := range both {
			if _, err := f.Wait(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		}
		if st := p.Stats(); st.Queued != 1 || watched() != 1 {
			t.Errorf("%+v, %d watches", st, watched())
		}
		close(g.gate)
		for range 100 {
			its, cancel := context.WithCancel(ctx)
			defer cancel()
			submit(its, 5)
		}
		for _, f := range append(blocked, other...) {
			if _, err := f.Wait(ctx); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if n := watched(); n > keptWatches {
			t.Errorf("%d watches of tasks that are done", n)
		}
		if err := p.Close(ctx); err != nil || watched() != 0 {
			t.Errorf("%v, %d watches of a closed pool", err, watched())
		}
	})
}

// A thread cannot be ended; its caller is told in time, and its place stays taken.
func TestAThreadOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, g := t.Context(), newGated()
		g.task.Timeout = time.Minute
		p := New(ctx, Thread{}, Options{Size: 1, Queue: 1})
		began := time.Now()
		_, err := Run(ctx, p, g.task, 0)
		if _, ok := errors.AsType[*TimeoutError](err); !ok || time.Since(began) != time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if st := p.Stats(); st.Running != 1 {
			t.Errorf("%+v", st)
		}
		close(g.gate)
		if got, err := Run(ctx, p, g.task, 7); got != 7 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseOfThreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, g := t.Context(), newGated()
		p := New(ctx, Thread{}, Options{Size: 1, Queue: 1})
		running, err := Submit(ctx, p, g.task, 0)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		queued, err := Submit(ctx, p, g.task, 1)
		if err != nil {
			t.Fatal(err)
		}
		refused := make(chan error)
		go func() {
			_, err := Submit(ctx, p, g.task, 2)
			refused <- err
		}()
		synctest.Wait()
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := p.Close(short); !errors.Is(err, context.DeadlineExceeded) || err.Error() != "close pool: 1 tasks still run: context deadline exceeded" {
			t.Errorf("%v", err)
		}
		if err := <-refused; !errors.Is(err, ErrClosed) {
			t.Errorf("who waited for room: %v", err)
		}
		if _, err := queued.Wait(ctx); !errors.Is(err, ErrClosed) {
			t.Errorf("who waited for a worker: %v", err)
		}
		close(g.gate)
		if got, err := running.Wait(ctx); got != 0 || err != nil {
			t.Errorf("who ran: %d, %v", got, err)
		}
		if _, err := Run(ctx, p, g.task, 0); !errors.Is(err, ErrClosed) {
			t.Errorf("run: %v", err)
		}
		if err := p.Warm(ctx); !errors.Is(err, ErrClosed) {
			t.Errorf("warm: %v", err)
		}
		if err := p.Close(ctx); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

func TestGoexit(t *testing.T) {
	leave := NewTask("leave", func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil })
	p := open(t, Thread{}, Options{Size: 1, Queue: 10})
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if _, err := Run(soon(t), p, leave, 0); !errors.Is(err, errGoexit) {
				t.Errorf("%v", err)
			}
		})
		all.Go(func() {
			if got, err := Run(soon(t), p, sum, 10); err != nil || got != 45 {
				t.Errorf("%d, %v", got, err)
			}
		})
	}
	all.Wait()
}

func TestATaskWithoutFunction(t *testing.T) {
	p := open(t, Thread{}, Options{})
	if _, err := Run(soon(t), p, &Task[int, int]{Name: "elsewhere"}, 1); err == nil {
		t.Error("it ran")
	}
	if _, err := Run(soon(t), open(t, Process{}, Options{Size: 1}), &Task[int, int]{Name: "elsewhere"}, 1); err == nil {
		t.Error("it ran")
	}
}

// Whatever callers do at once, no task is lost, and none is answered twice or by
// another's answer.
func TestEverybodyAtOnce(t *testing.T) {
	e := map[string]Executor{"thread": Thread{}, "process": Process{MaxTasks: 20}}
	for name, e := range e {
		t.Run(name, func(t *testing.T) {
			p := New(context.Background(), e, Options{Size: 3, Queue: 4, Spares: 1})
			each := map[string]int{"thread": 2000, "process": 100}[name]
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for i := range each {
						one(t, p, i)
					}
				})
			}
			all.Wait()
			if err := p.Close(soon(t)); err != nil {
				t.Error(err)
			}
			if st := p.Stats(); st.Running+st.Queued+st.Waiting+st.Workers != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func one(t *testing.T, p *Pool, n int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	want := n * (n - 1) / 2
	var got int
	var err error
	switch rand.IntN(6) {
	case 0:
		go cancel()
		got, err = Run(ctx, p, sum, n)
	case 1:
		var f Future[int]
		if f, err = TrySubmit(ctx, p, sum, n); err == nil {
			go cancel()
			got, err = f.Wait(context.Background())
		}
	case 2:
		var f Future[int]
		if f, err = Submit(ctx, p, sum, n); err == nil {
			got, err = f.Wait(ctx)
		}
	case 3:
		patient := &Task[int, int]{Name: "sum", Func: sum.Func, Timeout: time.Duration(rand.IntN(2e6)) + 1}
		got, err = Run(ctx, p, patient, n)
	default:
		got, err = Run(ctx, p, sum, n)
		if err != nil {
			t.Errorf("sum of %d: %v", n, err)
		}
	}
	if err == nil && got != want {
		t.Errorf("sum of %d: %d", n, got)
	}
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrFull) {
		t.Errorf("sum of %d: %v", n, err)
	}
}
