// Table measures the last table of the founding article, threads against processes,
// on the machine at hand: what a unit costs in memory and to start, a message to it
// and back, a switch from one to another, and what a crash takes with it.
//
//	go run ./bench/table
//
// Without node in PATH the rows about Node are left out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/tendproc/tend/bench/rig"
	"github.com/tendproc/tend/pool"
)

var role = flag.String("role", "", "internal: play this part")

// folder has the Node programs.
const folder = "bench/table/"

func main() {
	if pool.IsWorker() {
		if err := pool.Serve(context.Background(), echo, hold, abort); err != nil {
			log.Fatal(err)
		}
		return
	}
	rig.Main(func(ctx context.Context) error {
		switch *role {
		case "pong":
			return pong()
		case "crash":
			return crash(ctx)
		}
		return table(ctx)
	})
}

// unit is one row: a kind of worker, and how its cells are measured.
type unit struct {
	name    string
	shares  string // what it shares with its siblings
	memory  func(context.Context) (float64, error)
	start   func(context.Context) (time.Duration, error)
	message func(context.Context) (time.Duration, error)
	change  func(context.Context) (time.Duration, error)
	lost    func(context.Context) (int, error) // of tasks that run at once
}

// tasks run at once when one of them crashes.
const tasks = 4

func table(ctx context.Context) error {
	units := []unit{goroutine(), thread(), goProcess()}
	if _, err := exec.LookPath("node"); err == nil {
		units = append(units, nodeThread(), nodeProcess())
	}
	fmt.Println("| unit | shares data | memory, KiB | start | message and answer | switch | a crash ends |\n|---|---|---|---|---|---|---|")
	for _, u := range units {
		row, err := u.row(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", u.name, err)
		}
		fmt.Println(row)
	}
	fmt.Print(methods)
	return nil
}

const methods = `
How each figure is taken. Times are the median of 5 or more; the machine's noise is in them.

- memory: what the program's resident memory grows by with each unit, over 10,000 goroutines, 200 threads, 8 worker
  threads; of a process its proportional share (Pss in smaps_rollup), in which pages of the same file count once for all.
- start: until the unit has answered for the first time: "go" and a channel; the same on a new thread of its own
  (LockOSThread); pool.Process.Start; new Worker and its first message.
- message and answer: 100 bytes there and back, one at a time: by channel; by pool.Run on one worker process; by postMessage.
- switch: a byte goes round between two by pipes with blocking calls, on one processor; a half of that, less the cost of the
  same calls without a switch. Between goroutines: runtime.Gosched on one processor.
- a crash ends: four tasks run at once and one aborts (SIGABRT); so many have failed then.
`

func (u *unit) row(ctx context.Context) (string, error) {
	kib, err := u.memory(ctx)
	var errs []error
	errs = append(errs, err)
	text := func(measure func(context.Context) (time.Duration, error)) string {
		if measure == nil {
			return "–"
		}
		d, err := median(ctx, measure)
		errs = append(errs, err)
		return short(d)
	}
	start, message, change := text(u.start), text(u.message), text(u.change)
	lost, err := u.lost(ctx)
	errs = append(errs, err)
	row := fmt.Sprintf("| %s | %s | %.1f | %s | %s | %s | %d of %d |", u.name, u.shares, kib, start, message, change, lost, tasks)
	return row, errors.Join(errs...)
}

func median(ctx context.Context, measure func(context.Context) (time.Duration, error)) (time.Duration, error) {
	const times = 5
	var all []time.Duration
	for range times {
		d, err := measure(ctx)
		if err != nil {
			return 0, err
		}
		all = append(all, d)
	}
	slices.Sort(all)
	return all[times/2], ctx.Err()
}

// short is d with two or three digits.
func short(d time.Duration) string {
	unit := time.Nanosecond
	for unit < time.Second && d >= 100*unit*10 {
		unit *= 10
	}
	return d.Round(unit).String()
}

// self starts this program again in a role, without a pool.
func self(ctx context.Context, role string) (*exec.Cmd, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, path, "-role", role), nil
}
