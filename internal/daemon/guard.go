package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/keeper"
	"github.com/tendproc/tend/internal/logs"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/sys"
)

// GuardOptions say what guard to be.
type GuardOptions struct {
	Home    string // by which other commands reach it; "" for one of its own
	Version string // of the program
	PM2     bool   // Home is one of PM2's
	Console logs.Console
	Input   *os.File    // becomes the standard input of the first process of each app; nil for none
	Log     *log.Logger // takes what goes wrong
}

// Guard guards apps in this very process, with neither keeper nor daemon: it is fit to
// be pid 1 of a container. Nothing of it outlives the process. It makes the whole
// process a guard (orphans, SIGCHLD): there is one at a time. Its methods may be called
// from any goroutine.
type Guard struct {
	apps
	info event.Info
	home guardHome
	face face
	log  *log.Logger

	parts   *parts
	running group
	stops   []func()     // of what runs, the last first
	former  map[int]bool // children that this process had before, until they are reaped: the reaper's
	exits   chan os.Signal
	reaper  child.Reaper

	leave sync.Once
	down  chan struct{} // closed when every app is stopped
}

var _ api.Service = (*Guard)(nil)

// NewGuard returns a guard of no apps, which serves o.Home if it can. Where it cannot,
// since another one does or nothing can be written there, other commands do not
// reach it by that home; what it can do for its apps is the same.
func NewGuard(ctx context.Context, o GuardOptions) (*Guard, error) {
	debug.SetGCPercent(idleGarbage)
	if err := sys.Subreaper(); err != nil {
		return nil, err
	}
	g := &Guard{log: o.Log, face: newFace(Options{Home: o.Home, Version: o.Version, PM2: o.PM2}), down: make(chan struct{})}
	g.home = claimHome(o, g.log)
	if g.home.dir != o.Home {
		g.face.home = nil // PM2's clients find the one that has it
	}
	g.face.profile.LogDir = spec.NoLog
	g.info = event.Info{Version: o.Version, API: api.Version, PID: os.Getpid(), Home: g.home.dir, StartedAt: time.Now()}
	var err error
	if g.parts, err = newParts(ground{home: g.home.dir, face: g.face, console: &o.Console, input: o.Input, log: g.log}); err != nil {
		return nil, errors.Join(err, g.home.close())
	}
	g.apps = apps{Supervisor: g.parts.supervisor, logs: g.parts.logs}
	g.adopt(ctx)
	g.stops = append(g.stops, g.parts.start(ctx, &g.running))
	if err := g.serve(ctx); err != nil {
		return nil, errors.Join(err, g.Close(ctx))
	}
	return g, nil
}

// adopt takes the orphans that the kernel gives to this process.
func (g *Guard) adopt(ctx context.Context) {
	g.former = map[int]bool{} // left by the program that this one replaced: not ours to end
	before, _ := sys.Children()
	for _, pid := range before {
		g.former[pid] = true
	}
	g.reaper.Reaped = func(pid int, _ child.Exit) { delete(g.former, pid) } // whoever has the number now is another
	g.exits = make(chan os.Signal, 1)
	signal.Notify(g.exits, syscall.SIGCHLD)
	stop := g.running.start(ctx, "orphans", g.reaper.Run)
	g.stops = append(g.stops, func() {
		stop()
		g.sweep()
		signal.Stop(g.exits)
	})
}

// serve answers other commands.
func (g *Guard) serve(ctx context.Context) error {
	if g.home.claim == nil {
		return nil
	}
	listener, err := net.FileListener(g.home.claim.Listener)
	if err != nil {
		return err
	}
	server := api.NewServer(g, api.ServerOptions{Log: g.log})
	g.stops = append(g.stops,
		g.running.start(ctx, "api", func(ctx context.Context) error { return server.Serve(ctx, listener) }),
		g.running.start(ctx, "pm2", func(ctx context.Context) error { return g.face.serve(ctx, g, g.log.Printf) }))
	return g.face.announce()
}

func (g *Guard) Ping(context.Context) (event.Info, error) { return g.info, nil }

