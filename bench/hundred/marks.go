package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// marks is a named pipe to which each app writes a byte when its program runs.
type marks struct {
	path string
	f    *os.File
	came chan time.Time
}

func openMarks(path string) (*marks, error) {
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return nil, fmt.Errorf("make the pipe %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0) // both ends: it never ends by itself
	if err != nil {
		return nil, err
	}
	m := &marks{path, f, make(chan time.Time, 1<<12)}
	go m.read() // ends with close
	return m, nil
}

func (m *marks) read() {
	buf := make([]byte, 1<<10)
	for {
		n, err := m.f.Read(buf)
		if err != nil {
			return
		}
		for range n {
			m.came <- time.Now()
		}
	}
}

// wait returns when the last of n came.
func (m *marks) wait(ctx context.Context, n int) (at time.Time, err error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for i := range n {
		select {
		case at = <-m.came:
		case <-timer.C:
			return at, fmt.Errorf("%d of %d apps ran within %v", i, n, patience)
		case <-ctx.Done():
			return at, ctx.Err()
		}
	}
	return at, nil
}

func (m *marks) close() { m.f.Close() }
