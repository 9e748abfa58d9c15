// Dispatch measures cluster.Primary alone, without the daemon around it, beside
// Node's own cluster: the same app, two workers, a connection for each request,
// variants in turn round after round.
//
//	go run ./bench/dispatch [-profile cpu.out]
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tendproc/tend/bench/rig"
	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/cluster"
	"github.com/tendproc/tend/internal/loadgen"
)

const app = "bench/cluster/app/"

var (
	rounds  = flag.Int("rounds", 5, "how often to measure each variant")
	length  = flag.Duration("time", 2*time.Second, "how long each time")
	clients = flag.Int("clients", 32, "concurrent clients")
	warm    = flag.Int("warm", 12000, "requests to each variant before the first round")
	profile = flag.String("profile", "", "write a CPU profile of the Go primary in round-robin to this file")
	role    = flag.String("role", "", "internal: play the primary with this scheduler")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *role != "" {
		err = primary(ctx)
	} else {
		err = bench(ctx)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// primary runs two workers until standard input ends.
func primary(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	schedulers := map[string]cluster.Scheduler{
		"rr": cluster.RoundRobin, "shared": cluster.Shared, "reuseport": cluster.ReusePort,
	}
	p, err := cluster.NewPrimary(cluster.PrimaryOptions{OnEvent: func(e cluster.Event) {
		if e.Type == cluster.WorkerListening {
			fmt.Println(e.Address)
		}
	}})
	if err != nil {
		return err
	}
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	for range 2 {
		_, _, err := p.Fork(child.Command{
			Path: "node", Args: []string{app + "app.js"}, Env: append(os.Environ(), "PORT=0"),
			Stdio: []child.Stdio{child.Ignore(), child.Inherit(2), child.Inherit(2)},
		}, cluster.WorkerOptions{Group: "app", Scheduler: schedulers[*role]})
		if err != nil {
			return err
		}
	}
	io.Copy(io.Discard, os.Stdin)
	cancel() // the workers lose their channels and exit
	return <-ran
}

// variant is one way to serve, and what was measured of it.
type variant struct {
	name            string
	cmd             *exec.Cmd
	in              io.Closer
	url             string
	rate, p99, cost rig.Series
	failed          int
}

func bench(ctx context.Context) error {
	variants := []*variant{{name: "node"}, {name: "rr"}, {name: "shared"}, {name: "reuseport"}}
	for _, v := range variants {
		if err := v.start(ctx); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		defer v.stop()
	}
	for _, v := range variants {
		if _, err := loadgen.Run(ctx, loadgen.Options{URL: v.url, Clients: *clients, Requests: *warm}); err != nil {
			return err
		}
	}
	for i := range *rounds {
		for j := range variants {
			if err := variants[(i+j)%len(variants)].measure(ctx); err != nil {
				return err
			}
		}
	}
	base := variants[0]
	fmt.Println("| variant | conn/s | × Node | p99 ms | primary CPU s/100k | × Node | failed |\n|---|---|---|---|---|---|---|")
	for _, v := range variants {
		fmt.Printf("| %s | %.0f | %s | %.1f | %s | %s | %d |\n", v.name, v.rate.Median(), v.rate.Over(base.rate).Range("%.2f"),
			v.p99.Median(), v.cost.Range("%.2f"), v.cost.Over(base.cost).Range("%.2f"), v.failed)
	}
	return nil
}

func (v *variant) start(ctx context.Context) error {
	if v.name == "node" {
		return v.startNode(ctx)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"-role", v.name}
	if *profile != "" && v.name == "rr" {
		args = append(args, "-profile", *profile)
	}
	v.cmd = exec.CommandContext(ctx, self, args...)
	v.cmd.Stderr = os.Stderr
	if v.in, err = v.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := v.cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for range 2 {
		if !lines.Scan() {
			return fmt.Errorf("no address")
		}
		v.url = "http://127.0.0.1:" + lines.Text()[strings.LastIndex(lines.Text(), ":")+1:] + "/"
	}
	return nil
}

func (v *variant) startNode(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	v.cmd = exec.CommandContext(ctx, "node", app+"primary.js")
	v.cmd.Env = append(os.Environ(), "NODE_CLUSTER_SCHED_POLICY=rr", "PORT="+port)
	v.cmd.Stderr = os.Stderr
	if err := v.cmd.Start(); err != nil {
		return err
	}
	v.url = "http://127.0.0.1:" + port + "/"
	for ctx.Err() == nil {
		if r, err := loadgen.Run(ctx, loadgen.Options{URL: v.url, Requests: 1}); err == nil && r.Failed() == 0 {
			return nil
		}
	}
	return ctx.Err()
}

func (v *variant) stop() {
	if v.in != nil {
		v.in.Close()
	} else {
		v.cmd.Process.Kill()
	}
	v.cmd.Wait()
}

func (v *variant) measure(ctx context.Context) error {
	before, err := rig.CPU(v.cmd.Process.Pid)
	if err != nil {
		return err
	}
	r, err := loadgen.Run(ctx, loadgen.Options{URL: v.url, Clients: *clients, Duration: *length})
	if err != nil {
		return err
	}
	after, err := rig.CPU(v.cmd.Process.Pid)
	if err != nil {
		return err
	}
	v.rate = append(v.rate, r.Rate())
	v.p99 = append(v.p99, float64(r.Latency.Quantile(0.99))/1e6)
	v.cost = append(v.cost, (after-before).Seconds()*1e5/float64(r.Count(loadgen.OK)))
	v.failed += r.Failed()
	return ctx.Err()
}
