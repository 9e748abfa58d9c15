package main

import (
	"context"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/daemon"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
)

// reachPM2 is the way to the daemon of a PM2 home.
type reachPM2 struct {
	reach
	home pm2.Home
}

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
