// Cluster compares how connections reach two Node workers: under tend (rr,
// shared, reuseport), under Node's own cluster and under pm2. The same app, a
// connection for each request.
//
//	go run ./internal/tools/testenv go run ./bench/cluster
//
// All variants run from the start and are measured in turn, round after round,
// so that a noisy minute hits all of them; ratios are taken within a round.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/tendproc/tend/bench/rig"
	"github.com/tendproc/tend/internal/loadgen"
)

var (
	rounds  = flag.Int("rounds", 5, "how often to measure each variant")
	length  = flag.Duration("time", 3*time.Second, "how long each time")
	clients = flag.Int("clients", 64, "concurrent clients")
	warm    = flag.Int("warm", 12000, "requests to each variant before the first round")
	keep    = flag.Bool("keepalive", false, "keep connections")
	apart   = flag.Bool("apart", false, "give the clients one half of the processors and the servers the other")
)

func main() { rig.Main(bench) }

// variant is one way to serve, and what was measured of it.
type variant struct {
	name    string
	port    int
	primary []int // the processes between the client and the workers
	workers []int

	rate, p99, primaryCPU, workerCPU rig.Series
	failed                           int
}

func bench(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "tend-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var s stand
	defer func() { err = errors.Join(err, s.close()) }()
	if *apart {
		if s.processors, err = part(ctx); err != nil {
			return err
		}
	}
	if err := s.open(ctx, dir); err != nil {
		return err
	}
	for _, v := range s.variants {
		if err := v.warmUp(ctx); err != nil {
			return err
		}
	}
	for round := range *rounds {
		for i := range s.variants {
			// Each round begins elsewhere: none always follows the same one.
			v := s.variants[(i+round)%len(s.variants)]
			if err := v.measure(ctx); err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, *rounds)
	}
	s.print()
	return nil
}

func (v *variant) options() loadgen.Options {
	return loadgen.Options{
		URL: "http://127.0.0.1:" + strconv.Itoa(v.port) + "/", Clients: *clients, KeepAlive: *keep,
		Key: func(body []byte) string { return string(body) },
	}
}

// warmUp makes the workers hot, and learns who they are.
func (v *variant) warmUp(ctx context.Context) error {
	o := v.options()
	o.Requests = *warm
	r, err := loadgen.Run(ctx, o)
	if err != nil {
		return err
	}
	for _, pid := range slices.Sorted(maps.Keys(r.By)) {
		n, err := strconv.Atoi(pid)
		if err != nil {
			return fmt.Errorf("%s: answered %q", v.name, pid)
		}
		v.workers = append(v.workers, n)
	}
	fmt.Fprintf(os.Stderr, "%-16s %v\n", v.name, &r)
	if len(v.workers) != 2 {
		return fmt.Errorf("%s: %d workers answered, not 2", v.name, len(v.workers))
	}
	return nil
}

func (v *variant) measure(ctx context.Context) error {
	primary, err := rig.CPU(v.primary...)
	if err != nil {
		return err
	}
	workers, err := rig.CPU(v.workers...)
	if err != nil {
		return err
	}
	o := v.options()
	o.Duration = *length
	send := loadgen.Connections
	if *keep {
		send = loadgen.Run
	}
	r, err := send(ctx, o)
	if err != nil {
		return err
	}
	primaryAfter, err := rig.CPU(v.primary...)
	if err != nil {
		return err
	}
	workersAfter, err := rig.CPU(v.workers...)
	if err != nil {
		return err
	}
	per100k := 1e5 / float64(r.Count(loadgen.OK))
	v.rate = append(v.rate, r.Rate())
	v.p99 = append(v.p99, float64(r.Latency.Quantile(0.99))/1e6)
	v.primaryCPU = append(v.primaryCPU, (primaryAfter-primary).Seconds()*per100k)
	v.workerCPU = append(v.workerCPU, (workersAfter-workers).Seconds()*per100k)
	v.failed += r.Failed()
	return ctx.Err()
}

