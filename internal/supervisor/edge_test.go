package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
)

// program is what a pretended process does. Times are from its spawn; 0 is
// never, unless said otherwise.
type program struct {
	failed   error         // it cannot be spawned
	online   time.Duration // its runtime speaks
	refused  time.Duration // it does not get the address it wants
	listens  time.Duration
	ready    time.Duration
	leaves   time.Duration // announces its end
	exits    time.Duration
	code     int
	lingers  time.Duration // from the exit until all of its tree is gone
	deaf     bool          // ignores the polite signal
	stopTime time.Duration // from the polite signal to the exit
	sleeps   time.Duration // from then on it has nothing to do
	ails     time.Duration // from then on its probe fails
	hangs    time.Duration // from then on its probe fails after five seconds
	log      []string
}

// edge pretends to be the runner. Its processes live in the bubble's time.
type edge struct {
	sup atomic.Pointer[Supervisor]

	mu       sync.Mutex // guards what follows
	programs map[string]func(k runner.Key) program
	procs    map[runner.Key]*proc
	acts     []string
	spawns   []runner.Spawn
	told     map[runner.Key]map[string]json.RawMessage
	when     func(runner.Spawn) *program // what it runs after all, nil for no change
}

type proc struct {
	adopted bool // by the supervisor that just began
	born    time.Time
	program
	pid   int
	ended bool
}

func (e *edge) report(k runner.Key, r runner.Report) { e.sup.Load().Report(k, r) }

func (e *edge) act(format string, args ...any) { e.acts = append(e.acts, fmt.Sprintf(format, args...)) }

// took returns and forgets the actions so far.
func (e *edge) took() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	acts := strings.Join(e.acts, ", ")
	e.acts = nil
	return acts
}

func (e *edge) alive() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.procs)
}

func (e *edge) Spawn(s runner.Spawn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.act("spawn %d.%d", s.Key.ID, s.Key.Gen)
	e.spawns = append(e.spawns, s)
	p := &proc{pid: 1000*(s.Key.ID+1) + int(s.Key.Gen), born: time.Now()}
	if f := e.programs[s.App.Name]; f != nil {
		p.program = f(s.Key)
	}
	if e.when != nil {
		if other := e.when(s); other != nil {
			p.program = *other
		}
	}
	if p.failed != nil {
		e.after(time.Millisecond, func() { e.report(s.Key, runner.SpawnFailed{Err: p.failed}) })
		return
	}
	e.procs[s.Key] = p
	var listens runner.Report = runner.Listening{Address: "tcp :3000"}
	if s.Standby {
		listens = runner.Waiting{}
	}
	e.after(time.Millisecond, func() { e.report(s.Key, runner.Spawned{PID: p.pid}) })
	for d, r := range map[time.Duration]runner.Report{
		p.online:  runner.Online{},
		p.refused: runner.ListenFailed{Address: "tcp :3000", Err: errors.New("address in use")},
		p.listens: listens,
		p.ready:   runner.Ready{},
		p.leaves:  runner.Leaving{},
	} {
		if d > 0 {
			e.after(d+time.Millisecond, func() { e.tell(s.Key, r) })
		}
	}
	if p.exits > 0 {
		e.after(p.exits+time.Millisecond, func() { e.exit(s.Key, p.code, "") })
	}
}

// after runs fn in a goroutine of its own. Go 1.26 crashes under -race when a
// bubble's AfterFunc is due at once, so that is no timer.
func (e *edge) after(d time.Duration, fn func()) {
	if d == 0 {
		go fn()
		return
	}
	time.AfterFunc(d, fn)
}

// tell reports r if the process still lives.
func (e *edge) tell(k runner.Key, r runner.Report) {
	e.mu.Lock()
	p := e.procs[k]
	lives := p != nil && !p.ended
	e.mu.Unlock()
	if lives {
		e.report(k, r)
	}
}

