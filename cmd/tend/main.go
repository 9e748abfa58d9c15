// Tend guards processes: clusters of Node and Go workers, and any other program.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/cli"
	"github.com/tendproc/tend/internal/daemon"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/sys"
)

// commandGC has a command collect garbage less often than the daemon: most end
// before that pays.
const commandGC = 400

func main() {
	ctx := context.Background()
	args, name := pm2.Called(os.Args)
	asPM2 := name != ""
	if part, err := daemon.RunPart(ctx, args, daemon.Options{Version: programVersion(), PM2: asPM2}); part {
		if err != nil {
			fail(fmt.Errorf("%s: %w", args[0], err))
		}
		return
	}
	debug.SetGCPercent(commandGC)
	stdio := cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Environ(), Version: programVersion(), Signals: signals, Notify: heed, IsRoot: os.Geteuid() == 0}
	stdio.Width, _, stdio.Terminal = sys.Terminal(os.Stdout)
	var err error
	if stdio.Program, err = os.Executable(); err != nil {
		fail(err)
	}
	if stdio.Cwd, err = os.Getwd(); err != nil {
		fail(err)
	}
	if asPM2 {
		os.Exit(runPM2(ctx, name, args, stdio))
	}
	home, err := daemon.Home()
	if err != nil {
		fail(err)
	}
	served := os.Getenv("TEND_HOME")
	if served != "" || os.Getpid() == 1 { // nobody else can be there
		served = home
	}
	stdio.Guard = guardAt(served, false)
	os.Exit(cli.Run(ctx, args, stdio, reach(home)))
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

func (r reach) Foreground() error { return daemon.Foreground(string(r)) }

func (r reach) Ending(info event.Info) func(context.Context) { return daemon.Ending(info) }

func (r reach) Connect(ctx context.Context) (api.Service, error) {
	return daemon.Connect(ctx, string(r))
}

func (r reach) Ensure(ctx context.Context) (api.Service, error) {
	return daemon.Ensure(ctx, string(r))
}
