package daemon

import (
	"context"
	"errors"
	"log"
	"path/filepath"
	"time"

	"github.com/tendproc/tend/cluster"
	"github.com/tendproc/tend/internal/keeper"
	"github.com/tendproc/tend/internal/logs"
	"github.com/tendproc/tend/internal/machine"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/supervisor"
)

// lastWords is how long the end waits for output that is still on its way.
const lastWords = 5 * time.Second

// parts are what guards apps, from the bottom up.
type parts struct {
	logs       *logs.Store
	primary    *cluster.Primary
	runner     *runner.Runner
	supervisor *supervisor.Supervisor
	log        *log.Logger
}

func newParts(home string, logger *log.Logger) (*parts, error) {
	p := &parts{log: logger}
	dir := filepath.Join(home, keeper.LogsName)
	p.logs = logs.NewStore(logs.Options{Dir: dir, OnError: func(err error) { logger.Printf("logs: %v", err) }})
	// What they report of each other is called only once they run.
	var err error
	p.primary, err = cluster.NewPrimary(cluster.PrimaryOptions{OnEvent: func(e cluster.Event) { p.runner.ClusterEvent(e) }})
	if err != nil {
		return nil, err
	}
	p.runner = runner.New(runner.Options{
		Logs: p.logs, Primary: p.primary, Home: home,
		Report: func(k runner.Key, r runner.Report) { p.supervisor.Report(k, r) },
	})
	p.supervisor = supervisor.New(supervisor.Options{Runner: p.runner, Machine: machine.OS{}, LogDir: dir})
	return p, nil
}

// start runs the parts. The returned function stops them, top first, and waits.
func (p *parts) start(ctx context.Context, g *group) (stop func()) {
	stopPrimary := g.start(ctx, "cluster", p.primary.Run)
	stopSupervisor := g.start(ctx, "supervisor", p.supervisor.Run)
	return func() {
		soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
		stopSupervisor()
		err := p.runner.Close(soon)
		stopPrimary()
		if err := errors.Join(err, p.logs.Stop(soon)); err != nil {
			p.log.Printf("stop: %v", err)
		}
	}
}
