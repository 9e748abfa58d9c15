package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/ipc"
)

// channels are the two ends of one.
func channels(t *testing.T) (a, b *ipc.Channel) {
	t.Helper()
	ours, theirs, err := sys.Socketpair("pool")
	if err != nil {
		t.Fatal(err)
	}
	var both []*ipc.Channel
	for _, f := range []*os.File{ours, theirs} {
		c, err := ipc.NewConn(f, ipc.ConnOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ch := ipc.NewChannel(c)
		t.Cleanup(func() { ch.Close() })
		both = append(both, ch)
	}
	return both[0], both[1]
}

// scripted is an Executor with one worker, whose part the test plays.
type scripted struct {
	w *processWorker
	*ipc.Channel
}

func newScripted(t *testing.T) *scripted {
	t.Helper()
	p, err := child.Start(child.Command{Path: "sleep", Args: []string{"1000"}})
	if err != nil {
		t.Fatal(err)
	}
	board, err := newBoard()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := channels(t)
	return &scripted{
		w:       &processWorker{p: p, ch: ours, board: board, ahead: 3, short: time.Hour, ctx: context.Background(), detach: func() bool { return true }},
		Channel: theirs,
	}
}

func (s *scripted) Size() int                             { return 1 }
func (s *scripted) Start(context.Context) (Worker, error) { return s.w, nil }

// asked reads n requests and returns their ids and inputs.
func (s *scripted) asked(t *testing.T, n int) (ids []uint64, inputs string) {
	t.Helper()
	for range n {
		m, err := s.Receive(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		r, ok := quickRequest(m.Data)
		if !ok {
			t.Fatalf("%s", m.Data)
		}
		ids = append(ids, r.ID)
		inputs += string(r.In) + " "
	}
	return ids, inputs
}

func (s *scripted) say(t *testing.T, format string, args ...any) {
	t.Helper()
	if err := s.SendRaw(soon(t), fmt.Appendf(nil, format, args...)); err != nil {
		t.Fatal(err)
	}
}

// After a short task three more are given beside the next, and what is given back
// comes again before what waits.
func TestTasksAhead(t *testing.T) {
	s := newScripted(t)
	defer s.w.kill() // it does not know the end of its channel
	p := open(t, s, Options{Queue: 100})
	var all []Future[int]
	for i := range 7 {
		all = append(all, submitted(t, p, sum, i))
	}
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("the worker was given %q, want %q", got, want)
		}
	}
	ids, inputs := s.asked(t, 1)
	check(inputs, "0 ")
	s.say(t, `{"id":%d,"out":0}`, ids[0])
	ids, inputs = s.asked(t, 4)
	check(inputs, "1 2 3 4 ")
	if st := p.Stats(); st.Running != 4 || st.Queued != 2 {
		t.Errorf("%+v", st)
	}
	// The one in front is long: back with the others.
	for _, id := range ids[1:] {
		s.say(t, `{"id":%d,"returned":true}`, id)
	}
	eventually(t, "they are back", func() bool { return p.Stats().Queued == 5 })
	s.say(t, `{"id":%d,"out":10}`, ids[0])
	var again string
	for range 5 {
		ids, inputs := s.asked(t, 1)
		again += inputs
		s.say(t, `{"id":%d,"out":%s0}`, ids[0], strings.TrimSpace(inputs))
	}
	check(again, "2 3 4 5 6 ")
	for i, f := range all {
		if got, err := f.Wait(soon(t)); err != nil || got != 10*i {
			t.Errorf("task %d: %d, %v", i, got, err)
		}
	}
}

// When the worker dies, the task that it had begun fails, whichever that is, and the
// others are given to the next worker in their order.
func TestTheBoardTellsWhoFails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		begun  int // of those without an answer; -1 for none of them
		failed string
	}{{"the first", 0, "1 "}, {"none", -1, ""}} {
		t.Run(tt.name, func(t *testing.T) {
			s, next := newScripted(t), newScripted(t)
			defer next.w.kill()
			var playing sync.WaitGroup
			t.Cleanup(playing.Wait)
			p := open(t, &inTurn{workers: []*scripted{s, next}}, Options{Queue: 100})
			var all []Future[int]
			for i := range 5 {
				all = append(all, submitted(t, p, sum, i))
			}
			ids, _ := s.asked(t, 1)
			s.say(t, `{"id":%d,"out":0}`, ids[0])
			answered := ids[0]
			ids, _ = s.asked(t, 4)
			begun := answered
			if tt.begun >= 0 {
				begun = ids[tt.begun]
			}
			s.w.board.word.Store(begun)
			if err := s.w.p.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			s.Close()
			playing.Go(func() {
				for m, err := range next.Messages(context.Background()) {
					if r, ok := quickRequest(m.Data); err == nil && ok {
						_ = next.SendRaw(context.Background(), fmt.Appendf(nil, `{"id":%d,"out":%s0}`, r.ID, r.In))
					}
				}
			})
			failed := ""
			for i, f := range all {
				got, err := f.Wait(soon(t))
				if crash, ok := errors.AsType[*CrashError](err); ok && crash.Exit.Signal == syscall.SIGKILL {
					failed += fmt.Sprint(i, " ")
				} else if err != nil || got != 10*i {
					t.Errorf("task %d: %d, %v", i, got, err)
				}
			}
			if failed != tt.failed {
				t.Errorf("failed: %q, want %q", failed, tt.failed)
			}
		})
	}
}