func (e *edge) exit(k runner.Key, code int, signal string) {
	e.mu.Lock()
	p := e.procs[k]
	if p == nil || p.ended {
		e.mu.Unlock()
		return
	}
	p.ended = true
	e.mu.Unlock()
	e.report(k, runner.Exited{Exit: event.Exit{Gen: k.Gen, PID: p.pid, Code: code, Signal: signal, At: time.Now()}})
	e.after(p.lingers, func() { e.gone(k) })
}

func (e *edge) gone(k runner.Key) {
	e.mu.Lock()
	p := e.procs[k]
	delete(e.procs, k)
	e.mu.Unlock()
	if p != nil {
		e.report(k, runner.Gone{Log: p.log})
	}
}

func (e *edge) Terminate(k runner.Key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.act("terminate %d.%d", k.ID, k.Gen)
	if p := e.procs[k]; p != nil && !p.deaf {
		e.after(p.stopTime, func() { e.exit(k, 0, "") })
	}
}

func (e *edge) Kill(k runner.Key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.act("kill %d.%d", k.ID, k.Gen)
	e.after(0, func() { e.exit(k, -1, "SIGKILL") })
	e.after(time.Millisecond, func() { e.gone(k) })
}

func (e *edge) note(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.act(format, args...)
}

// Adopt finds a process that a former supervisor started.
func (e *edge) Adopt(s runner.Spawn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.procs[s.Key]
	if p == nil {
		return false
	}
	e.act("adopt %d.%d", s.Key.ID, s.Key.Gen)
	p.adopted = true
	e.after(time.Millisecond, func() {
		e.report(s.Key, runner.Adopted{PID: p.pid})
		e.mu.Lock()
		ended := p.ended
		e.mu.Unlock()
		if ended {
			e.report(s.Key, runner.Exited{Exit: event.Exit{Gen: s.Key.Gen, PID: p.pid, Code: p.code, At: time.Now()}})
			e.gone(s.Key)
		}
	})
	return true
}

func (e *edge) Retain(apps []string) []runner.Key {
	slices.Sort(apps)
	e.note("retain %s", strings.Join(apps, " "))
	e.mu.Lock()
	defer e.mu.Unlock()
	// What nobody knows is ended.
	maps.DeleteFunc(e.procs, func(_ runner.Key, p *proc) bool { return !p.adopted })
	for _, p := range e.procs {
		p.adopted = false
	}
	return nil
}

func (e *edge) Route(k runner.Key) {
	e.note("route %d.%d", k.ID, k.Gen)
	e.after(time.Millisecond, func() { e.tell(k, runner.Listening{Address: "tcp :3000"}) })
}

func (e *edge) Unroute(k runner.Key)    { e.note("unroute %d.%d", k.ID, k.Gen) }
func (e *edge) Disconnect(k runner.Key) { e.note("disconnect %d.%d", k.ID, k.Gen) }
func (e *edge) Release(app string)      { e.note("release %s", app) }
func (e *edge) Rename(string, string)   {}
func (e *edge) Listen(string, []string) {}

func (e *edge) Signal(k runner.Key, sig syscall.Signal) error {
	e.note("signal %d.%d %d", k.ID, k.Gen, sig)
	return nil
}

func (e *edge) WriteLine(k runner.Key, line string) error {
	e.note("write %d.%d %s", k.ID, k.Gen, line)
	return nil
}

func (e *edge) Send(k runner.Key, message []byte) error {
	e.note("send %d.%d %s", k.ID, k.Gen, message)
	return nil
}

func (e *edge) Probe(k runner.Key) error {
	e.note("probe %d.%d", k.ID, k.Gen)
	e.mu.Lock()
	p := e.procs[k]
	e.mu.Unlock()
	switch {
	case p == nil || p.ails > 0 && time.Since(p.born) >= p.ails:
		return errors.New("answered 500 Internal Server Error")
	case p.hangs > 0 && time.Since(p.born) >= p.hangs:
		time.Sleep(5 * time.Second)
		return errors.New("it does not answer")
	}
	return nil
}

