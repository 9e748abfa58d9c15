package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/tendproc/tend/bench/rig"
	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/pool"
)

// count is how far the computation of the article goes here.
const count = 1e6

var (
	sum = pool.NewTask("sum", func(_ context.Context, n int) (total int, err error) {
		for i := range n {
			total += i
		}
		return total, nil
	})
	echo = pool.NewTask("echo", func(_ context.Context, text string) (string, error) { return text, nil })
)

// processes compares worker processes, in Go and in Node, with piscina's threads.
func processes(ctx context.Context) error {
	head(fmt.Sprintf("%d workers, %d callers", *workers, *clients))
	kilobyte := strings.Repeat("x", 1024)
	nodes, err := startPiscina(ctx)
	if err != nil {
		return err
	}
	defer nodes.stop()
	var sums, echoes []*variant
	for _, place := range []struct {
		name string
		e    pool.Executor
	}{{"tend, Go workers", pool.Process{}}, {"tend, Node workers", pool.Process{Path: "worker.js"}}} {
		p := pool.New(ctx, place.e, pool.Options{Size: *workers, Queue: queue})
		defer p.Close(ctx)
		if err := p.Warm(ctx); err != nil {
			return err
		}
		sums = append(sums, &variant{name: place.name, do: each(func() error {
			v, err := pool.Run(ctx, p, sum, count)
			if err == nil && v != count*(count-1)/2 {
				err = fmt.Errorf("sum %d", v)
			}
			return err
		})})
		echoes = append(echoes, &variant{name: place.name, do: each(func() error {
			v, err := pool.Run(ctx, p, echo, kilobyte)
			if err == nil && v != kilobyte {
				err = fmt.Errorf("echo %q", v)
			}
			return err
		})})
	}
	sums = append(sums, &variant{name: "piscina", do: nodes.drive("sum")})
	echoes = append(echoes, &variant{name: "piscina", do: nodes.drive("echo")})
	if err := inTurn(ctx, "sum of 1e6", sums); err != nil {
		return err
	}
	return inTurn(ctx, "echo of 1 kB", echoes)
}

// piscina is the Node program that drives piscina, and measures it as drive does.
type piscina struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startPiscina(ctx context.Context) (*piscina, error) {
	modules := os.Getenv("TEND_TEST_MODULES")
	if modules == "" {
		return nil, fmt.Errorf("no piscina: run this by way of go run ./internal/tools/testenv go -C bench/pool run .")
	}
	p := &piscina{cmd: exec.CommandContext(ctx, "node", "piscina.js", fmt.Sprint(*workers), fmt.Sprint(*clients))}
	p.cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

func (p *piscina) drive(task string) func(context.Context, time.Duration) (result, error) {
	return func(_ context.Context, length time.Duration) (r result, err error) {
		before, err := rig.CPU(p.cmd.Process.Pid)
		if err != nil {
			return r, err
		}
		fmt.Fprintf(p.in, `{"task":%q,"ms":%d,"count":%d}`+"\n", task, length.Milliseconds(), int(count))
		line, err := p.out.ReadBytes('\n')
		if err != nil {
			return r, err
		}
		var said struct{ Tasks, Took, Worst float64 } // ms
		if err := json.Unmarshal(line, &said); err != nil {
			return r, err
		}
		after, err := rig.CPU(p.cmd.Process.Pid)
		ms := func(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
		return result{tasks: int(said.Tasks), took: ms(said.Took), worst: ms(said.Worst), cpu: after - before}, err
	}
}

func (p *piscina) stop() {
	p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		warn(err)
	}
}

// treeCPU is the processor time of this program and its workers.
func treeCPU() (time.Duration, error) {
	tree, err := procs.Tree(os.Getpid())
	if err != nil {
		return 0, err
	}
	var pids []int
	for _, s := range tree {
		pids = append(pids, s.PID) // piscina is idle meanwhile
	}
	return rig.CPU(pids...)
}
