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
	three := contenders{ctx, ours, task, ponds, ant}
	for _, work := range []struct {
		name string
		n    int
	}{{"nothing", 0}, {"10 µs of work", 15_000}} {
		if err := inTurn(ctx, work.name+", run", three.run(work.n)); err != nil {
			return err
		}
		if err := inTurn(ctx, work.name+", submit 100 and wait", three.batches(work.n)); err != nil {
			return err
		}
	}
	return nil
}

// contenders are the pools side by side.
type contenders struct {
	ctx   context.Context
	ours  *pool.Pool
	task  *pool.Task[int, int]
	ponds pond.ResultPool[int]
	ant   *ants.Pool
}

// run has a caller wait for each c.task.
func (c *contenders) run(n int) []*variant {
	return []*variant{
		{name: "tend", do: each(func() error {
			v, err := pool.Run(c.ctx, c.ours, c.task, n)
			sink.Store(int64(v))
			return err
		})},
		{name: "pond", do: each(func() error {
			v, err := c.ponds.SubmitErr(func() (int, error) { return spin(n), nil }).Wait()
			sink.Store(int64(v))
			return err
		})},
		{name: "ants", do: each(func() error {
			done := make(chan int, 1)
			err := c.ant.Submit(func() { done <- spin(n) })
			sink.Store(int64(<-done))
			return err
		})},
	}
}

const batch = 100

// batches has a caller submit many and wait for all.
func (c *contenders) batches(n int) []*variant {
	return []*variant{
		{name: "tend", do: each(func() error {
			var all [batch]pool.Future[int]
			for i := range all {
				f, err := pool.Submit(c.ctx, c.ours, c.task, n)
				if err != nil {
					return err
				}
				all[i] = f
			}
			for _, f := range all {
				v, err := f.Wait(c.ctx)
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
				all[i] = c.ponds.SubmitErr(func() (int, error) { return spin(n), nil })
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
				if err := c.ant.Submit(func() { results[i] = spin(n); all.Done() }); err != nil {
					return err
				}
			}
			all.Wait()
			sink.Store(int64(results[0]))
			return nil
		})},
	}
}

func each(one func() error) func(context.Context, time.Duration) (result, error) {
	return func(ctx context.Context, length time.Duration) (result, error) { return drive(ctx, length, one) }
}
