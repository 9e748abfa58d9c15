package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/tendproc/tend/ipc"
	"github.com/tendproc/tend/process"
)

// IsWorker tells that this process is the worker of a pool in another one, and
// that its main is to call [Serve]. The first call takes that out of the environment:
// what this process starts is no worker.
func IsWorker() bool { return workerBoard() != "" }

// workerBoard is the number of the descriptor of this worker's board, "" if this
// process is none.
var workerBoard = sync.OnceValue(func() string {
	fd := os.Getenv(workerVar)
	os.Unsetenv(workerVar) // what this process starts is none
	return fd
})

// Runnable is any [Task] with a function.
type Runnable interface {
	name() string
	serve(ctx context.Context, r request, dst []byte) (out []byte, err error) // appends to dst
}

// Serve does the tasks that the pool of the parent process sends, until that has no
// more use of this process, or is gone (nil), or ctx ends (its cause). Then end the
// program: a task that still runs has nobody to answer. The error wraps a
// [*PanicError] after a task panicked, which the pool was told: this process is
// replaced. Call it once, with all tasks that a pool may ask for.
func Serve(ctx context.Context, tasks ...Runnable) error {
	ch, err := process.Channel()
	if err != nil {
		return fmt.Errorf("serve a pool: %w", err)
	}
	var b *board
	if fd, err := strconv.Atoi(workerBoard()); err == nil && fd > 2 {
		if b, err = openBoard(fd); err != nil {
			return fmt.Errorf("serve a pool: %w", err)
		}
	}
	s := &server{ch: ch, board: b, short: shortTask, tasks: map[string]Runnable{}, ended: make(chan error, 1)}
	for _, t := range tasks {
		s.tasks[t.name()] = t
	}
	if err := s.serve(ctx); err != nil {
		return fmt.Errorf("serve a pool: %w", err)
	}
	return nil
}

// server is the worker's side of a pool. One goroutine leads: it reads the channel,
// and does what it reads itself, for to wake another takes longer than a short task.
// While a task is not short, another leads, hears of cancellations, and gives back
// what comes.
type server struct {
	ch     *ipc.Channel
	tasks  map[string]Runnable
	board  *board // may be nil
	short  time.Duration
	ended  chan error  // room for one
	buf    []byte      // for the answer; of who does the task
	relief *time.Timer // ends when the task is not short any more

	mu      sync.Mutex         // guards the rest
	last    uint64             // the task that was begun last
	doing   uint64             // the task; 0 for none
	free    chan struct{}      // closed when it is answered, while that is being done
	cancel  context.CancelFunc // of the task
	led     bool               // by another than who does the task
	stopped bool               // a task panicked: no more of them
}

func (s *server) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ahead := 0
	if s.board != nil {
		ahead = maxAhead
	}
	if err := s.ch.SendRaw(ctx, appendReady(nil, ahead)); err != nil {
		return err
	}
	s.relief = time.AfterFunc(s.short, func() { s.relieve(ctx) })
	defer s.relief.Stop()
	go s.lead(ctx) // ends with the channel or ctx, or with its task, if that is long
	return <-s.ended
}

// keptText is how much memory is kept for the next answer.
const keptText = 64 << 10

func (s *server) end(err error) {
	select {
	case s.ended <- err:
	default:
	}
}

// lead reads until the channel ends, or until it has done a task that was not short.
func (s *server) lead(ctx context.Context) {
	for {
		m, err := s.ch.Receive(ctx)
		if errors.Is(err, io.EOF) {
			s.end(nil)
			return
		}
		if err != nil {
			s.end(err)
			return
		}
		if m.Handle != nil {
			m.Handle.Close()
		}
		if !s.hear(ctx, m) {
			return
		}
	}
}

