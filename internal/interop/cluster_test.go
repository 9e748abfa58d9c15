package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/cluster"
	"github.com/tendproc/tend/internal/proctest"
)

// The rows of the cluster tables.
const (
	roundRobin = "round-robin"
	shared     = "shared"
)

var clusterRows = []string{roundRobin, shared}

// TestClusters tries a Go primary with each runtime's workers, and Go workers
// below each runtime's primary.
func TestClusters(t *testing.T) {
	gate := make(chan struct{}, 2)
	for _, r := range runtimes(t) {
		for _, row := range clusterRows {
			t.Run(r.column+"/"+row, func(t *testing.T) {
				t.Parallel()
				gate <- struct{}{}
				defer func() { <-gate }()
				check(t, cell{primary, row, r.column}, failure(primaryOf(t, r, row)))
				if r.column != "Go" { // that was it
					check(t, cell{workers, row, r.column}, failure(workersOf(t, r, row)))
				}
			})
		}
	}
}

func failure(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

// crew is two workers of a Go primary.
type crew struct {
	primary *cluster.Primary
	procs   []*child.Process
	ids     []uint64
	events  chan cluster.Event
}

func primaryOf(t *testing.T, r runtime, row string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := crew{events: make(chan cluster.Event, 1000)}
	p, err := cluster.NewPrimary(cluster.PrimaryOptions{OnEvent: func(e cluster.Event) { c.events <- e }})
	if err != nil {
		return err
	}
	c.primary = p
	run, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { p.Run(run) })
	defer wg.Wait()
	defer stop()
	defer c.kill()
	for range 2 {
		if err := c.fork(r, row, script(t, "worker.js")); err != nil {
			return err
		}
	}
	address, err := c.listening(ctx)
	if err != nil {
		return err
	}
	if err := c.answer(address, row); err != nil {
		return err
	}
	for _, id := range c.ids {
		p.Disconnect(id)
	}
	for _, proc := range c.procs {
		if exit, err := proc.Wait(ctx); err != nil || exit.Code != 0 {
			return fmt.Errorf("a worker ended with %v, %v", exit, err)
		}
	}
	return nil
}

func (c *crew) kill() {
	for _, proc := range c.procs {
		proc.Signal(syscall.SIGKILL)
		<-proc.Exited()
		proc.Close()
	}
}

func (c *crew) fork(r runtime, row, script string) error {
	cmd := child.Command{Path: r.program, Args: []string{script}, Stdio: []child.Stdio{child.Ignore(), child.Inherit(2), child.Inherit(2)}}
	if r.column == "Go" {
		cmd.Path, cmd.Args, cmd.Env = proctest.Self(), nil, append(os.Environ(), proctest.RoleEnv("worker"))
	}
	s := cluster.RoundRobin
	if row == shared {
		s = cluster.Shared
	}
	proc, id, err := c.primary.Fork(cmd, cluster.WorkerOptions{Group: "app", Scheduler: s})
	if err == nil {
		c.procs, c.ids = append(c.procs, proc), append(c.ids, id)
	}
	return err
}

// listening waits until both workers serve, and returns where.
func (c *crew) listening(ctx context.Context) (address string, err error) {
	for n := 0; n < 2; {
		select {
		case e := <-c.events:
			switch e.Type {
			case cluster.WorkerListening:
				n++
				_, address, _ = strings.Cut(e.Address, " ")
			case cluster.WorkerListenFailed, cluster.WorkerDisconnected:
				return "", fmt.Errorf("a worker: %s %v", e.Type, e.Err)
			}
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	return address, nil
}

// answer asks often enough for each worker's turn to come.
func (c *crew) answer(address, row string) error {
	seen := map[string]bool{}
	for range 6 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		conn.SetDeadline(time.Now().Add(patience))
		text, err := io.ReadAll(conn)
		conn.Close()
		if err != nil {
			return err
		}
		seen[string(text)] = true
	}
	known := 0
	for _, proc := range c.procs {
		if seen[fmt.Sprint(proc.PID())] {
			known++
		}
	}
	if known != len(seen) || row == roundRobin && known != len(c.procs) {
		return fmt.Errorf("%v answered", seen)
	}
	return nil
}

// workersOf has Go workers below a primary of the runtime.
func workersOf(t *testing.T, r runtime, row string) error {
	policy := "none"
	if row == roundRobin {
		policy = "rr"
	}
	wait := patience
	if why, _ := limited(cell{workers, row, r.column}); why != "" {
		wait = time.Second // it never comes
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	out, err := child.ExecFile(ctx, r.program, []string{script(t, "primary.js"), proctest.Self(), policy}, child.ExecOptions{
		Env: append(os.Environ(), proctest.RoleEnv("worker"), fmt.Sprintf("PATIENCE=%d", wait.Milliseconds())),
	})
	var result struct{ Fail string }
	if json.Unmarshal(firstLine(out.Stdout), &result) != nil {
		return fmt.Errorf("the primary said %q, %q, %v", out.Stdout, out.Stderr, err)
	}
	if result.Fail != "" {
		return errors.New(result.Fail)
	}
	return nil
}
