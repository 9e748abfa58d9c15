package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/tendproc/tend/ipc"
	"github.com/tendproc/tend/process"
)

// IsWorker tells that this process is the worker of a pool in another one, and
// that its main is to call [Serve].
func IsWorker() bool { return isWorker() }

var isWorker = sync.OnceValue(func() bool {
	_, ok := os.LookupEnv(workerVar)
	os.Unsetenv(workerVar) // what this process starts is none
	return ok
})

// Runnable is any [Task] with a function.
type Runnable interface {
	name() string
	serve(ctx context.Context, in []byte) (out []byte, err error)
}

// Serve does the tasks that the pool of the parent process sends, until that has no
// more use of this process, or is gone, or ctx ends. Then end the program: a task
// that still runs has nobody to answer. The error is a [*PanicError] after a task
// panicked, which the pool was told: this process is replaced.
func Serve(ctx context.Context, tasks ...Runnable) error {
	ch, err := process.Channel()
	if err != nil {
		return fmt.Errorf("serve a pool: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(ErrClosed)
	s := &server{ch: ch, tasks: map[string]Runnable{}, cancels: map[uint64]context.CancelFunc{}, fail: cancel}
	for _, t := range tasks {
		s.tasks[t.name()] = t
	}
	if err := ch.SendRaw(ctx, []byte(readyMessage)); err != nil {
		return fmt.Errorf("serve a pool: %w", err)
	}
	for m, err := range ch.Messages(ctx) {
		if err != nil {
			return fmt.Errorf("serve a pool: %w", err)
		}
		if m.Handle != nil {
			m.Handle.Close()
		}
		s.hear(ctx, m)
	}
	return nil
}

// server is the worker's side of a pool.
type server struct {
	ch    *ipc.Channel
	tasks map[string]Runnable
	fail  context.CancelCauseFunc

	mu      sync.Mutex // guards cancels
	cancels map[uint64]context.CancelFunc
}

// hear starts a task, or tells one that it is not wanted any more.
func (s *server) hear(ctx context.Context, m ipc.Message) {
	var r request
	if m.Decode(&r) != nil || r.ID == 0 {
		return // none of ours
	}
	if r.Cancel {
		s.mu.Lock()
		cancel := s.cancels[r.ID]
		s.mu.Unlock()
		if cancel != nil {
			cancel()
		}
		return
	}
	run, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	s.cancels[r.ID] = cancel
	s.mu.Unlock()
	go s.answer(run, r) // ends with the task, or the process
}

func (s *server) answer(ctx context.Context, r request) {
	out, err := s.run(ctx, r)
	s.mu.Lock()
	s.cancels[r.ID]()
	delete(s.cancels, r.ID)
	s.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	if err == nil {
		err = s.ch.SendRaw(ctx, appendOutput(nil, r.ID, out))
	} else {
		sent := s.ch.Send(ctx, answerOf(r.ID, err))
		if _, panicked := errors.AsType[*PanicError](err); !panicked {
			err = sent
		}
	}
	if err != nil {
		s.fail(err)
	}
}

func (s *server) run(ctx context.Context, r request) (out []byte, err error) {
	t := s.tasks[r.Task]
	if t == nil {
		return nil, errors.New("the worker does not know it")
	}
	return t.serve(ctx, r.In)
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

func (t *Task[In, Out]) serve(ctx context.Context, in []byte) ([]byte, error) {
	c := &call[In, Out]{task: t}
	if err := json.Unmarshal(in, &c.in); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if err := c.Run(ctx); err != nil {
		return nil, err
	}
	out, err := json.Marshal(c.out)
	if err != nil {
		return nil, fmt.Errorf("output: %w", err)
	}
	return out, nil
}