// inTurn gives one scripted worker after the other.
type inTurn struct {
	workers []*scripted
	next    atomic.Int32
}

func (i *inTurn) Size() int { return 1 }
func (i *inTurn) Start(ctx context.Context) (Worker, error) {
	return i.workers[i.next.Add(1)-1].Start(ctx)
}

// A worker does what it has in turn, gives back what is ahead of a task that is not
// short, and hears meanwhile that it is not wanted.
func TestServeAhead(t *testing.T) {
	ours, theirs := channels(t)
	hold, held := make(chan struct{}), make(chan struct{})
	slow := NewTask("slow", func(ctx context.Context, _ int) (int, error) {
		close(held)
		select {
		case <-hold:
			return 1, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	})
	worker := &server{
		ch: theirs, board: &board{word: new(atomic.Uint64)}, short: time.Millisecond, ended: make(chan error, 1),
		tasks: map[string]Runnable{"slow": slow, "sum": sum, "die": die},
	}
	ended := make(chan error, 1)
	go func() { ended <- worker.serve(context.Background()) }()
	say := func(text string) {
		t.Helper()
		if err := ours.SendRaw(soon(t), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	hears := func(want string) {
		t.Helper()
		m, err := ours.Receive(soon(t))
		if got, _, _ := strings.Cut(string(m.Data), `,"panic"`); err != nil || got != want {
			t.Fatalf("it said %s, %v; want %s", m.Data, err, want)
		}
	}
	hears(`{"ready":true,"ahead":7}`)
	say(`{"id":1,"task":"sum","in":3}`)
	say(`{"id":2,"task":"sum","in":4,"more":1}`)
	hears(`{"id":1,"out":3}`)
	hears(`{"id":2,"out":6}`)
	say(`{"id":3,"task":"slow","in":0}`)
	<-held
	if begun := worker.board.begun(); begun != 3 {
		t.Errorf("the board says %d", begun)
	}
	say(`{"id":4,"task":"sum","in":3}`)
	hears(`{"id":4,"returned":true}`)
	say(`{"id":3,"cancel":true}`)
	hears(`{"id":3,"error":"context canceled"}`)
	say(`{"id":5,"task":"leave?","in":0}`)
	hears(`{"id":5,"error":"the worker does not know it"}`)
	say(`{"id":6,"task":"die","in":"panic"}`)
	hears(`{"id":6,"error":"so it goes"`)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "so it goes") {
		t.Errorf("it ended with %v", err)
	}
}

// Of a lot of short tasks, no kill fails more than the one that its worker had begun,
// none runs twice, and none is lost.
func TestKillsAmongShortTasks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ran")
	touch(t, path)
	p := open(t, silent(), Options{Size: 2, Queue: 1000})
	const tasks, kills = 1000, 10
	var all []Future[int]
	for i := range tasks {
		all = append(all, submitted(t, p, mark, marked{path, i}))
	}
	var killer sync.WaitGroup
	killer.Go(func() {
		for i := range kills {
			// As the work goes on, wherever it is. How the task ended is told below.
			_, _ = all[(i+1)*tasks/(kills+1)].Wait(soon(t))
			p.mu.Lock()
			for s := range p.slots {
				if w, ok := s.worker.(*processWorker); ok {
					_ = w.p.Signal(syscall.SIGKILL)
					break
				}
			}
			p.mu.Unlock()
		}
	})
	failed := map[int]bool{}
	for i, f := range all {
		got, err := f.Wait(soon(t))
		if crash, ok := errors.AsType[*CrashError](err); ok && crash.Exit.Signal == syscall.SIGKILL {
			failed[i] = true
		} else if err != nil || got != i {
			t.Errorf("task %d: %d, %v", i, got, err)
		}
	}
	killer.Wait()
	if len(failed) > kills {
		t.Errorf("%d kills failed %d tasks", kills, len(failed))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ran := map[int]int{}
	for line := range strings.Lines(string(text)) {
		var n int
		if _, err := fmt.Sscan(line, &n); err != nil {
			t.Fatal(err)
		}
		ran[n]++
	}
	for i := range tasks {
		if n := ran[i]; n > 1 || n == 0 && !failed[i] {
			t.Errorf("task %d ran %d times", i, n)
		}
	}
}

// Short tasks that a worker has ahead go to others when it is busy for longer.
func TestALongTaskHoldsNobodyUp(t *testing.T) {
	p := open(t, Process{}, Options{Size: 2, Queue: 1000})
	for round := range 20 {
		for range 50 {
			submitted(t, p, sum, 1)
		}
		path := filepath.Join(t.TempDir(), "go")
		long := submitted(t, p, until, path)
		var short []Future[int]
		for i := range 50 {
			short = append(short, submitted(t, p, sum, i))
		}
		for i, f := range short {
			if got, err := f.Wait(soon(t)); err != nil || got != i*(i-1)/2 {
				t.Fatalf("round %d, task %d: %d, %v", round, i, got, err)
			}
		}
		touch(t, path)
		if _, err := long.Wait(soon(t)); err != nil {
			t.Error(err)
		}
	}
	if st := p.Stats(); st.Replaced != 0 || st.Failed != 0 {
		t.Errorf("%+v", st)
	}
}

// Tasks that are cancelled while they are ahead end, and no other does.
func TestCancelAhead(t *testing.T) {
	p := open(t, Process{}, Options{Size: 2, Queue: 1000})
	for range 10 {
		ctx, cancel := context.WithCancel(context.Background())
		var kept, cancelled []Future[int]
		for i := range 50 {
			kept = append(kept, submitted(t, p, sum, i))
			f, err := Submit(ctx, p, sum, i)
			if err != nil {
				t.Error(err)
				break
			}
			cancelled = append(cancelled, f)
		}
		cancel()
		for i, f := range kept {
			if got, err := f.Wait(soon(t)); err != nil || got != i*(i-1)/2 {
				t.Errorf("task %d: %d, %v", i, got, err)
			}
		}
		for i, f := range cancelled {
			if got, err := f.Wait(soon(t)); err == nil && got != i*(i-1)/2 || err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled task %d: %d, %v", i, got, err)
			}
		}
	}
	if st := p.Stats(); st.Crashed != 0 {
		t.Errorf("%+v", st)
	}
}

// What bounds a worker bounds it among tasks ahead too, and what ends one of them
// leaves the others alone.
func TestTasksAheadOfAnEnd(t *testing.T) {
	t.Run("MaxTasks", func(t *testing.T) {
		p := open(t, Process{MaxTasks: 10}, Options{Size: 2, Queue: 200})
		var all []Future[int]
		for range 100 {
			all = append(all, submitted(t, p, pid, 0))
		}
		did := map[int]int{}
		for _, f := range all {
			got, err := f.Wait(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			did[got]++
		}
		for pid, n := range did {
			if n > 10 {
				t.Errorf("worker %d did %d tasks", pid, n)
			}
		}
	})
	for name, bad := range map[string]func(*Pool) error{
		"panic":   func(p *Pool) error { _, err := Run(soon(t), p, die, "panic"); return err },
		"exit":    func(p *Pool) error { _, err := Run(soon(t), p, die, "exit"); return err },
		"timeout": func(p *Pool) error { _, err := Run(soon(t), p, hang, 0); return err },
		"Goexit":  func(p *Pool) error { _, err := Run(soon(t), p, leave, 0); return err },
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, silent(), Options{Size: 1, Queue: 1000})
			var all []Future[int]
			var ends sync.WaitGroup
			for i := range 100 {
				if i%40 == 20 {
					ends.Go(func() {
						if err := bad(p); err == nil {
							t.Error("it did not fail")
						}
					})
				}
				all = append(all, submitted(t, p, sum, i))
			}
			for i, f := range all {
				if got, err := f.Wait(soon(t)); err != nil || got != i*(i-1)/2 {
					t.Errorf("task %d: %d, %v", i, got, err)
				}
			}
			ends.Wait()
		})
	}
}

