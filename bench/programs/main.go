// Programs has tend guard real programs: servers on Node's frameworks, and others.
// Each is asked all the while by eight clients, half of them with keep-alive,
// while it runs, while a process of it is killed, and while it is reloaded; then it
// is stopped and deleted, and what stays behind is counted.
//
//	go run ./internal/tools/testenv go run ./bench/programs
//	go run ./internal/tools/testenv go run ./bench/programs -program Next.js,nginx -steady 60s
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
	steady = flag.Duration("steady", 20*time.Second, "how long each program is asked before anything happens to it")
	times  = flag.Int("times", 3, "how often a process is killed, and how often the program is reloaded")
	which  = flag.String("program", "", "those to try, parted by commas; all if empty")
)

func main() { rig.Main(bench) }

func bench(ctx context.Context) (err error) {
	log.SetFlags(log.Ltime)
	dir, err := os.MkdirTemp("", "tend-programs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tend, err := rig.Tend(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tend.Close()) }()
	if err := warmUp(ctx, tend); err != nil {
		return err
	}
	fmt.Print("| program | started as | requests, failed: running | " + fmt.Sprintf("%d × kill -9 | %d × reload | longest gap of the reloads", *times, *times) + " | left behind |\n|---|---|---|---|---|---|---|\n")
	for _, p := range programs {
		if *which != "" && !slices.Contains(strings.Split(*which, ","), p.name) {
			continue
		}
		t := &trial{Guard: tend, program: p, pace: pace{*steady, time.Second, *times}, dir: dir}
		row, terr := t.run(ctx)
		if terr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", p.name, terr))
			row = "| " + p.name + " | " + strings.ReplaceAll(terr.Error(), "\n", " ") + " | | | | | |"
		}
		fmt.Println(row)
	}
	return err
}

// warmUp has a daemon open what it opens once: that is no leak.
func warmUp(ctx context.Context, tend *rig.Guard) error {
	for _, args := range [][]string{{"start", "bench/programs/app/loop.sh"}, {"start", "bench/programs/app/express.js", "-i", "1"}, {"delete", "all"}} {
		cmd := tend.Command(ctx, args...)
		cmd.Env = append(cmd.Env, "PORT=0", "NODE_PATH="+os.Getenv("TEND_TEST_MODULES"))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", args, err, out)
		}
	}
	return nil
}
