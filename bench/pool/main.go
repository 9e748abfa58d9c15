// Pool measures package pool beside what one would take instead: goroutine pools
// (alitto/pond, ants) and Node's piscina. Variants run in turn, round after round, in
// one process; ratios are taken within a round.
//
//	go run ./internal/tools/testenv go -C bench/pool run .
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tendproc/tend/bench/rig"
	"github.com/tendproc/tend/pool"
)

var (
	rounds  = flag.Int("rounds", 7, "how often to measure each variant")
	length  = flag.Duration("time", 500*time.Millisecond, "how long each time")
	clients = flag.Int("clients", 32, "concurrent callers")
	workers = flag.Int("workers", 2, "worker processes or threads; 4 times as many goroutines")
	only    = flag.String("only", "", `measure just "thread" or "process"`)
)

func main() {
	if pool.IsWorker() {
		if err := pool.Serve(context.Background(), sum, echo); err != nil {
			log.Fatal(err)
		}
		return
	}
	rig.Main(func(ctx context.Context) error {
		if *only != "process" {
			if err := threads(ctx); err != nil {
				return err
			}
		}
		if *only != "thread" {
			return processes(ctx)
		}
		return nil
	})
}

// variant is one way to do a thing, and how fast it was.
type variant struct {
	name  string
	do    func(ctx context.Context, length time.Duration) (result, error)
	rate  rig.Series // a second
	worst rig.Series // ms
	cpu   rig.Series // µs each, all processes
}

type result struct {
	tasks  int
	took   time.Duration
	worst  time.Duration
	cpu    time.Duration
	allocs float64
}

// inTurn measures all variants, of which ours come first: in each round the others'
// best is 1.
func inTurn(ctx context.Context, what string, variants []*variant) error {
	for _, v := range variants {
		if _, err := v.do(ctx, *length/2); err != nil { // warm up
			return fmt.Errorf("%s, %s: %w", what, v.name, err)
		}
	}
	for i := range *rounds {
		for j := range variants {
			v := variants[(i+j)%len(variants)]
			r, err := v.do(ctx, *length)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", what, v.name, err)
			}
			v.rate = append(v.rate, float64(r.tasks)/r.took.Seconds())
			v.worst = append(v.worst, r.worst.Seconds()*1e3)
			v.cpu = append(v.cpu, r.cpu.Seconds()*1e6/float64(r.tasks))
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	base := best(variants)
	for _, v := range variants {
		fmt.Printf("| %s | %s | %.0f | %s | %.2f | %.1f |\n", what, v.name, v.rate.Median(), v.rate.Over(base).Range("%.2f"), v.worst.Median(), v.cpu.Median())
	}
	return nil
}

// best is the rate of the best of those that are not ours, round by round.
func best(variants []*variant) (rate rig.Series) {
	for i := range *rounds {
		most := 0.0
		for _, v := range variants {
			if !strings.HasPrefix(v.name, "tend") {
				most = max(most, v.rate[i])
			}
		}
		rate = append(rate, most)
	}
	return rate
}

// drive has clients call one, each again and again, and counts.
func drive(ctx context.Context, length time.Duration, one func() error) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	before, err := treeCPU()
	if err != nil {
		return r, err
	}
	var tasks, slowest atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	began := time.Now()
	for range *clients {
		all.Go(func() {
			var mine, worst int64
			for ctx.Err() == nil {
				at := time.Now()
				if err := one(); err != nil {
					failed.Store(&err)
					return
				}
				worst = max(worst, int64(time.Since(at)))
				mine++
			}
			tasks.Add(mine)
			slowest.Store(max(slowest.Load(), worst))
		})
	}
	all.Wait()
	r = result{tasks: int(tasks.Load()), took: time.Since(began), worst: time.Duration(slowest.Load())}
	after, err := treeCPU()
	r.cpu = after - before
	if p := failed.Load(); p != nil {
		err = *p
	}
	return r, err
}

func head(title string) {
	fmt.Printf("\n%s\n\n| task | by | a second | × the others' best | worst ms | CPU µs each |\n|---|---|---|---|---|---|\n", title)
}

func warn(err error) { fmt.Fprintln(os.Stderr, err) }
