package ipc

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// BenchmarkConn is with and without what keeps long messages over a death.
func BenchmarkConn(b *testing.B) {
	for _, size := range []int{100, 10_000, 60_000, 150_000} {
		for _, kept := range []bool{false, true} {
			b.Run(fmt.Sprintf("%dB/kept=%v", size, kept), func(b *testing.B) {
				o := ConnOptions{}
				if kept {
					o.Reading = noShelf{}
				}
				x, y := connPair(b, o)
				frame := []byte(`{"data":"` + strings.Repeat("y", size-12) + "\"}\n")
				count := 0
				fn := func(f *Frame) error { count++; return nil }
				b.SetBytes(int64(len(frame)))
				b.ReportAllocs()
				for b.Loop() {
					if x.Queued() > 0 {
						x.Flush()
					}
					for x.Queued() > 0 || x.Send(frame, -1) != nil {
						y.Read(fn)
						x.Flush()
					}
				}
				for x.Queued() > 0 {
					y.Read(fn)
					x.Flush()
				}
				y.Read(fn)
			})
		}
	}
}

// noShelf is a Spool that costs nothing itself.
type noShelf struct{}

func (noShelf) Keep(*os.File) error { return nil }
func (noShelf) Drop()               {}

func BenchmarkChannel(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			x, y := channels(b, ConnOptions{})
			ctx := context.Background()
			frame := []byte(`{"data":"` + strings.Repeat("y", size-12) + `"}`)
			var wg sync.WaitGroup
			wg.Go(func() {
				for range b.N {
					if _, err := y.Receive(ctx); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if err := x.SendRaw(ctx, frame); err != nil {
					b.Fatal(err)
				}
			}
			wg.Wait()
		})
	}
}

// BenchmarkPost is what most programs do: structs are posted, and decoded.
func BenchmarkPost(b *testing.B) {
	type message struct {
		Data string `json:"data"`
	}
	for _, size := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			x, y := channels(b, ConnOptions{})
			ctx := context.Background()
			m := message{strings.Repeat("y", size-11)}
			var wg sync.WaitGroup
			wg.Go(func() {
				for range b.N {
					got, err := y.Receive(ctx)
					var m message
					if err != nil || got.Decode(&m) != nil {
						b.Error(err)
						return
					}
				}
			})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if err := x.Post(ctx, m); err != nil {
					b.Fatal(err)
				}
			}
			if err := x.Flush(ctx); err != nil {
				b.Fatal(err)
			}
			wg.Wait()
		})
	}
}
