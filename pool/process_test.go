package pool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/proctest"
)

func TestTheSameTaskEverywhere(t *testing.T) {
	for name, e := range places(t) {
		t.Run(name, func(t *testing.T) {
			p := open(t, e, Options{Size: 2, Queue: 4})
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					if got, err := Run(soon(t), p, sum, 1000+i); err != nil || got != (1000+i)*(999+i)/2 {
						t.Errorf("sum of %d: %d, %v", 1000+i, got, err)
					}
				})
			}
			all.Wait()
			text := strings.Repeat("\"grüße\u2028\"\n", 200)
			if got, err := Run(soon(t), p, echo, text); err != nil || got != text {
				t.Errorf("echo: %q, %v", got, err)
			}
			if got, err := Run(soon(t), p, nothing, 0); err != nil || got != nil {
				t.Errorf("nothing: %v, %v", got, err)
			}
			if _, err := Run(soon(t), p, fail, 0); err == nil || !strings.HasSuffix(err.Error(), "not today") {
				t.Errorf("fail: %v", err)
			}
			st := p.Stats()
			if st.Done != 23 || st.Failed != 1 || st.Crashed != 0 || st.Running != 0 || st.Workers > 2 || st.Replaced != 0 {
				t.Errorf("%+v", st)
			}
			if st.Run.P50 <= 0 || st.Run.P99 < st.Run.P50 || st.Wait.P99 < st.Wait.P50 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// However a worker dies, its task alone fails, and says how it died.
func TestACrashFailsItsOwnTask(t *testing.T) {
	node := proctest.FirstNode(t)
	for _, tt := range []struct {
		place string
		e     Executor
		how   string
		want  child.Exit
	}{
		{"process", silent(), "SIGKILL", child.Exit{Code: -1, Signal: syscall.SIGKILL}},
		{"process", silent(), "exit", child.Exit{Code: 7}},
		{"process", silent(), "segfault", child.Exit{Code: 2}},
		{"process", silent(), "panic elsewhere", child.Exit{Code: 2}},
		{"node", nodeWorkers(node), "SIGKILL", child.Exit{Code: -1, Signal: syscall.SIGKILL}},
		{"node", nodeWorkers(node), "SIGSEGV", child.Exit{Code: -1, Signal: syscall.SIGSEGV}},
		{"node", nodeWorkers(node), "exit", child.Exit{Code: 7}},
	} {
		t.Run(tt.place+"/"+tt.how, func(t *testing.T) {
			p := open(t, tt.e, Options{Size: 2, Queue: 100})
			var others []Future[int]
			for range 5 {
				others = append(others, submitted(t, p, sum, 1000))
			}
			_, err := Run(soon(t), p, die, tt.how)
			crash, ok := errors.AsType[*CrashError](err)
			if !ok || crash.Task != "die" {
				t.Fatalf("%v", err)
			}
			crash.Exit.Core = false // as the machine is set up
			if crash.Exit != tt.want || !gone(crash.PID) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			for range 5 {
				others = append(others, submitted(t, p, sum, 1000))
			}
			for _, f := range others {
				if got, err := f.Wait(soon(t)); err != nil || got != 499500 {
					t.Errorf("another task: %d, %v", got, err)
				}
			}
			if st := p.Stats(); st.Crashed != 1 || st.Failed != 1 || st.Replaced != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// silent workers may say why they die.
func silent() (e Process) {
	e.Fork.Silent = true
	return e
}

func submitted[In, Out any](t *testing.T, p *Pool, task *Task[In, Out], in In) Future[Out] {
	t.Helper()
	f, err := Submit(soon(t), p, task, in)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A worker that is killed while it has no task fails none.
func TestAWorkerDiesIdle(t *testing.T) {
	p := open(t, Process{}, Options{Size: 1, Spares: 1})
	if err := p.Warm(soon(t)); err != nil {
		t.Fatal(err)
	}
	if st := p.Stats(); st.Workers != 2 {
		t.Fatalf("%+v", st)
	}
	for i := range 5 {
		victim, err := Run(soon(t), p, pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		syscall.Kill(victim, syscall.SIGKILL)
		eventually(t, "the pool noticed", func() bool { return p.Stats().Replaced == uint64(i+1) })
		if !gone(victim) {
			t.Errorf("%d is left", victim)
		}
	}
	if st := p.Stats(); st.Failed != 0 || st.Crashed != 0 {
		t.Errorf("%+v", st)
	}
}

func TestATaskOutOfTimeIsKilled(t *testing.T) {
	for name, e := range places(t) {
		if name == "thread" {
			continue // see TestAThreadOutOfTime
		}
		t.Run(name, func(t *testing.T) {
			p := open(t, e, Options{Size: 1})
			before, err := Run(soon(t), p, pid, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Run(soon(t), p, hang, 0)
			over, ok := errors.AsType[*TimeoutError](err)
			if !ok || over.Task != "hang" || over.After != hang.Timeout || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			after, err := Run(soon(t), p, pid, 0)
			if err != nil || after == before {
				t.Errorf("%d after %d, %v", after, before, err)
			}
			if !gone(before) {
				t.Errorf("%d hangs on", before)
			}
			if st := p.Stats(); st.Crashed != 0 || st.Failed != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// With a grace, a worker whose task heeds its ctx is kept; without, it is killed.
func TestGrace(t *testing.T) {
	for _, grace := range []time.Duration{0, patience} {
		p := open(t, Process{Grace: grace}, Options{Size: 1})
		before, err := Run(soon(t), p, pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(soon(t))
		enough := errors.New("enough")
		ended := make(chan error)
		go func() {
			_, err := Run(ctx, p, obey, 0)
			ended <- err
		}()
		eventually(t, "it runs", func() bool { return p.Stats().Running == 1 })
		cancel(enough)
		if err := <-ended; !errors.Is(err, enough) {
			t.Errorf("%v", err)
		}
		after, err := Run(soon(t), p, pid, 0)
		if err != nil || (after == before) != (grace > 0) {
			t.Errorf("grace %v: %d after %d, %v", grace, after, before, err)
		}
	}
	// Who does not heed it is killed when the grace is over.
	p := open(t, Process{Grace: 50 * time.Millisecond}, Options{Size: 1})
	if _, err := Run(soon(t), p, hang, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if got, err := Run(soon(t), p, sum, 10); err != nil || got != 45 {
		t.Errorf("%d, %v", got, err)
	}
}

func TestRetry(t *testing.T) {
	p := open(t, Process{}, Options{Size: 1})
	got, err := Run(soon(t), p, once, filepath.Join(t.TempDir(), "was here"))
	if err != nil || got == 0 {
		t.Errorf("%d, %v", got, err)
	}
	if st := p.Stats(); st.Crashed != 1 || st.Failed != 0 || st.Done != 1 {
		t.Errorf("%+v", st)
	}
	never := &Task[string, int]{Name: "die", Retries: 2}
	if _, err := Run(soon(t), p, never, "exit"); err == nil || p.Stats().Crashed != 4 {
		t.Errorf("%v, %+v", err, p.Stats())
	}
}

func TestWorkersAreReplaced(t *testing.T) {
	t.Run("after so many tasks", func(t *testing.T) {
		p := open(t, Process{MaxTasks: 3}, Options{Size: 1})
		seen := map[int]int{}
		for range 9 {
			got, err := Run(soon(t), p, pid, 0)
			if err != nil {
				t.Fatal(err)
			}
			seen[got]++
		}
		for pid, n := range seen {
			if n != 3 {
				t.Errorf("%d did %d tasks", pid, n)
			}
		}
	})
	t.Run("with so much memory", func(t *testing.T) {
		p := open(t, Process{MaxRSS: 128 << 20}, Options{Size: 1})
		small, err := Run(soon(t), p, grow, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if next, err := Run(soon(t), p, pid, 0); err != nil || next != small || p.Stats().Replaced != 0 {
			t.Errorf("%d after %d, %v, %+v", next, small, err, p.Stats())
		}
		next := small
		eventually(t, "it is seen", func() bool {
			next, err = Run(soon(t), p, grow, 200<<20)
			return err != nil || next != small
		})
		if st := p.Stats(); err != nil || st.Replaced == 0 || st.Crashed != 0 {
			t.Errorf("%v, %+v", err, st)
		}
	})
}

// Whoever panics in a process is told of, and the process is replaced.
func TestPanic(t *testing.T) {
	for name, e := range map[string]Executor{"thread": Thread{}, "process": silent()} {
		p := open(t, e, Options{Size: 1})
		_, err := Run(soon(t), p, die, "panic")
		died, ok := errors.AsType[*PanicError](err)
		if !ok || died.Value != "so it goes" || !strings.Contains(died.Stack, "dieOf") {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := Run(soon(t), p, sum, 10); err != nil || got != 45 {
			t.Errorf("%s: %d, %v", name, got, err)
		}
		if st := p.Stats(); st.Replaced != 1 && name == "process" || st.Crashed != 0 {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

// A worker that says that it panicked is replaced, though it would go on.
func TestPanicThatIsToldOf(t *testing.T) {
	p := open(t, nodeWorkers(proctest.FirstNode(t)), Options{Size: 1})
	before, err := Run(soon(t), p, pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Run(soon(t), p, &Task[int, int]{Name: "panics"}, 0)
	if died, ok := errors.AsType[*PanicError](err); !ok || died.Value != "so it goes" || died.Stack == "" {
		t.Errorf("%v", err)
	}
	if after, err := Run(soon(t), p, pid, 0); err != nil || after == before || !gone(before) {
		t.Errorf("%d after %d, %v", after, before, err)
	}
}

// A spare is started beside the worker that a task needs, and takes its place.
func TestSpares(t *testing.T) {
	p := open(t, silent(), Options{Size: 1, Spares: 1, Queue: 1})
	for range 3 {
		if _, err := Run(soon(t), p, sum, 10); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the spare is there", func() bool { return p.Stats().Workers == 2 })
		var died *CrashError
		if _, err := Run(soon(t), p, die, "exit"); !errors.As(err, &died) {
			t.Errorf("%v", err)
		}
		if st := p.Stats(); st.Workers == 0 {
			t.Errorf("%+v", st)
		}
	}
}

func TestWorkersThatDoNotStart(t *testing.T) {
	dir := t.TempDir()
	mute := filepath.Join(dir, "mute.sh")
	if err := os.WriteFile(mute, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		e          Process
	}{
		{"missing", "spawn /nowhere/worker: no such file", Process{Path: "/nowhere/worker"}},
		{"ends", "ended before it was ready: exit 1", Process{Path: "/bin/false"}},
		{"mute", "not ready within 100ms", Process{Path: mute, StartTimeout: 100 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t, tt.e, Options{Size: 2, Queue: 10})
			if err := p.Warm(soon(t)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("warm: %v", err)
			}
			var all sync.WaitGroup
			for range 6 { // each task fails; none waits for ever
				all.Go(func() {
					if _, err := Run(soon(t), p, sum, 1); err == nil || !strings.Contains(err.Error(), tt.want) {
						t.Errorf("%v", err)
					}
				})
			}
			all.Wait()
			if st := p.Stats(); st.Workers != 0 || st.Queued != 0 {
				eventually(t, "all workers are given up", func() bool { return p.Stats().Workers == 0 })
			}
		})
	}
	p := open(t, Process{Path: "/nowhere/worker"}, Options{})
	if _, err := Run(soon(t), p, sum, 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestCloseByForceEndsProcesses(t *testing.T) {
	p := New(context.Background(), Process{}, Options{Size: 2, Queue: 10})
	if err := p.Warm(soon(t)); err != nil {
		t.Fatal(err)
	}
	forever := &Task[int, int]{Name: "hang"}
	var all []Future[int]
	for range 5 {
		all = append(all, submitted(t, p, forever, 0))
	}
	eventually(t, "two run", func() bool { return p.Stats().Running == 2 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("close: %v", err)
	}
	for _, f := range all {
		if _, err := f.Wait(soon(t)); !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
	}
	if err := p.Close(soon(t)); err != nil {
		t.Errorf("again: %v", err)
	}
}

// A worker keeps what it started until it ends, no longer.
func TestCloseDrains(t *testing.T) {
	p := New(context.Background(), Process{}, Options{Size: 1, Queue: 3})
	gate := filepath.Join(t.TempDir(), "gate")
	first := submitted(t, p, until, gate)
	second := submitted(t, p, sum, 10)
	closed := make(chan error)
	go func() { closed <- p.Close(soon(t)) }()
	eventually(t, "it is closing", func() bool {
		_, err := TrySubmit(soon(t), p, sum, 1)
		return errors.Is(err, ErrClosed)
	})
	touch(t, gate)
	worker, err := first.Wait(soon(t))
	if err != nil {
		t.Errorf("the task that ran: %v", err)
	}
	if got, err := second.Wait(soon(t)); err != nil || got != 45 {
		t.Errorf("the task that waited: %d, %v", got, err)
	}
	if err := <-closed; err != nil || !gone(worker) {
		t.Errorf("close: %v; the worker is gone: %v", err, gone(worker))
	}
}

// The end of the context given to New closes the pool by force.
func TestContextOfThePool(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := New(ctx, Process{}, Options{Size: 1})
	f := submitted(t, p, &Task[int, int]{Name: "hang"}, 0)
	cancel()
	if _, err := f.Wait(soon(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	if err := p.Close(soon(t)); err != nil {
		t.Error(err)
	}
}

// parent has a pool, and a worker that hangs, until it is killed.
func parent([]string) int {
	ctx := context.Background()
	p := New(ctx, Process{}, Options{Size: 2})
	if err := p.Warm(ctx); err != nil {
		fmt.Println(err)
		return 1
	}
	forever := &Task[int, int]{Name: "hang"}
	if _, err := Submit(ctx, p, forever, 0); err != nil {
		fmt.Println(err)
		return 1
	}
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for pid := range strings.FieldsSeq(string(text)) {
			fmt.Println(pid)
		}
	}
	fmt.Println("all")
	select {}
}

// When the pool's program is killed, no worker is left, not even one that computes.
func TestTheProgramIsKilled(t *testing.T) {
	cmd := proctest.Command("parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "all"; {
		var n int
		if _, err := fmt.Sscan(lines.Text(), &n); err != nil {
			t.Fatal(lines.Text())
		}
		pids = append(pids, n)
	}
	if len(pids) != 2 {
		t.Errorf("workers %v", pids)
	}
	cmd.Process.Kill()
	cmd.Wait()
	for _, n := range pids {
		eventually(t, fmt.Sprintf("worker %d ends", n), func() bool { return gone(n) })
	}
}

// forgetful does not call Serve, though it is a worker, and makes a pool itself.
func forgetful([]string) int {
	os.Setenv(workerVar, "1")
	p := New(context.Background(), Process{}, Options{})
	_, err := Run(context.Background(), p, sum, 1)
	fmt.Println(err)
	p.Close(context.Background())
	return 0
}

func TestNoForkBomb(t *testing.T) {
	out, err := proctest.Command("forgetful").Output()
	if err != nil || !strings.Contains(string(out), "must call IsWorker and Serve") {
		t.Errorf("%s%v", out, err)
	}
}

// What a worker starts is no worker, and has no part in its channel.
func TestEnvironmentOfAWorker(t *testing.T) {
	p := open(t, Process{}, Options{Size: 1})
	for _, name := range []string{workerVar, uniqueIDVar, "NODE_CHANNEL_FD"} {
		if has, err := Run(soon(t), p, getenv, name); err != nil || has {
			t.Errorf("%s: %v, %v", name, has, err)
		}
	}
	if has, err := Run(soon(t), p, getenv, "PATH"); err != nil || !has {
		t.Errorf("PATH: %v, %v", has, err)
	}
}

// Bun speaks the same channel.
func TestBunWorker(t *testing.T) {
	p := open(t, nodeWorkers(proctest.Node{Path: proctest.Bun(t)}), Options{Size: 1})
	if got, err := Run(soon(t), p, sum, 1000); err != nil || got != 499500 {
		t.Errorf("%d, %v", got, err)
	}
	if _, err := Run(soon(t), p, die, "exit"); err == nil || !strings.HasSuffix(err.Error(), "exit 7") {
		t.Errorf("%v", err)
	}
	if got, err := Run(soon(t), p, sum, 1000); err != nil || got != 499500 {
		t.Errorf("%d, %v", got, err)
	}
}

// Idle workers cost descriptors and parked goroutines, no threads.
func TestNoThreadPerWorker(t *testing.T) {
	const workers = 40
	p := open(t, Process{Path: proctest.Self(), Fork: child.ForkOptions{Env: append(os.Environ(), workerVar+"=1")}}, Options{Size: workers})
	before := threads(t)
	if err := p.Warm(soon(t)); err != nil {
		t.Fatal(err)
	}
	if more := threads(t) - before; more > workers/2 {
		t.Errorf("%d more threads for %d workers", more, workers)
	}
}

func threads(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