// Kill stops every app; cluster workers finish what they have begun. Then the guard is
// [Guard.Down].
func (g *Guard) Kill(ctx context.Context) error {
	g.leave.Do(func() {
		g.running.start(context.WithoutCancel(ctx), "end", func(ctx context.Context) error {
			defer close(g.down)
			return g.Leave(ctx) // each app's own grace bounds this
		})
	})
	select {
	case <-g.down:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Down is closed when a Kill, whosever, has stopped every app.
func (g *Guard) Down() <-chan struct{} { return g.down }

// Failed tells of a part that broke.
func (g *Guard) Failed() <-chan error { return g.running.failed() }

func (g *Guard) CheckUpgrade(context.Context, string) error { return errNoUpgrade }

func (g *Guard) Upgrade(context.Context, string) error { return errNoUpgrade }

var errNoUpgrade = &fault.Error{
	Code: fault.Unsupported, Message: "a guard in the foreground is not upgraded: its apps end with it",
	Remedy: "End it, and start the new program.",
}

// closeTime bounds the wait for a console that takes nothing more.
const closeTime = lastWords + 2*time.Second

// Close ends what runs, apps that are left included, and lets go of the home.
func (g *Guard) Close(ctx context.Context) error {
	closed := make(chan error, 1)
	go func() { // ends with the process, if somebody holds the console for ever
		for _, stop := range slices.Backward(g.stops) {
			stop()
		}
		g.parts.close()
		closed <- g.running.wait()
	}()
	var err error
	select {
	case err = <-closed:
	case <-time.After(closeTime):
		g.sweep() // which was not come to
		err = errors.New("the last lines of output are lost: nobody reads them")
	}
	if _, lerr := g.face.leave(ctx, killed, nil); lerr != nil {
		err = errors.Join(err, lerr)
	}
	return errors.Join(err, g.home.close())
}

// sweep ends what the apps left behind.
func (g *Guard) sweep() {
	keeper.Sweep(g.exits, func() []int {
		if _, err := g.reaper.Collect(); err != nil {
			g.log.Print(err)
		}
		pids, err := sys.Children()
		if err != nil {
			g.log.Print(err)
		}
		return slices.DeleteFunc(pids, func(pid int) bool { return g.former[pid] })
	}, g.log)
}

// guardHome is the folder of a guard.
type guardHome struct {
	dir   string        // "" for none: nothing can be written anywhere
	claim *keeper.Claim // nil for none
	own   bool          // made for this guard, and gone with it
}

// claimHome is o's home, else a folder of the guard's own, else none.
func claimHome(o GuardOptions, logger *log.Logger) guardHome {
	if o.Home != "" {
		claim, err := claimAt(seat{home: o.Home, folders: pm2Folders(o)})
		if err == nil {
			return guardHome{dir: o.Home, claim: claim}
		}
		logger.Printf("other commands do not reach this guard by %s: %v", o.Home, err)
	}
	for _, place := range []string{os.TempDir(), "/dev/shm", "/run"} {
		dir, err := os.MkdirTemp(place, "tend-run-")
		if err != nil {
			continue
		}
		h := guardHome{dir: dir, own: true}
		if h.claim, err = claimAt(seat{home: dir}); err != nil {
			logger.Print(err)
		} else if o.Home != "" {
			logger.Printf("they do with TEND_HOME=%s", dir)
		}
		return h
	}
	logger.Print("no folder can be written: reloads will cut idle connections of Node workers, and other commands do not reach this guard")
	return guardHome{}
}

func pm2Folders(o GuardOptions) []string {
	if !o.PM2 {
		return nil
	}
	h := pm2.HomeOf(os.Getenv, os.Getenv("HOME"))
	return []string{h.PIDs, filepath.Dir(h.PID)}
}

// claimAt prepares a home, and claims it.
func claimAt(at seat) (*keeper.Claim, error) {
	at.log = filepath.Join(at.home, keeper.LogName) // not made
	if err := prepare(at); err != nil {
		return nil, err
	}
	return keeper.NewClaim(at.home)
}

func (h guardHome) close() error {
	var err error
	if h.claim != nil {
		err = h.claim.Close()
	}
	if h.own {
		err = errors.Join(err, os.RemoveAll(h.dir))
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("leave %s: %w", h.dir, err)
	}
	return nil
}
