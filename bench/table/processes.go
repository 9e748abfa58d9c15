package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/pool"
)

var (
	echo = pool.NewTask("echo", func(_ context.Context, text string) (string, error) { return text, nil })
	// hold waits for a byte from the pipe of that name.
	hold  = pool.NewTask("hold", func(_ context.Context, gate string) (int, error) { return len(gate), readGate(gate) })
	abort = pool.NewTask("abort", func(context.Context, int) (int, error) {
		syscall.Kill(os.Getpid(), syscall.SIGABRT)
		select {}
	})
)

func readGate(gate string) error {
	f, err := os.Open(gate)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Read(make([]byte, 1))
	return err
}

func goProcess() unit {
	return processUnit("Go process (`pool.Process`)", quiet(pool.Process{}))
}

func nodeProcess() unit {
	return processUnit("Node process (`pool.Process`, `fork`)", quiet(pool.Process{Path: folder + "worker.js"}))
}

// quiet workers may say why they die.
func quiet(e pool.Process) pool.Process {
	e.Fork.Silent = e.Path == ""
	return e
}

func processUnit(name string, e pool.Process) unit {
	u := unit{
		name: name, shares: "nothing; messages",
		memory: func(ctx context.Context) (float64, error) { return share(ctx, e) },
		start: func(ctx context.Context) (time.Duration, error) {
			began := time.Now()
			w, err := e.Start(ctx)
			took := time.Since(began)
			if err != nil {
				return 0, err
			}
			return took, w.Close(ctx)
		},
		message: func(ctx context.Context) (time.Duration, error) { return asked(ctx, e) },
		lost: func(ctx context.Context) (int, error) {
			answered, err := survivors(ctx, e)
			return tasks - answered, err
		},
	}
	if e.Path == "" {
		u.change = func(context.Context) (time.Duration, error) { return switched(true) }
	}
	return u
}

// share is the memory of one of several workers, in KiB.
func share(ctx context.Context, e pool.Process) (float64, error) {
	const n = 4
	p := pool.New(ctx, e, pool.Options{Size: n})
	defer p.Close(ctx)
	if err := p.Warm(ctx); err != nil {
		return 0, err
	}
	tree, err := procs.Tree(os.Getpid())
	if err != nil {
		return 0, err
	}
	total := 0.0
	for _, s := range tree[1:] {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", s.PID))
		if err != nil {
			return 0, err
		}
		_, rest, ok := bytes.Cut(text, []byte("\nPss:"))
		if !ok {
			return 0, errors.New("no Pss in smaps_rollup")
		}
		kib, err := strconv.ParseFloat(strings.Fields(string(rest))[0], 64)
		if err != nil {
			return 0, err
		}
		total += kib
	}
	return total / n, nil
}

func asked(ctx context.Context, e pool.Process) (time.Duration, error) {
	const n = 2000
	p := pool.New(ctx, e, pool.Options{Size: 1})
	defer p.Close(ctx)
	text := strings.Repeat("x", 100)
	for range n / 2 {
		if _, err := pool.Run(ctx, p, echo, text); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	for range n {
		if _, err := pool.Run(ctx, p, echo, text); err != nil {
			return 0, err
		}
	}
	return time.Since(began) / n, nil
}

// survivors runs the tasks, of which one aborts, and counts those that answer. Each
// answer is a line on standard output, for a program that does not live to count.
func survivors(ctx context.Context, e pool.Executor) (int, error) {
	dir, err := os.MkdirTemp("", "tend-table")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	gate := dir + "/gate"
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		return 0, err
	}
	open, err := os.OpenFile(gate, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer open.Close()
	p := pool.New(ctx, e, pool.Options{Size: tasks})
	defer p.Close(ctx)
	if err := p.Warm(ctx); err != nil {
		return 0, err
	}
	var answered atomic.Int32
	var all sync.WaitGroup
	for range tasks - 1 {
		f, err := pool.Submit(ctx, p, hold, gate)
		if err != nil {
			return 0, err
		}
		all.Go(func() {
			if _, err := f.Wait(ctx); err == nil {
				answered.Add(1)
				if *role != "" {
					fmt.Println("answered")
				}
			}
		})
	}
	_, err = pool.Run(ctx, p, abort, 0)
	if _, ok := errors.AsType[*pool.CrashError](err); !ok {
		return 0, fmt.Errorf("abort: %w", err)
	}
	if _, err := open.Write(make([]byte, tasks-1)); err != nil {
		return 0, err
	}
	all.Wait()
	return int(answered.Load()), nil
}

// nodeThread is a row that a Node program measures.
func nodeThread() unit {
	var once sync.Once
	var said struct{ Memory, Start, Message float64 } // KiB, µs, µs
	var failed error
	measure := func(ctx context.Context) error {
		once.Do(func() {
			out, err := exec.CommandContext(ctx, "node", folder+"threads.js").Output()
			failed = errors.Join(err, json.Unmarshal(out, &said))
		})
		return failed
	}
	micros := func(n *float64) func(context.Context) (time.Duration, error) {
		return func(ctx context.Context) (time.Duration, error) {
			err := measure(ctx)
			return time.Duration(*n * float64(time.Microsecond)), err
		}
	}
	return unit{
		name: "Node `worker_threads`", shares: "SharedArrayBuffer; messages",
		memory: func(ctx context.Context) (float64, error) {
			err := measure(ctx)
			return said.Memory, err
		},
		start: micros(&said.Start), message: micros(&said.Message),
		lost: func(ctx context.Context) (int, error) {
			out, err := exec.CommandContext(ctx, "node", folder+"threads.js", "crash").Output()
			if err == nil {
				return 0, errors.New("it did not crash")
			}
			lost := tasks
			for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
				lost--
			}
			return lost, nil
		},
	}
}
