package child_test

import (
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/child"
)

// BenchmarkRespawn measures from the kill of a process to its successor's exec:
// the end is noticed, the tree found empty, the new one started.
func BenchmarkRespawn(b *testing.B) {
	for _, sweep := range []bool{false, true} {
		name := "crash"
		if sweep {
			name = "crash and sweep"
		}
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			start := func() *child.Process {
				p, err := child.Start(child.Command{Path: "/bin/sleep", Args: []string{"1000"}})
				if err != nil {
					b.Fatal(err)
				}
				return p
			}
			p := start()
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				p.Signal(syscall.SIGKILL)
				p.Wait(ctx)
				if sweep {
					if err := p.Sweep(ctx); err != nil {
						b.Fatal(err)
					}
				}
				p = start()
				took = append(took, time.Since(began))
			}
			p.Stop(ctx, child.StopOptions{})
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkSpawn100 starts a hundred children and ends them.
func BenchmarkSpawn100(b *testing.B) {
	ctx := context.Background()
	all := make([]*child.Process, 100)
	var spawning, ending time.Duration
	for b.Loop() {
		began := time.Now()
		for i := range all {
			var err error
			if all[i], err = child.Start(child.Command{Path: "/bin/sleep", Args: []string{"1000"}}); err != nil {
				b.Fatal(err)
			}
		}
		spawning += time.Since(began)
		began = time.Now()
		for _, p := range all {
			p.Signal(syscall.SIGKILL)
		}
		for _, p := range all {
			p.Wait(ctx)
			if err := p.Sweep(ctx); err != nil {
				b.Fatal(err)
			}
		}
		ending += time.Since(began)
	}
	b.ReportMetric(float64(spawning.Milliseconds())/float64(b.N), "spawn-ms")
	b.ReportMetric(float64(ending.Milliseconds())/float64(b.N), "end-ms")
}

// BenchmarkSweepNothing is what each end of a process without strays costs.
func BenchmarkSweepNothing(b *testing.B) {
	ctx := context.Background()
	p, err := child.Start(child.Command{Path: "/bin/true"})
	if err != nil {
		b.Fatal(err)
	}
	p.Wait(ctx)
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Sweep(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
