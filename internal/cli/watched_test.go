package cli

import (
	"bufio"
	"context"
	"errors"
	"os"
	"testing"

	"github.com/tendproc/tend/child"
)

// A program that is interrupted may put its things in order, as git its locks, also
// where a shell waits for it.
func TestInterruptedProgramIsAsked(t *testing.T) {
	// What it waits for is asked first, and does not hear.
	const program = `sh -c 'trap "" TERM; sleep 1000 & trap "echo in order; kill -9 $!; exit" TERM; echo ready; wait'; :`
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		c := &command{}
		ended <- c.watched(ctx, child.Command{Path: "sh", Args: []string{"-c", program}, Env: os.Environ()}, w)
		w.Close()
	}()
	var lines []string
	for s := bufio.NewScanner(r); s.Scan(); {
		lines = append(lines, s.Text())
		cancel()
	}
	if err := <-ended; !errors.Is(err, context.Canceled) || len(lines) != 2 || lines[1] != "in order" {
		t.Errorf("%q, %v", lines, err)
	}
}