func (e *edge) Told(k runner.Key) map[string]json.RawMessage { return maps.Clone(e.told[k]) }

func (e *edge) Tail(k runner.Key, n int) []string { return []string{"last words"} }

func (e *edge) Usage(pids []int) []event.Usage {
	list := make([]event.Usage, len(pids))
	for i := range list {
		list[i].RSS = uint64(pids[i])
	}
	return list
}

func (e *edge) Asleep(pids []int) []bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]bool, len(pids))
	for _, p := range e.procs {
		if i := slices.Index(pids, p.pid); i >= 0 {
			list[i] = p.sleeps > 0 && time.Since(p.born) >= p.sleeps
		}
	}
	return list
}

// machine has every file but those below /missing.
type machine struct{}

func (machine) Stat(path string) (spec.FileInfo, error) {
	if strings.HasPrefix(path, "/missing") || strings.HasSuffix(path, "package.json") {
		return spec.FileInfo{}, errors.New("no such file or directory")
	}
	return spec.FileInfo{Readable: true, Executable: true, Dir: !strings.Contains(path, ".") && !strings.Contains(path, "/bin/")}, nil
}

func (machine) LookPath(name, _ string) (string, error) {
	if name != "node" && name != "bash" {
		return "", errors.New("not found")
	}
	return "/usr/bin/" + name, nil
}
func (machine) ReadFile(string) ([]byte, error)            { return []byte("x"), nil }
func (machine) CPUs() int                                  { return 2 }
func (machine) Home() string                               { return "/home/me" }
func (machine) LookupUser(string) (u spec.User, err error) { return u, errors.New("no such user") }
func (machine) LookupGroup(string) (int, error)            { return 0, errors.New("no such group") }

// bench is a supervisor on a pretended edge.
type bench struct {
	*edge
	t   *testing.T
	sup *Supervisor
	ctx context.Context

	brain   *brain
	lookout *lookout
	recent  *os.File // nil for none
	end     func()   // of the supervisor
	heard   []string // what was logged; guarded by mu
}

// hear takes what a supervisor logs.
func (b *bench) hear(format string, args ...any) {
	b.t.Logf(format, args...)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = append(b.heard, fmt.Sprintf(format, args...))
}

// run gives test a running supervisor in a bubble of its own.
func run(t *testing.T, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		e := &edge{programs: map[string]func(runner.Key) program{}, procs: map[runner.Key]*proc{}}
		b := &bench{edge: e, t: t, ctx: ctx, brain: &brain{values: map[string]json.RawMessage{}}}
		b.lookout = &lookout{sup: e.sup.Load}
		b.begin()
		e.took()
		test(b)
		if err := b.sup.Shutdown(ctx, false); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if n := e.alive(); n != 0 {
			t.Errorf("%d processes left after shutdown", n)
		}
		b.end()
		if len(b.brain.values) > 0 {
			t.Errorf("still remembered: %v", b.brain.values)
		}
	})
}

// begin starts a supervisor with what is remembered.
func (b *bench) begin() {
	ctx, cancel := context.WithCancel(b.ctx)
	o := Options{Runner: b.edge, Machine: machine{}, Profile: spec.Profile{LogDir: "/logs"}, MaxBoots: 64, Memory: b.brain, Watcher: b.lookout, Log: b.hear}
	if b.recent != nil {
		o.Recent = openRecent(b.t, b.recent)
	}
	b.sup = New(o)
	b.edge.sup.Store(b.sup)
	done := make(chan error, 1)
	sup := b.sup
	go func() { done <- sup.Run(ctx) }()
	b.end = func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("run: %v", err)
		}
	}
	synctest.Wait()
}

// crash ends the supervisor where it is, and starts the next one.
func (b *bench) crash() {
	b.end()
	b.begin()
	b.wait(ms)
}

