package pool

import (
	"context"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
)

// BenchmarkEcho is the cost of a task itself: its text goes there and back.
func BenchmarkEcho(b *testing.B) {
	places := map[string]Executor{"thread": Thread{}, "process": Process{}, "node": nodeWorkers(proctest.FirstNode(b))}
	text := strings.Repeat("x", 1024)
	for _, name := range []string{"thread", "process", "node"} {
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			p := New(ctx, places[name], Options{Size: 2, Queue: 100})
			defer p.Close(ctx)
			if err := p.Warm(ctx); err != nil {
				b.Fatal(err)
			}
			b.SetParallelism(16)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := Run(ctx, p, echo, text); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
