package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/cluster"
	"github.com/tendproc/tend/internal/cgroup"
	"github.com/tendproc/tend/internal/logs"
	"github.com/tendproc/tend/internal/machine"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/state"
	"github.com/tendproc/tend/internal/supervisor"
	"github.com/tendproc/tend/internal/watch"
)

// lastWords is how long the end waits for output that is still on its way.
const lastWords = 5 * time.Second

// ground is what parts stand on.
type ground struct {
	home    string // "" for none
	face    face
	link    *Link         // to the keeper; nil: nothing outlives this process
	console *logs.Console // nil for none
	input   *os.File      // of the first process of each app; nil for pipes
	log     *log.Logger
}

// parts are what guards apps, from the bottom up.
type parts struct {
	state      *state.Store // nil: nothing is remembered
	exits      *exits
	logs       *logs.Store
	buffer     *os.File // of logs; nil for none
	messages   *os.File // that processes sent lately; nil for none
	spare      *os.File // of the state; nil for none
	primary    *cluster.Primary
	runner     *runner.Runner
	watcher    *watch.Watcher
	supervisor *supervisor.Supervisor
	log        *log.Logger
}

// newParts builds the parts; where there is a keeper, with what a former daemon left
// there and in the home.
func newParts(g ground) (*parts, error) {
	p := &parts{log: g.log, exits: newExits()}
	// What they report of each other is called only once they run.
	cl := cluster.PrimaryOptions{OnEvent: func(e cluster.Event) { p.runner.ClusterEvent(e) }}
	ru := runner.Options{
		Home: g.home, Input: g.input, Groups: cgroup.New(groupsName(g.home)), NodeArgs: g.face.node,
		Preload:  preload(g.home, "preload", cluster.Preload, g.log),
		Metrics:  preload(g.home, "metrics", runner.Metrics, g.log),
		Complain: func(err error) { g.log.Print(err) },
		Report:   func(k runner.Key, r runner.Report) { p.supervisor.Report(k, r) },
	}
	su := supervisor.Options{Machine: machine.OS{}, Profile: g.face.profile, WeighEvery: g.face.weigh, Log: g.log.Printf}
	var left left
	if g.link != nil {
		var err error
		if left, err = p.inherit(g); err != nil {
			return nil, err
		}
		su.Memory, su.Recent = p.state, p.recent(g.link, left.messages)
		cl.Hold, ru.Hold, ru.Held = sockets{g.link}, g.link, left.lives
		ru.Status = func(k runner.Key, pid int) (child.Exit, bool) {
			return p.exits.status(k, func() bool { return g.link.Tells(pid) })
		}
	}
	p.logs = logs.NewStore(logs.Options{
		Dir: g.face.profile.LogDir, Buffer: p.buffer, Console: g.console, OnError: func(err error) { g.log.Printf("logs: %v", err) },
	})
	var err error
	if p.primary, err = cluster.NewPrimary(cl); err != nil {
		p.close()
		return nil, err
	}
	if err := p.primary.Restore(left.listeners); err != nil {
		g.log.Print(err)
	}
	ru.Logs, ru.Primary = p.logs, p.primary
	p.runner = runner.New(ru)
	p.watcher = watch.New(func(k watch.Key, r watch.Report) { p.supervisor.FilesReport(k, r) })
	su.Runner, su.Watcher = p.runner, p.watcher
	p.supervisor = supervisor.New(su)
	return p, nil
}

// inherit opens the state and the memory of the logs, and returns what else a
// former daemon left.
func (p *parts) inherit(g ground) (left, error) {
	l, err := retrieve(g.link, p.exits)
	if err != nil {
		return l, err
	}
	p.spare = memory(g.link, spare, l.spare, g.log)
	if p.state, err = state.Open(g.home, state.Options{OnError: func(err error) { g.log.Print(err) }, Spare: p.spare}); err != nil {
		return l, err
	}
	for _, note := range p.state.Notes() {
		g.log.Print(note)
	}
	p.buffer = memory(g.link, buffer, l.buffer, g.log)
	return l, nil
}

// groupsName is what the control groups of a home are below.
func groupsName(home string) string {
	sum := sha256.Sum256([]byte(home))
	return "tend-" + hex.EncodeToString(sum[:4])
}

// preload puts a file that Node apps load into the home, under a name that says what
// is in it: processes of another version have theirs. "" if it cannot.
func preload(home, name, text string, logger *log.Logger) string {
	if home == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	path := filepath.Join(home, name+"-"+hex.EncodeToString(sum[:4])+".cjs")
	if had, err := os.ReadFile(path); err == nil && string(had) == text {
		return path
	}
	if err := replaceFile(path, text); err != nil {
		logger.Printf("Node apps go without %s: %v", filepath.Base(path), err)
		return ""
	}
	return path
}