// stand holds everything that runs.
type stand struct {
	variants []*variant
	guards   []*rig.Guard
	node     []*exec.Cmd

	processors string // of the servers, as taskset(1) wants it; empty for all
}

func (s *stand) open(ctx context.Context, dir string) error {
	for _, policy := range []string{"rr", "none"} {
		if err := s.openNode(ctx, policy); err != nil {
			return err
		}
	}
	tend, err := rig.Tend(ctx, dir)
	if err != nil {
		return err
	}
	s.guards = append(s.guards, tend)
	for _, scheduler := range []string{"rr", "shared", "reuseport"} {
		if err := s.openGuard(ctx, tend, "tend "+scheduler, "--scheduler", scheduler); err != nil {
			return err
		}
	}
	pm2, err := rig.PM2(dir, "node")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return nil
	}
	s.guards = append(s.guards, pm2)
	return s.openGuard(ctx, pm2, "pm2")
}

func (s *stand) openNode(ctx context.Context, policy string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	cmd := s.place(exec.CommandContext(ctx, "node", "bench/cluster/app/primary.js"))
	cmd.Env = append(os.Environ(), "NODE_CLUSTER_SCHED_POLICY="+policy, "PORT="+strconv.Itoa(port))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	s.node = append(s.node, cmd)
	s.variants = append(s.variants, &variant{name: "node " + policy, port: port, primary: []int{cmd.Process.Pid}})
	return answers(ctx, port)
}

func (s *stand) openGuard(ctx context.Context, g *rig.Guard, name string, flags ...string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	cmd := s.place(g.Command(ctx, append([]string{"start", "bench/cluster/app/app.js", "-i", "2", "--name", strconv.Itoa(port), "-f"}, flags...)...))
	cmd.Env = append(cmd.Env, "PORT="+strconv.Itoa(port))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	daemons, err := g.Daemons(ctx)
	if err != nil {
		return err
	}
	s.variants = append(s.variants, &variant{name: name, port: port, primary: daemons})
	return answers(ctx, port)
}

func (s *stand) close() (err error) {
	for _, g := range s.guards {
		err = errors.Join(err, g.Close())
	}
	for _, cmd := range s.node {
		cmd.Process.Kill()
		cmd.Wait() // its workers lose their channel and exit
	}
	return err
}

func (s *stand) print() {
	base := s.variants[0]
	fmt.Printf("\n2 workers, %d clients, %d rounds of %v; × is against %s within each round: median [min–max]\n",
		*clients, *rounds, *length, base.name)
	if *apart {
		fmt.Printf("servers on processors %s, clients on the others\n", s.processors)
	}
	fmt.Println()
	fmt.Printf("| %-14s | %6s | %-20s | %7s | %-20s | %12s | %-20s | %12s | %6s |\n", "variant", "conn/s", "×", "p99 ms", "×",
		"primary s/100k", "×", "workers s/100k", "failed")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	for _, v := range s.variants {
		fmt.Printf("| %-14s | %6.0f | %-20s | %7.1f | %-20s | %14.2f | %-20s | %14.1f | %6d |\n", v.name,
			v.rate.Median(), v.rate.Over(base.rate).Range("%.2f"),
			v.p99.Median(), v.p99.Over(base.p99).Range("%.2f"),
			v.primaryCPU.Median(), v.primaryCPU.Over(base.primaryCPU).Range("%.2f"),
			v.workerCPU.Median(), v.failed)
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// answers waits until both workers had the time to listen.
func answers(ctx context.Context, port int) error {
	url := "http://127.0.0.1:" + strconv.Itoa(port) + "/"
	seen := map[string]bool{}
	for deadline := time.Now().Add(30 * time.Second); len(seen) < 2; {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: only %d workers answer", url, len(seen))
		}
		r, err := loadgen.Run(ctx, loadgen.Options{URL: url, Clients: 8, Requests: 40, Key: func(b []byte) string { return string(b) }})
		if err != nil {
			return err
		}
		for pid := range r.By {
			seen[pid] = true
		}
	}
	return nil
}
