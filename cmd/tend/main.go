// Tend guards processes: clusters of Node and Go workers, and any other program.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/cli"
	"github.com/tendproc/tend/internal/daemon"
	"github.com/tendproc/tend/internal/sys"
)

func main() {
	ctx := context.Background()
	if part, err := daemon.RunPart(ctx, os.Args[1:], programVersion()); part {
		if err != nil {
			fail(fmt.Errorf("%s: %w", os.Args[1], err))
		}
		return
	}
	home, err := daemon.Home()
	if err != nil {
		fail(err)
	}
	stdio := cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Environ(), Version: programVersion(), Signals: signals}
	stdio.Width, _, stdio.Terminal = sys.Terminal(os.Stdout)
	if stdio.Program, err = os.Executable(); err != nil {
		fail(err)
	}
	if stdio.Cwd, err = os.Getwd(); err != nil {
		fail(err)
	}
	os.Exit(cli.Run(ctx, os.Args[1:], stdio, reach(home)))
}

// signals returns a context that the first Ctrl-C ends; the second ends the program.
func signals(ctx context.Context) context.Context {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "tend:", err)
	os.Exit(1)
}

// reach is how the command line comes to a daemon: by its home.
type reach string

func (r reach) Home() string { return string(r) }

func (r reach) Connect(ctx context.Context) (api.Service, error) {
	return daemon.Connect(ctx, string(r))
}

func (r reach) Ensure(ctx context.Context) (api.Service, error) {
	return daemon.Ensure(ctx, string(r))
}
