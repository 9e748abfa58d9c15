package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/tendproc/tend/internal/cli"
	"github.com/tendproc/tend/internal/daemon"
	"github.com/tendproc/tend/internal/logs"
)

// guardAt makes guards whose home is the folder at, for "" one of their own.
func guardAt(at string, asPM2 bool) func(context.Context, cli.Console) (cli.Guard, error) {
	return func(ctx context.Context, show cli.Console) (cli.Guard, error) {
		o := daemon.GuardOptions{
			Home: at, Version: programVersion(), PM2: asPM2, Log: log.New(os.Stderr, "tend: ", 0),
			Console: logs.Console{Out: os.Stdout, Err: os.Stderr, Stamp: show.Stamp},
		}
		if show.Out {
			o.Console.Err = os.Stdout
		}
		if info, err := os.Stdin.Stat(); show.Input && err == nil && info.Mode()&os.ModeCharDevice == 0 {
			o.Input = os.Stdin
		}
		return daemon.NewGuard(ctx, o)
	}
}

// heed gives the signals that a guard in the foreground heeds.
func heed() (<-chan os.Signal, func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	return signals, func() { signal.Stop(signals) }
}
