package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
)

// part confines this process, which has the clients, to the upper half of the
// processors, and returns the lower half.
func part(ctx context.Context) (servers string, err error) {
	n := runtime.NumCPU()
	if n < 2 {
		return "", errors.New("-apart needs two processors")
	}
	clients := fmt.Sprintf("%d-%d", n/2, n-1)
	// Also the threads that there are: later ones inherit it.
	out, err := exec.CommandContext(ctx, "taskset", "-a", "-p", "-c", clients, strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("-apart: taskset: %w\n%s", err, out)
	}
	return fmt.Sprintf("0-%d", n/2-1), nil
}

// place has cmd run, with all that it starts, on the servers' processors.
func (s *stand) place(cmd *exec.Cmd) *exec.Cmd {
	if s.processors == "" || cmd.Err != nil {
		return cmd
	}
	path, err := exec.LookPath("taskset")
	cmd.Args = append([]string{"taskset", "-c", s.processors, cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Err = path, err
	return cmd
}