// replaceFile writes beside, and then puts the file in its place.
func replaceFile(path, text string) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// left is what a former daemon had given to the keeper.
type left struct {
	listeners []cluster.Held
	lives     []runner.Held
	buffer    *os.File // of the logs, nil for none
	messages  *os.File // likewise
	spare     *os.File // of the state, likewise
}

// lasting is memory that outlives this process.
type lasting struct {
	name string // what the keeper holds it under
	make func() (*os.File, error)
	loss string // what is lost without it when this process is killed
}

var (
	buffer   = lasting{"logs/buffer", logs.NewBuffer, "log lines are lost"}
	messages = lasting{"supervisor/messages", supervisor.NewRecent, "who watches misses messages"}
	spare    = lasting{"state/spare", state.NewSpare, "changes that a full disk refuses are forgotten"}
)

// memory is a former daemon's, or new. Nil if it is not to be had: that costs the
// loss, and nothing else.
func memory(link *Link, l lasting, former *os.File, logger *log.Logger) *os.File {
	f := former
	if f == nil {
		var err error
		if f, err = l.make(); err != nil {
			logger.Printf("%s if the daemon is killed: %v", l.loss, err)
			return nil
		}
	}
	raw, err := f.SyscallConn()
	if err == nil {
		var serr error
		err = raw.Control(func(fd uintptr) { serr = link.Store(l.name, int(fd), 0, nil) })
		err = errors.Join(err, serr)
	}
	if err != nil {
		logger.Printf("%s if the daemon is killed: %v", l.loss, err)
	}
	return f
}

// recent maps the memory of messages, anew if what a former daemon left is damaged;
// nil if there is none.
func (p *parts) recent(link *Link, former *os.File) *supervisor.Recent {
	for {
		p.messages = memory(link, messages, former, p.log)
		if p.messages == nil {
			return nil
		}
		r, err := supervisor.OpenRecent(p.messages)
		if err == nil {
			return r
		}
		p.log.Printf("what processes said lately: %v", errors.Join(err, p.messages.Close()))
		if p.messages = nil; former == nil {
			return nil
		}
		former = nil
	}
}

func retrieve(link *Link, e *exits) (l left, err error) {
	entries, err := link.Retrieve(e.told)
	if err != nil {
		return l, fmt.Errorf("retrieve what the keeper holds: %w", err)
	}
	for _, entry := range entries {
		e.told(entry.Message)
		switch {
		case entry.Name == buffer.name:
			l.buffer = entry.File
		case entry.Name == messages.name:
			l.messages = entry.File
		case entry.Name == spare.name:
			l.spare = entry.File
		case cluster.Takes(entry.Name):
			l.listeners = append(l.listeners, cluster.Held{Name: entry.Name, File: entry.File, Meta: entry.Meta})
		case runner.Takes(entry.Name):
			l.lives = append(l.lives, runner.Held{Name: entry.Name, PID: entry.PID, Meta: entry.Meta, File: entry.File})
		default: // of another version, for another version
			entry.File.Close()
		}
	}
	return l, nil
}

// sockets keeps listening sockets: nobody's exit is told with them.
type sockets struct{ *Link }

func (s sockets) Store(name string, fd int, meta []byte) error {
	return s.Link.Store(name, fd, 0, meta)
}

// close releases what outlives the parts' runs.
func (p *parts) close() {
	var err error
	if p.state != nil {
		err = p.state.Close()
	}
	for _, f := range []*os.File{p.buffer, p.messages, p.spare} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	if err != nil {
		p.log.Print(err)
	}
}

// start runs the parts. The returned function stops them, top first, and waits.
func (p *parts) start(ctx context.Context, g *group) (stop func()) {
	stopState := func() {}
	if p.state != nil {
		stopState = g.start(ctx, "state", p.state.Run)
	}
	stopPrimary := g.start(ctx, "cluster", p.primary.Run)
	stopWatcher := g.start(ctx, "watch", p.watcher.Run)
	stopSupervisor := g.start(ctx, "supervisor", p.supervisor.Run)
	return func() {
		soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
		stopSupervisor()
		stopWatcher()
		err := p.runner.Close(soon)
		stopPrimary()
		stopState()
		if err := errors.Join(err, p.logs.Stop(soon)); err != nil {
			p.log.Printf("stop: %v", err)
		}
	}
}

// freeze stops the parts between two things they do. What they know is with the
// keeper or in the state then. thaw lets them go on; it is never nil.
func (p *parts) freeze(ctx context.Context) (thaw func(), err error) {
	thawRunner := p.runner.Freeze()
	thawLogs := p.logs.Freeze()
	thawPrimary := p.primary.Freeze()
	// Last, so that it has decided on what the others told.
	thawSupervisor, err := p.supervisor.Freeze(ctx)
	if err == nil {
		err = p.state.Sync(ctx)
	}
	return func() {
		thawSupervisor()
		thawPrimary()
		thawLogs()
		thawRunner()
	}, err
}
