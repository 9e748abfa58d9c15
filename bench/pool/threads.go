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

// threads compares goroutine pools: a caller that waits for its task, and one that
// submits many and waits for all.
func threads(ctx context.Context) error {
	size := 4 * *workers
	head(fmt.Sprintf("%d goroutines, %d callers", size, *clients))
	ours := pool.New(ctx, pool.Thread{}, pool.Options{Size: size, Queue: queue})
	defer ours.Close(ctx)
	task := pool.NewTask("spin", func(_ context.Context, n int) (int, error) { return spin(n), nil })
	ponds := pond.NewResultPool[int](size, pond.WithQueueSize(queue))
	defer ponds.StopAndWait()
	ant, err := ants.NewPool(size)
	if err != nil {
		return err
	}
	defer ant.Release()
	for _, work := range []struct {
		name string
		n    int
	}{{"nothing", 0}, {"10 µs of work", 15_000}} {
		err := inTurn(ctx, work.name+", run", []*variant{
			{name: "tend", do: each(func() error {
				v, err := pool.Run(ctx, ours, task, work.n)
				sink.Store(int64(v))
				return err
			})},
			{name: "pond", do: each(func() error {
				v, err := ponds.SubmitErr(func() (int, error) { return spin(work.n), nil }).Wait()
				sink.Store(int64(v))
				return err
			})},
			{name: "ants", do: each(func() error {
				done := make(chan int, 1)
				err := ant.Submit(func() { done <- spin(work.n) })
				sink.Store(int64(<-done))
				return err
			})},
		})
		if err != nil {
			return err
		}
		const batch = 100
		err = inTurn(ctx, work.name+", submit 100 and wait", []*variant{
			{name: "tend", do: each(func() error {
				var all [batch]pool.Future[int]
				for i := range all {
					f, err := pool.Submit(ctx, ours, task, work.n)
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
			})},
			{name: "pond", do: each(func() error {
				var all [batch]pond.Result[int]
				for i := range all {
					all[i] = ponds.SubmitErr(func() (int, error) { return spin(work.n), nil })
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
					if err := ant.Submit(func() { results[i] = spin(work.n); all.Done() }); err != nil {
						return err
					}
				}
				all.Wait()
				sink.Store(int64(results[0]))
				return nil
			})},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func each(one func() error) func(context.Context, time.Duration) (result, error) {
	return func(ctx context.Context, length time.Duration) (result, error) { return drive(ctx, length, one) }
}
