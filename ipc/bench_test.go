package ipc

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func BenchmarkConn(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			x, y := connPair(b, ConnOptions{})
			frame := []byte(`{"data":"` + strings.Repeat("y", size-12) + "\"}\n")
			count := 0
			fn := func(f *Frame) error { count++; return nil }
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				for x.TrySend(frame, -1) != nil {
					y.Read(fn)
				}
			}
			y.Read(fn)
		})
	}
}

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
