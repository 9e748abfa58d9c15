package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/bench/rig"
	"github.com/tendproc/tend/pool"
)

func goroutine() unit {
	return unit{
		name: "goroutine (`pool.Thread`)", shares: "all",
		memory:  func(context.Context) (float64, error) { return grown(10_000, func() {}), nil },
		start:   func(context.Context) (time.Duration, error) { return started(10_000, func() {}), nil },
		message: func(context.Context) (time.Duration, error) { return exchanged(func() {}), nil },
		change:  func(context.Context) (time.Duration, error) { return yielded(), nil },
		lost:    lostTogether,
	}
}

func thread() unit {
	return unit{
		name: "OS thread", shares: "all",
		memory:  func(context.Context) (float64, error) { return grown(200, runtime.LockOSThread), nil },
		start:   func(context.Context) (time.Duration, error) { return started(100, runtime.LockOSThread), nil },
		message: func(context.Context) (time.Duration, error) { return exchanged(runtime.LockOSThread), nil },
		change:  func(context.Context) (time.Duration, error) { return switched(false) },
		lost:    lostTogether,
	}
}

// grown is how many KiB n parked goroutines take each; each calls setup first.
func grown(n int, setup func()) float64 {
	before, _ := rig.Memory(os.Getpid())
	var up, down sync.WaitGroup
	leave := make(chan struct{})
	up.Add(n)
	for range n {
		down.Go(func() {
			setup()
			up.Done()
			<-leave
		})
	}
	up.Wait()
	after, _ := rig.Memory(os.Getpid())
	close(leave)
	down.Wait()
	return (after - before) * 1024 / float64(n)
}

// started is the time from a go statement to the goroutine's first word.
func started(n int, setup func()) time.Duration {
	word := make(chan struct{})
	began := time.Now()
	for range n {
		go func() {
			setup() // a thread that is locked ends with its goroutine
			word <- struct{}{}
		}()
		<-word
	}
	return time.Since(began) / time.Duration(n)
}

// exchanged is the time of a message there and back by channels.
func exchanged(setup func()) time.Duration {
	const n = 20_000
	there, back := make(chan [100]byte), make(chan [100]byte)
	var all sync.WaitGroup
	all.Go(func() {
		setup()
		for m := range there {
			back <- m
		}
	})
	var took time.Duration
	all.Go(func() {
		setup()
		var m [100]byte
		began := time.Now()
		for range n {
			there <- m
			m = <-back
		}
		took = time.Since(began)
		close(there)
	})
	all.Wait()
	return took / n
}

// yielded is the time of a switch between two goroutines on one processor.
func yielded() time.Duration {
	const n = 100_000
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var all sync.WaitGroup
	began := time.Now()
	for range 2 {
		all.Go(func() {
			for range n {
				runtime.Gosched()
			}
		})
	}
	all.Wait()
	return time.Since(began) / (2 * n)
}

const turns = 5000

// switched is the time of a switch between two threads, of one process or of two.
func switched(apart bool) (time.Duration, error) {
	thereR, thereW, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	backR, backW, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	for _, f := range []*os.File{thereR, thereW, backR, backW} {
		defer f.Close()
	}
	// Fd makes them blocking.
	there, back := [2]int{int(thereR.Fd()), int(thereW.Fd())}, [2]int{int(backR.Fd()), int(backW.Fd())}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	release, err := pin()
	if err != nil {
		return 0, err
	}
	defer release()
	var b [1]byte
	began := time.Now()
	for range turns { // the calls alone
		syscall.Write(there[1], b[:])
		syscall.Read(there[0], b[:])
	}
	calls := time.Since(began)
	wait, err := other(apart, there[0], back[1])
	if err != nil {
		return 0, err
	}
	syscall.Write(there[1], b[:]) // it is up
	syscall.Read(back[0], b[:])
	began = time.Now()
	for range turns {
		syscall.Write(there[1], b[:])
		syscall.Read(back[0], b[:])
	}
	took := time.Since(began)/2 - calls/2
	return max(took, 0) / turns, wait()
}

// other answers each byte, in a thread of this process or in another process.
func other(apart bool, in, out int) (wait func() error, err error) {
	if !apart {
		done := make(chan error, 1)
		go func() {
			runtime.LockOSThread() // and is not unlocked: the thread ends
			_, err := pin()
			answer(in, out)
			done <- err
		}()
		return func() error { return <-done }, nil
	}
	cmd, err := self(context.Background(), "pong")
	if err != nil {
		return nil, err
	}
	for _, fd := range []int{in, out} {
		dup, err := syscall.Dup(fd)
		if err != nil {
			return nil, err
		}
		f := os.NewFile(uintptr(dup), "pipe")
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.Stderr = os.Stderr
	return cmd.Wait, cmd.Start()
}

// pong is the other process.
func pong() error {
	runtime.LockOSThread()
	if _, err := pin(); err != nil {
		return err
	}
	answer(3, 4)
	return nil
}

func answer(in, out int) {
	var b [1]byte
	for range turns + 1 {
		syscall.Read(in, b[:])
		syscall.Write(out, b[:])
	}
}

// lostTogether runs the tasks on goroutines of another program, and counts those
// that have not answered when one has aborted.
func lostTogether(ctx context.Context) (int, error) {
	cmd, err := self(ctx, "crash")
	if err != nil {
		return 0, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	lost := tasks
	for lines := bufio.NewScanner(out); lines.Scan(); {
		lost-- // each line is an answer
	}
	if err := cmd.Wait(); err == nil {
		return 0, fmt.Errorf("it did not crash")
	}
	return lost, nil
}

// crash is that program.
func crash(ctx context.Context) error {
	_, err := survivors(ctx, pool.Thread{})
	return err
}
