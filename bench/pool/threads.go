package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"

	"github.com/tendproc/tend/pool"
)

// sink keeps the compiler from leaving work out.
var sink atomic.Int64

func spin(n int) int {
	x := 1
	for range n {
		x = x*1664525 + 1013904223
	}
	return x
}

const queue = 1000

// rivals are the goroutine pools.
type rivals struct {
	ours *pool.Pool
	spin *pool.Task[int, int]
	pond pond.ResultPool[int]
	ants *ants.Pool
}

// threads compares goroutine pools: a caller that waits for its task, and one that
// submits many and waits for all. Ours is asked with a context that can end, too,
// which the others do not know.
func threads(ctx context.Context) error {
	size := 4 * *workers
	head(fmt.Sprintf("%d goroutines, %d callers", size, *clients))
	r := rivals{
		ours: pool.New(ctx, pool.Thread{}, pool.Options{Size: size, Queue: queue}),
		spin: pool.NewTask("spin", func(_ context.Context, n int) (int, error) { return spin(n), nil }),
		pond: pond.NewResultPool[int](size, pond.WithQueueSize(queue)),
	}
	defer r.ours.Close(ctx)
	defer r.pond.StopAndWait()
	var err error
	if r.ants, err = ants.NewPool(size); err != nil {
		return err
	}
	defer r.ants.Release()
	for _, work := range []struct {
		name string
		n    int
	}{{"nothing", 0}, {"10 µs of work", 15_000}} {
		if err := inTurn(ctx, work.name+", run", r.run(ctx, work.n)); err != nil {
			return err
		}
		if err := inTurn(ctx, work.name+", submit 100 and wait", r.submit(ctx, work.n)); err != nil {
			return err
		}
	}
	return nil
}

func (r *rivals) run(ctx context.Context, n int) []*variant {
	ours := func(ctx context.Context) func() error {
		return func() error {
			v, err := pool.Run(ctx, r.ours, r.spin, n)
			sink.Store(int64(v))
			return err
		}
	}
	return []*variant{
		{name: "tend", do: each(ours(context.WithoutCancel(ctx)))},
		{name: "tend, cancellable", do: each(ours(ctx))},
		{name: "pond", do: each(func() error {
			v, err := r.pond.SubmitErr(func() (int, error) { return spin(n), nil }).Wait()
			sink.Store(int64(v))
			return err
		})},
		{name: "ants", do: each(func() error {
			done := make(chan int, 1)
			err := r.ants.Submit(func() { done <- spin(n) })
			sink.Store(int64(<-done))
			return err
		})},
	}
}

const batch = 100

func (r *rivals) submit(ctx context.Context, n int) []*variant {
	return []*variant{
		{name: "tend", do: each(func() error { return r.submitOurs(context.WithoutCancel(ctx), n) })},
		{name: "tend, cancellable", do: each(func() error { return r.submitOurs(ctx, n) })},
		{name: "pond", do: each(func() error {
			var all [batch]pond.Result[int]
			for i := range all {
				all[i] = r.pond.SubmitErr(func() (int, error) { return spin(n), nil })
			}
			for _, f := range all {
				v, err := f.Wait()
				if err != nil {
					return err
				}
				sink.Store(int64(v))
			}
			return nil
		})},
		{name: "ants", do: each(func() error {
			var all sync.WaitGroup
			var results [batch]int
			all.Add(batch)
			for i := range batch {
				if err := r.ants.Submit(func() { results[i] = spin(n); all.Done() }); err != nil {
					return err
				}
			}
			all.Wait()
			sink.Store(int64(results[0]))
			return nil
		})},
	}
}

func (r *rivals) submitOurs(ctx context.Context, n int) error {
	var all [batch]pool.Future[int]
	for i := range all {
		f, err := pool.Submit(ctx, r.ours, r.spin, n)
		if err != nil {
			return err
		}
		all[i] = f
	}
	for _, f := range all {
		v, err := f.Wait(ctx)
		if err != nil {
			return err
		}
		sink.Store(int64(v))
	}
	return nil
}

func each(one func() error) func(context.Context, time.Duration) (result, error) {
	return func(ctx context.Context, length time.Duration) (result, error) { return drive(ctx, length, one) }
}