// hear does a task, gives it back, or tells one that it is not wanted any more. It
// returns false if another leads now, or nobody is to.
func (s *server) hear(ctx context.Context, m ipc.Message) bool {
	r, quick := quickRequest(m.Data)
	if !quick && m.Decode(&r) != nil || r.ID == 0 {
		return true // none of ours
	}
	if r.Cancel {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.doing == r.ID {
			s.cancel()
		}
		return true
	}
	run, ok := s.begin(ctx, r.ID)
	if !ok {
		if err := s.ch.SendRaw(ctx, appendReturn(nil, r.ID)); err != nil {
			s.end(err)
			return false
		}
		return true
	}
	return s.answer(run, r)
}

// begin makes id the task that is being done, if none is.
func (s *server) begin(ctx context.Context, id uint64) (context.Context, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.free != nil {
		free := s.free
		s.mu.Unlock()
		<-free
		s.mu.Lock()
	}
	if s.doing != 0 || s.stopped {
		return nil, false
	}
	if s.board != nil && !s.board.begin(s.last, id) {
		s.stopped = true
		return nil, false
	}
	s.last, s.doing = id, id
	ctx, s.cancel = context.WithCancel(ctx)
	s.relief.Reset(s.short)
	return ctx, true
}

// relieve leads beside a task that is not short.
func (s *server) relieve(ctx context.Context) {
	s.mu.Lock()
	relieves := s.doing != 0 && !s.led
	s.led = s.led || relieves
	s.mu.Unlock()
	if relieves {
		s.lead(ctx)
	}
}

// did says that the task only has to be answered.
func (s *server) did() {
	s.relief.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel()
	if s.led {
		s.free = make(chan struct{})
	}
}

// done makes room for the next task, and tells whether the caller leads on.
func (s *server) done(panicked bool) (leads bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doing = 0
	leads = !s.led
	s.led = false
	s.stopped = s.stopped || panicked
	if s.free != nil {
		close(s.free)
		s.free = nil
	}
	return leads && !panicked
}

// answer does the task and says what came of it.
func (s *server) answer(ctx context.Context, r request) (leads bool) {
	err := errGoexit
	text := appendOutput(s.buf[:0], r.ID)
	defer func() {
		_, panicked := errors.AsType[*PanicError](err)
		left := err == errGoexit //nolint:errorlint // this very one: the task left by Goexit
		ctx := context.WithoutCancel(ctx)
		s.did()
		var sent error
		if err == nil {
			text = append(text, '}')
			sent = s.ch.SendRaw(ctx, text)
			if s.buf = nil; cap(text) <= keptText {
				s.buf = text
			}
		} else {
			sent = s.ch.Send(ctx, answerOf(r.ID, err))
		}
		if panicked {
			sent = err
		}
		leads = s.done(panicked)
		if sent != nil {
			s.end(sent)
			leads = false
		} else if left && leads {
			go s.lead(ctx)
		}
	}()
	text, err = s.run(ctx, r, text)
	return false
}

func (s *server) run(ctx context.Context, r request, dst []byte) (out []byte, err error) {
	t := s.tasks[r.Task]
	if t == nil {
		return nil, errors.New("the worker does not know it")
	}
	return t.serve(ctx, r, dst)
}

// failed is what an answer says of a task that did not succeed.
type failed struct {
	ID    uint64  `json:"id"`
	Error string  `json:"error"`
	Panic *string `json:"panic,omitempty"`
	Stack string  `json:"stack,omitempty"`
}

func answerOf(id uint64, err error) failed {
	if p, ok := errors.AsType[*PanicError](err); ok {
		text := fmt.Sprint(p.Value)
		return failed{ID: id, Error: text, Panic: &text, Stack: p.Stack}
	}
	return failed{ID: id, Error: err.Error()}
}

func (t *Task[In, Out]) name() string { return t.Name }

func (t *Task[In, Out]) serve(ctx context.Context, r request, dst []byte) ([]byte, error) {
	c := &call[In, Out]{task: t}
	if err := r.input(&c.in); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if err := c.Run(ctx); err != nil {
		return nil, err
	}
	out, err := appendJSON(dst, c.out)
	if err != nil {
		return nil, fmt.Errorf("output: %w", err)
	}
	return out, nil
}
