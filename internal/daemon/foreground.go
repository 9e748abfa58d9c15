package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/keeper"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/sys"
)

// unitFlag makes a keeper one that an init system has started.
const unitFlag = "--unit"

// Foreground guards home in this process, as an init system wants its services: it
// executes the keeper in its place.
func Foreground(home string) error { return foreground(ownSeat(home)) }

// ForegroundPM2 is [Foreground] for a home of PM2.
func ForegroundPM2(h pm2.Home) error { return foreground(pm2Seat(h)) }

func foreground(at seat) error {
	if err := prepare(at); err != nil {
		return err
	}
	self, err := os.Open(sys.SelfPath)
	if err != nil {
		return err
	}
	defer self.Close()
	return sys.Exec(self, nil, func([]int) []string { return []string{at.name, "keeper", "--home", at.home, unitFlag} }, without(os.Environ(), ties))
}

// runUnit is that keeper's life. Where a daemon serves already, which somebody else
// has started, it stands in for that one's keeper until that ends.
func runUnit(ctx context.Context, o Options) error {
	m, home := keeper.JoinSystem(), o.Home
	at := ownSeat(home)
	if o.PM2 {
		at = pm2Seat(*newFace(o).home)
	}
	err := keeper.RunUnit(m, home, at.log)
	if !errors.Is(err, keeper.ErrAnswered) {
		return err
	}
	a := &attendance{home: home, manager: m, orders: make(chan os.Signal, 4)}
	signal.Notify(a.orders, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	defer signal.Stop(a.orders)
	return a.run(ctx)
}

// attendance stands in for a keeper that belongs to somebody else.
type attendance struct {
	home    string
	manager *keeper.System
	orders  chan os.Signal
	told    bool // to end
}

// run ends when no daemon serves any more: in the way an init system expects if it
// has told so, else with an error, so that it starts a keeper of its own.
func (a *attendance) run(ctx context.Context) error {
	for {
		c, err := Connect(ctx, a.home)
		switch {
		case fault.CodeOf(err) == fault.Unavailable && a.told:
			return nil
		case err != nil:
			return fmt.Errorf("the daemon that served has ended: %w", err)
		}
		info, err := c.Ping(ctx)
		c.Close()
		if err != nil {
			return err
		}
		p, err := sys.OpenPidFD(info.KeeperPID)
		if err != nil { // it has ended
			p, err = sys.OpenPidFD(info.PID)
		}
		if err != nil {
			continue // both have, since
		}
		lines := []string{"READY=1", fmt.Sprintf("STATUS=daemon %d serves, started by others", info.PID)}
		if err := a.manager.Say(-1, lines...); err != nil {
			return errors.Join(err, p.Close())
		}
		err = a.attend(ctx, p)
		p.Close()
		if err != nil {
			return err
		}
	}
}

// attend returns when the keeper p has ended.
func (a *attendance) attend(ctx context.Context, p *sys.PidFD) error {
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { ended <- p.Ended(ctx) }() // ends with ctx
	var due <-chan time.Time
	if a.manager != nil && a.manager.Every > 0 {
		ticker := time.NewTicker(a.manager.Every / 2)
		defer ticker.Stop()
		due = ticker.C
	}
	for {
		select {
		case err := <-ended:
			return err
		case sig := <-a.orders:
			a.told = true
			if err := errors.Join(a.manager.Say(-1, "STOPPING=1"), p.Signal(sig.(syscall.Signal))); err != nil {
				return err
			}
		case <-due:
			if err := a.manager.Say(-1, "WATCHDOG=1"); err != nil {
				return err
			}
		}
	}
}