// brain is a memory that outlives supervisors. Given a number of changes to live
// for, it takes no more: as if the supervisor had been killed there.
type brain struct {
	mu     sync.Mutex // guards what follows
	values map[string]json.RawMessage
	left   *int
	within bool // of Together
	fails  bool // all of Together comes to nothing
}

// takesLocked counts a change, and tells whether it is taken.
func (m *brain) takesLocked() bool {
	if m.left == nil || m.within {
		return !m.fails
	}
	*m.left--
	return *m.left >= 0
}

func (m *brain) live(changes *int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = changes
}

func (m *brain) Together(fn func()) {
	m.mu.Lock()
	nested := m.within
	if !nested {
		m.fails = !m.takesLocked()
		m.within = true
	}
	m.mu.Unlock()
	fn()
	if nested {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.within, m.fails = false, false
}

func (m *brain) Found() map[string]json.RawMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.values)
}

func (m *brain) Put(key string, value []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.takesLocked() {
		m.values[key] = slices.Clone(value)
	}
}

func (m *brain) Delete(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.takesLocked() {
		delete(m.values, key)
	}
}

func (m *brain) Sync(context.Context) error { return nil }

// always makes every process of app the same.
func (b *bench) always(app string, p program) {
	b.gens(app, p)
}

// gens makes the generations of app differ; the last one is for all that follow.
func (b *bench) gens(app string, list ...program) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.programs[app] = func(k runner.Key) program { return list[min(int(k.Gen), len(list))-1] }
}

func ptr[T any](v T) *T { return &v }

// request asks for app as a program of its own, in fork mode, or for n workers.
func request(app string, n int, change ...func(*spec.Options)) spec.Start {
	req := spec.Start{Word: "/srv/" + app + ".js", Caller: spec.Caller{Cwd: "/srv", Env: []string{"PATH=/usr/bin"}}}
	if n > 0 {
		req.Options.Instances = ptr(itoa(n))
	}
	for _, fn := range change {
		fn(&req.Options)
	}
	return req
}

func (b *bench) start(app string, n int, change ...func(*spec.Options)) event.Outcome {
	b.t.Helper()
	out, err := b.sup.Start(b.ctx, request(app, n, change...))
	if err != nil {
		b.t.Fatalf("start %s: %v", app, err)
	}
	return out
}

func (b *bench) list() []event.Instance {
	b.t.Helper()
	snap, err := b.sup.List(b.ctx, event.Query{})
	if err != nil {
		b.t.Fatal(err)
	}
	return snap.Instances
}

func (b *bench) get(id int) event.Instance {
	b.t.Helper()
	list := b.list()
	i := slices.IndexFunc(list, func(in event.Instance) bool { return in.ID == id })
	if i < 0 {
		b.t.Fatalf("no instance %d", id)
	}
	return list[i]
}

func (b *bench) ids() (ids []int) {
	for _, in := range b.list() {
		ids = append(ids, in.ID)
	}
	return ids
}

func (b *bench) wantPhase(id int, want lifecycle.Phase) {
	b.t.Helper()
	if in := b.get(id); in.Phase != want {
		b.t.Errorf("instance %d is %v (%s), want %v", id, in.Phase, in.Reason, want)
	}
}

func (b *bench) wantActs(want string) {
	b.t.Helper()
	if got := b.took(); got != want {
		b.t.Errorf("actions:\n got %s\nwant %s", got, want)
	}
}

func wantFault(t *testing.T, err error, code fault.Code, text string) *fault.Error {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code != code || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v (%s), want %s with %q", err, fault.CodeOf(err), code, text)
		return &fault.Error{}
	}
	return f
}

func act(target string) spec.Act { return spec.Act{Target: target, Caller: spec.Caller{Cwd: "/srv"}} }

// wait lets time pass until everything that was due has happened.
func (b *bench) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
