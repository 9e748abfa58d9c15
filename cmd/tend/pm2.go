package main

import (
	"context"
	"os"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/cli"
	"github.com/tendproc/tend/internal/daemon"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
)

// runPM2 is PM2, by one of its names.
func runPM2(ctx context.Context, name string, args []string, stdio cli.IO) int {
	get, run := os.Getenv, cli.RunPM2
	switch name {
	case pm2.RuntimeName:
		run = cli.RunPM2Runtime
	case pm2.DevName:
		run, get = cli.RunPM2Dev, pm2.DevHome(get)
	}
	home := pm2.HomeOf(get, os.Getenv("HOME"))
	stdio.Guard = guardAt(home.Dir, true)
	return run(ctx, args, stdio, cli.PM2{Home: home, Daemon: reachPM2{reach(home.Dir), home}})
}

// reachPM2 is the way to the daemon of a PM2 home.
type reachPM2 struct {
	reach
	home pm2.Home
}

func (r reachPM2) Foreground() error { return daemon.ForegroundPM2(r.home) }

func (r reachPM2) Ensure(ctx context.Context) (api.Service, error) {
	svc, err := r.Connect(ctx)
	if fault.CodeOf(err) != fault.Unavailable {
		return svc, err
	}
	if err := daemon.StartPM2(ctx, r.home); err != nil {
		return nil, err
	}
	return r.Connect(ctx)
}
