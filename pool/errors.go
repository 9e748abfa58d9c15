package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tendproc/tend/child"
)

var (
	// ErrFull is what [TrySubmit] says when there is no room in the queue.
	ErrFull = errors.New("the pool is full")
	// ErrClosed is the error of tasks that came too late, or were given up when the
	// pool was closed by force.
	ErrClosed = errors.New("the pool is closed")
)

// TaskError is what a task in another process failed with: errors cross the
// channel as text.
type TaskError struct {
	Task    string
	Message string
}

func (e *TaskError) Error() string { return fmt.Sprintf("task %s: %s", e.Task, e.Message) }

// PanicError says that a task panicked, here or in another process.
type PanicError struct {
	Task  string
	Value any    // in another process its text
	Stack string // of the goroutine that panicked
}

func (e *PanicError) Error() string { return fmt.Sprintf("task %s: panic: %v", e.Task, e.Value) }

// Unwrap gives the value of the panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// CrashError says that a worker ended in the midst of a task, and how: a signal
// as from a segmentation fault or the kernel's out-of-memory killer, or an exit.
type CrashError struct {
	Task string // "" if it had none: it ended before it was ready
	PID  int
	Exit child.Exit
}

func (e *CrashError) Error() string {
	if e.Task == "" {
		return fmt.Sprintf("worker %d ended before it was ready: %v", e.PID, e.Exit)
	}
	return fmt.Sprintf("task %s: worker %d ended: %v", e.Task, e.PID, e.Exit)
}

// TimeoutError says that a task ran for longer than its Timeout. It is a
// [context.DeadlineExceeded].
type TimeoutError struct {
	Task  string
	After time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("task %s: not done within %v", e.Task, e.After)
}

func (e *TimeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout makes it one for those who ask as package net does.
func (e *TimeoutError) Timeout() bool { return true }
