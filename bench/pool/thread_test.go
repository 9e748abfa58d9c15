package main

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"

	"github.com/tendproc/tend/pool"
)

// spin is work that no compiler leaves out.
func spin(n int) int {
	x := 1
	for range n {
		x = x*1664525 + 1013904223
	}
	return x
}

const workers = 8

func BenchmarkRun(b *testing.B) {
	for _, work := range []int{0, 10_000} {
		b.Run(fmt.Sprint("tend/", work), func(b *testing.B) {
			ctx := b.Context()
			p := pool.New(ctx, pool.Thread{}, pool.Options{Size: workers, Queue: 1000})
			defer p.Close(context.Background())
			task := pool.NewTask("spin", func(_ context.Context, n int) (int, error) { return spin(n), nil })
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					pool.Run(context.Background(), p, task, work)
				}
			})
		})
		b.Run(fmt.Sprint("pond/", work), func(b *testing.B) {
			p := pond.NewResultPool[int](workers, pond.WithQueueSize(1000))
			defer p.StopAndWait()
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					p.SubmitErr(func() (int, error) { return spin(work), nil }).Wait()
				}
			})
		})
		b.Run(fmt.Sprint("ants/", work), func(b *testing.B) {
			p, _ := ants.NewPool(workers)
			defer p.Release()
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					done := make(chan int, 1)
					p.Submit(func() { done <- spin(work) })
					<-done
				}
			})
		})
	}
}

func BenchmarkSubmit(b *testing.B) {
	for _, work := range []int{0, 10_000} {
		b.Run(fmt.Sprint("tend/", work), func(b *testing.B) {
			p := pool.New(b.Context(), pool.Thread{}, pool.Options{Size: workers, Queue: 1000})
			task := pool.NewTask("spin", func(_ context.Context, n int) (int, error) { return spin(n), nil })
			b.ReportAllocs()
			for b.Loop() {
				pool.Submit(context.Background(), p, task, work)
			}
			p.Close(context.Background())
		})
		b.Run(fmt.Sprint("pond/", work), func(b *testing.B) {
			p := pond.NewResultPool[int](workers, pond.WithQueueSize(1000))
			b.ReportAllocs()
			for b.Loop() {
				p.SubmitErr(func() (int, error) { return spin(work), nil })
			}
			p.StopAndWait()
		})
		b.Run(fmt.Sprint("ants/", work), func(b *testing.B) {
			p, _ := ants.NewPool(workers)
			var all sync.WaitGroup
			var sink [1]int
			b.ReportAllocs()
			for b.Loop() {
				all.Add(1)
				p.Submit(func() { sink[0] += 0; spin(work); all.Done() })
			}
			all.Wait()
			p.Release()
		})
	}
}
