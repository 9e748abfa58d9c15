// Faults disturbs a guard while clients keep asking a cluster of two Node workers,
// tend beside pm2, and counts what they noticed: requests that failed, by how; the
// longest time without an answer; workers that are others afterwards; lines of a
// log that were lost or torn; descriptors, processes and files that stayed behind.
//
//	go run ./internal/tools/testenv go run ./bench/faults           # some minutes
//	go run ./internal/tools/testenv go run ./bench/faults -long     # hours: 200 kills, 50 upgrades, 1500 reloads
//	go run ./internal/tools/testenv go run ./bench/faults -part steps,messages
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tendproc/tend/bench/rig"
)

var (
	long    = flag.Bool("long", false, "as often as the guarantees were checked for a release")
	which   = flag.String("part", "", "the parts to do, parted by commas: "+strings.Join(names(), ", ")+"; all if empty")
	times   = flag.Int("times", 0, "how often each fault, where the part's own number is not meant")
	clients = flag.Int("clients", 8, "concurrent clients, half of them with keep-alive")
	pause   = flag.Duration("pause", time.Millisecond, "between two requests of one client")
	nodes   = flag.String("nodes", "", "for reloads: majors of Node, parted by commas; all that there are if empty")
	modes   = flag.String("schedulers", "rr,shared,reuseport", "for kills and reloads")
	alone   = flag.Bool("alone", false, "tend without pm2 beside it")
)

// part is one kind of disturbance.
type part struct {
	name string
	// short and long are how often, by default and with -long.
	short, long int
	run         func(ctx context.Context, b *bench) error
}

var parts = []part{
	{"side", 5, 8, sideBySide},
	{"kills", 10, 200, kills},
	{"upgrades", 5, 50, upgrades},
	{"steps", 1, 4, steps},
	{"reloads", 2, 100, reloads},
	{"messages", 10, 100, messages},
	{"window", 5, 40, window},
}

// names are those of parts, which cannot be asked before the flags are.
func names() []string {
	return []string{"side", "kills", "upgrades", "steps", "reloads", "messages", "window"}
}

func main() { rig.Main(run) }

// bench is what the parts share.
type bench struct {
	dir   string // for homes
	times int    // how often the part is to disturb
}

func run(ctx context.Context) (err error) {
	log.SetFlags(log.Ltime)
	dir, err := os.MkdirTemp("", "tend-faults-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	chosen := strings.Split(*which, ",")
	for _, p := range parts {
		if *which != "" && !slices.Contains(chosen, p.name) {
			continue
		}
		b := &bench{dir: dir, times: p.short}
		if *long {
			b.times = p.long
		}
		if *times > 0 {
			b.times = *times
		}
		fmt.Printf("\n### %s\n\n", p.name)
		if perr := p.run(ctx, b); perr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", p.name, perr))
		}
	}
	return err
}
