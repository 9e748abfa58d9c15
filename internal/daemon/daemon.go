package daemon

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/keeper"
	"github.com/tendproc/tend/internal/sys"
)

// Options say what daemon to be.
type Options struct {
	Home    string
	Version string // of the program
	PM2     bool   // it goes by the name of pm2: the home is one of PM2's

	former *bequest // of the daemon that this process was; nil when a keeper started it
}

// killed is the reason to end of who asked for it, and for all to be forgotten.
const killed = "kill"

// Run is the daemon's life: it serves until it is told to end by the API or by
// SIGTERM, SIGINT or SIGQUIT, then stops every app and returns nil. It must
// have been started by a keeper. SIGHUP does nothing; SIGUSR2 opens the log
// files anew.
func Run(ctx context.Context, o Options) error {
	logger := log.New(os.Stderr, fmt.Sprintf("daemon[%d] ", os.Getpid()), log.LstdFlags|log.Lmicroseconds|log.LUTC)
	var link *Link
	var err error
	if o.former != nil {
		link, err = inherit(o.Home, logger.Printf, *o.former, nil)
	} else {
		link, err = Inherit(o.Home, logger.Printf)
	}
	if err != nil {
		return err
	}
	d := &daemon{face: newFace(o), link: link, down: make(chan struct{}), signs: make(signs, 1), asked: make(chan string, 1), upgrades: make(chan upgrade), log: logger}
	d.info = event.Info{Version: o.Version, API: api.Version, PID: os.Getpid(), Home: o.Home, StartedAt: time.Now()}
	err = d.run(ctx)
	if err != nil {
		// Only the first word counts: nothing is said to a starter that was told it is ready.
		_ = link.Ready(err)
	}
	return errors.Join(err, link.Close())
}

// daemon is one daemon process.
type daemon struct {
	info event.Info
	face face
	link *Link
	log  *log.Logger

	asked    chan string  // a reason to end; the first counts
	upgrades chan upgrade // to become another program
	signals  chan os.Signal
	signs    signs
	down     chan struct{} // closed when every app is stopped
}

func (d *daemon) run(ctx context.Context) error {
	memory := newThrift()
	defer memory.stop()
	// As it is; saying so keeps the runtime from looking again from time to time.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	if err := sys.SetTitle(d.face.title); err != nil {
		return err
	}
	d.signals = make(chan os.Signal, 4)
	d.hear()
	defer signal.Stop(d.signals)
	p, err := newParts(ground{home: d.info.Home, face: d.face, link: d.link, log: d.log})
	if err != nil {
		return err
	}
	defer p.close()
	svc := &service{apps: apps{Supervisor: p.supervisor, logs: p.logs}, daemon: d}
	server := api.NewServer(svc, api.ServerOptions{
		Log:  d.log,
		Used: memory.used,
	})
	var running group
	stopParts := p.start(ctx, &running)
	stopLink := running.start(ctx, "keeper", func(ctx context.Context) error {
		return d.link.Run(ctx, Handlers{
			Exited: p.exits.told,
			Gone:   p.exits.cut,
			Asked:  d.signs.ask,
		})
	})
	stopSigns := running.start(ctx, "signs of life", func(ctx context.Context) error { return d.signs.run(ctx, p.supervisor, d.link) })
	stopServer := running.start(ctx, "api", func(ctx context.Context) error { return server.Serve(ctx, d.link.Listener) })
	stopFace := running.start(ctx, "pm2", func(ctx context.Context) error { return d.face.serve(ctx, svc, d.log.Printf) })
	if err := d.face.announce(); err != nil {
		d.log.Print(err)
	}
	if err := d.link.Ready(nil); err != nil {
		d.log.Printf("tell the keeper: %v", err)
	}
	why, err := d.wait(ctx, &running, p)
	if err != nil {
		return err // a crash in all but name: the keeper starts another, which takes over
	}
	d.end(ctx, why, p)
	// In reverse. What asked for the end is answered before the server stops.
	stopFace()
	stopServer()
	stopSigns()
	stopLink()
	stopParts()
	return running.wait()
}

// hear takes the signals that mean something to a daemon.
func (d *daemon) hear() {
	signal.Notify(d.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR2)
}

// wait returns why the daemon is to end, or the error of a part that broke.
func (d *daemon) wait(ctx context.Context, running *group, p *parts) (string, error) {
	for {
		select {
		case sig := <-d.signals:
			switch sig {
			case syscall.SIGHUP:
			case syscall.SIGUSR2:
				if err := p.logs.Reopen(); err != nil {
					d.log.Print(err)
				}
			default:
				return sig.String(), nil
			}
		case why := <-d.asked:
			return why, nil
		case u := <-d.upgrades:
			u.failed <- d.become(ctx, p, u.program)
		case <-ctx.Done():
			return "canceled", nil
		case err := <-running.failed():
			return "", err
		}
	}
}

// end stops every app. From its begin nobody new reaches this daemon: the next
// one can already be asked for, and starts when this one is gone.
func (d *daemon) end(ctx context.Context, why string, p *parts) {
	if err := keeper.Withdraw(d.info.Home); err != nil {
		d.log.Printf("give up the socket: %v", err)
	}
	if err := d.link.Ending(); err != nil {
		d.log.Printf("tell the keeper: %v", err)
	}
	d.log.Printf("ending (%s): stopping every app", why)
	resume, err := d.face.leave(context.WithoutCancel(ctx), why, p.supervisor)
	if err != nil {
		d.log.Print(err)
	}
	if resume && d.link.Outlives() { // who connects meanwhile is served by the next daemon
		p.runner.Bequeath()
	}
	// Each app's own grace bounds this.
	if err := p.supervisor.Shutdown(context.WithoutCancel(ctx), resume); err != nil {
		d.log.Printf("stop the apps: %v", err)
	}
	close(d.down)
}

// group runs parts and joins them.
type group struct {
	wg   sync.WaitGroup
	once sync.Once
	errs chan error

	mu  sync.Mutex // guards all
	all []error
}

// failed is where the first error of a part comes out that was not told to end.
func (g *group) failed() chan error {
	g.once.Do(func() { g.errs = make(chan error, 1) })
	return g.errs
}

// start runs a part until the returned function is called, which waits for it.
func (g *group) start(ctx context.Context, name string, run func(context.Context) error) (stop func()) {
	// A part ends when it is told, in its turn: not all at once with ctx.
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	failed := g.failed()
	g.wg.Go(func() {
		defer close(done)
		err := run(own)
		told := own.Err() != nil
		if err == nil || (told && errors.Is(err, context.Canceled)) {
			return
		}
		err = fmt.Errorf("%s: %w", name, err)
		if !told {
			select {
			case failed <- err:
				return
			default:
			}
		}
		g.mu.Lock()
		g.all = append(g.all, err)
		g.mu.Unlock()
	})
	return func() {
		cancel()
		<-done
	}
}

// wait joins every part.
func (g *group) wait() error {
	g.wg.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return errors.Join(g.all...)
}
