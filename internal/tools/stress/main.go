// Stress runs the tests of packages again and again, under the race detector
// and with every CPU kept busy, and stops at the first failure.
package main

import (
	"flag"
	"runtime"
	"strconv"
	"sync/atomic"

	"github.com/tendproc/tend/internal/tools/run"
)

func main() {
	n := flag.Int("n", 100, "how many runs")
	flag.Parse()
	var stop atomic.Bool
	for range runtime.NumCPU() {
		go func() {
			for !stop.Load() {
			}
		}()
	}
	argv := []string{"go", "test", "-race", "-shuffle=on", "-failfast", "-count", strconv.Itoa(*n)}
	err := run.Step(nil, append(argv, flag.Args()...)...)
	stop.Store(true)
	run.Main(err)
}
