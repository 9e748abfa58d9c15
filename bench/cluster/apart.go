package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// part confines this process, which has the clients, to the upper half of its
// processors, and returns the lower half.
func part(ctx context.Context) (servers string, err error) {
	all, err := processors()
	if err != nil {
		return "", err
	}
	half := len(all) / 2
	if half == 0 {
		return "", errors.New("-apart needs two processors")
	}
	// Also the threads that there are: later ones inherit it.
	out, err := exec.CommandContext(ctx, "taskset", "-a", "-p", "-c", strings.Join(all[half:], ","), strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("-apart: taskset: %w\n%s", err, out)
	}
	return strings.Join(all[:half], ","), nil
}

// processors are those that this process may run on, which need not be all.
func processors() (list []string, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	_, spans, _ := strings.Cut(string(status), "Cpus_allowed_list:")
	spans, _, _ = strings.Cut(spans, "\n")
	for span := range strings.SplitSeq(strings.TrimSpace(spans), ",") { // such as 0-2,5
		first, last, ok := strings.Cut(span, "-")
		if !ok {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		for ; from <= to; from++ {
			list = append(list, strconv.Itoa(from))
		}
	}
	return list, nil
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
