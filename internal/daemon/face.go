package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/keeper"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/pm2rpc"
	"github.com/tendproc/tend/internal/spec"
)

// face is what depends on the name tend goes by.
type face struct {
	title   string // among the processes
	profile spec.Profile
	weigh   time.Duration // how often processes are weighed; 0 for as always
	node    []string      // arguments for Node in fork mode
	home    *pm2.Home     // nil for tend's own name
	git     bool          // records tell of checkouts
}

func newFace(o Options) face {
	if !o.PM2 {
		return face{title: "tend daemon", profile: spec.Profile{LogDir: filepath.Join(o.Home, keeper.LogsName)}}
	}
	// The variables of those who started it count, but for the home.
	get := func(key string) string {
		if key == "PM2_HOME" {
			return o.Home
		}
		return os.Getenv(key)
	}
	h := pm2.HomeOf(get, "")
	f := face{title: h.Title(get), profile: h.Profile(get), home: &h, weigh: pm2.WorkerInterval(get), node: pm2.NodeArgs(get), git: get("PM2_ENABLE_GIT_PARSING") == "true"}
	if who, err := user.Current(); err == nil {
		f.profile.User = who.Username
	}
	return f
}

// announce says who serves, where PM2's users look for it.
func (f face) announce() error {
	if f.home == nil {
		return nil
	}
	return pm2.WritePID(f.home.PID, os.Getpid())
}

// serve answers PM2's JavaScript API, where the name is PM2's, until ctx ends.
func (f face) serve(ctx context.Context, svc api.Service, logf func(string, ...any)) error {
	if f.home == nil {
		return nil
	}
	return (&pm2rpc.Server{Service: svc, Home: *f.home, Log: logf, Versioning: f.git}).Serve(ctx)
}

// lister is who knows all state.
type lister interface {
	List(ctx context.Context, q event.Query) (event.Snapshot, error)
}

// leave is done before the apps are stopped because of why. It says whether the
// next daemon shall start again what is up now: not so with PM2, which has its
// dump for that.
func (f face) leave(ctx context.Context, why string, l lister) (resume bool, err error) {
	if f.home == nil {
		return why != killed, nil
	}
	if err := os.Remove(f.home.PID); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if why == killed {
		return false, nil
	}
	snap, err := l.List(ctx, event.Query{Brief: true, Specs: true})
	if err != nil || len(snap.Instances) == 0 {
		return false, err
	}
	return false, f.home.Save(pm2.Dump(snap))
}
