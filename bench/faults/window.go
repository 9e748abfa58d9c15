package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"time"

	"github.com/tendproc/tend/bench/rig"
)

// window kills the daemon exactly where round-robin has a connection that nobody
// else has: as it enters the call that passes it on. Beside it, as it enters the
// call that accepts one. It needs strace.
func window(ctx context.Context, b *bench) (err error) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		fmt.Println("no strace")
		return nil
	}
	s, err := b.tend(ctx, setup{scheduler: "rr"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	fmt.Print("| killed on entering | kills | requests | failed | how |\n|---|---|---|---|---|\n")
	for _, call := range []string{"accept4", "sendmsg"} {
		n, err := s.underLoad(ctx, func() error {
			for range b.times {
				if err := s.killOn(ctx, strace, call); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		fmt.Printf("| `%s` | %d | %d | %d | %s |\n", call, b.times, n.requests(), n.failed(), n.kinds())
		n.tell(call)
	}
	return nil
}

// killOn kills the daemon when one of its threads enters a call for the 30th time.
func (s *subject) killOn(ctx context.Context, strace, call string) error {
	if err := rig.Rest(ctx, 300*time.Millisecond); err != nil {
		return err
	}
	pid := s.daemon()
	cmd := exec.CommandContext(ctx, strace, "-f", "-qq", "-o", "/dev/null", "-p", strconv.Itoa(pid),
		"-e", "trace="+call, "-e", "inject="+call+":signal=KILL:when=30")
	if err := cmd.Run(); err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return s.run(ctx, "ping") // answered by the next one
}