// stopped has the pool's one worker stop, as a debugger does it: it reads nothing more.
func stopped(t *testing.T, p *Pool) {
	t.Helper()
	n, err := Run(soon(t), p, pid, 0)
	if err == nil {
		err = syscall.Kill(n, syscall.SIGSTOP)
	}
	if err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus // until then some of its threads may run
	if _, err := syscall.Wait4(n, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatal(status, err)
	}
}

// The grace ends although the worker has not even read the task.
func TestGraceOfWorkerThatDoesNotRead(t *testing.T) {
	p := open(t, Process{Grace: 50 * time.Millisecond}, Options{Size: 1})
	stopped(t, p)
	long := &Task[string, string]{Name: "echo", Timeout: 100 * time.Millisecond}
	_, err := Run(soon(t), p, long, strings.Repeat("x", 8<<20))
	if _, ok := errors.AsType[*TimeoutError](err); !ok {
		t.Errorf("%v", err)
	}
	if _, err := Run(soon(t), p, pid, 0); err != nil {
		t.Error(err)
	}
}

// A task whose caller was told that its time is over is not begun after that.
func TestTimedOutBeforeItBegan(t *testing.T) {
	p := open(t, Process{}, Options{Size: 1})
	stopped(t, p)
	path := filepath.Join(t.TempDir(), "marks")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	short := &Task[marked, int]{Name: "mark", Timeout: 100 * time.Millisecond}
	_, err := Run(soon(t), p, short, marked{path, 1})
	if _, ok := errors.AsType[*TimeoutError](err); !ok {
		t.Errorf("%v", err)
	}
	if _, err := Run(soon(t), p, mark, marked{path, 2}); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "2\n" {
		t.Errorf("%q, %v", text, err)
	}
	if s := p.Stats(); s.Failed != 1 || s.Done != 3 || s.Running != 0 {
		t.Errorf("%+v", s)
	}
}
