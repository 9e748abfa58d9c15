package runner

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/proctest"
)

func answers(address string) bool {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	c, err := net.Dial(network, address)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func TestInheritedSockets(t *testing.T) {
	g := newRig(t)
	tcp, unix := proctest.FreeAddress(t), "unix:"+filepath.Join(t.TempDir(), "s")
	a := g.spec("inherit", `say="ready"`, "wait")
	a.Listen = []string{tcp, unix}
	k := g.spawn(a)
	pid := await[Spawned](g, k).PID
	g.r.Listen("a", a.Listen)
	await[Ready](g, k)
	// Another app cannot have them.
	b := g.spec("wait")
	b.Name, b.Listen = "b", []string{proctest.FreeAddress(t), unix}
	kb := Key{ID: 9, Gen: 1}
	g.r.Spawn(Spawn{Key: kb, App: b})
	if err := await[SpawnFailed](g, kb).Err; fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "is a socket of a") {
		t.Errorf("error %v", err)
	}
	if answers(b.Listen[0]) {
		t.Error("what b got first is left")
	}
	// Unless that is what it was called until now.
	kc := Key{ID: 10, Gen: 1}
	b.Listen = []string{unix}
	g.r.Spawn(Spawn{Key: kc, App: b, Was: "a"})
	await[Spawned](g, kc)
	g.r.Terminate(kc)
	await[Gone](g, kc)
	// They outlive the process, and close when the app is done with.
	g.r.Terminate(k)
	want := []string{fmt.Sprintf("pid %d of %d, 2 sockets, channel 5", pid, pid), tcp, strings.TrimPrefix(unix, "unix:"), "inherited"}
	if got := await[Gone](g, k).Log; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", got, want)
	}
	if !answers(tcp) || !answers(unix) {
		t.Error("the sockets went with the process")
	}
	g.r.Release("a")
	if answers(tcp) || answers(unix) {
		t.Error("the sockets are left")
	}
}

// A socket that the app's declaration names no more closes with the last process
// that has it.
func TestSocketsThatChange(t *testing.T) {
	g := newRig(t)
	old, next := proctest.FreeAddress(t), proctest.FreeAddress(t)
	a := g.spec("wait")
	a.Listen = []string{old}
	k := g.spawn(a)
	await[Spawned](g, k)
	g.r.Listen("a", a.Listen)
	a.Listen = []string{next}
	// One that does not come up leaves nothing of what it alone asked for.
	bad := Key{ID: k.ID, Gen: k.Gen + 1}
	g.r.Spawn(Spawn{Key: bad, App: a})
	await[Spawned](g, bad)
	g.r.Kill(bad)
	await[Gone](g, bad)
	if !answers(old) || answers(next) {
		t.Error("the old one is gone, or the new one left")
	}
	kn := Key{ID: k.ID, Gen: k.Gen + 2}
	g.r.Spawn(Spawn{Key: kn, App: a})
	await[Spawned](g, kn)
	if !answers(old) || !answers(next) {
		t.Error("both are in use")
	}
	g.r.Listen("a", a.Listen)
	g.r.Terminate(k)
	await[Gone](g, k)
	if answers(old) || !answers(next) {
		t.Error("the old one is left, or the new one gone")
	}
	g.r.Terminate(kn)
	await[Gone](g, kn)
}

func TestAPortInUse(t *testing.T) {
	g := newRig(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a := g.spec("wait")
	a.Listen = []string{l.Addr().String()}
	k := g.spawn(a)
	f, ok := await[SpawnFailed](g, k).Err.(*fault.Error)
	if !ok || f.Code != fault.Conflict || f.Field != "--listen" || f.Remedy == "" {
		t.Errorf("error %+v", f)
	}
}

// Sockets and who notifies are taken over, too.
func TestAdoptSockets(t *testing.T) {
	first, h := newRig(t), &holder{}
	first.r.options.Hold, first.r.sockets.hold = h, h
	address := proctest.FreeAddress(t)
	a := first.spec("inherit", `say={"inherited":2}`, "echo", "notify", "wait")
	a.Listen, a.WaitReady = []string{address}, true
	k := first.spawn(a)
	await[Spawned](first, k)
	await[Message](first, k)

	next := newRig(t)
	next.r.options.Hold = h
	var lives, listeners []Held
	for _, one := range h.give(t) {
		if strings.HasPrefix(one.Name, socketPrefix) {
			listeners = append(listeners, one)
		} else {
			lives = append(lives, one)
		}
	}
	next.r.held, next.r.sockets = heldLives(lives), newSockets(h, listeners)
	if !next.r.Adopt(Spawn{Key: k, App: a, Index: 2}) {
		t.Fatal("not adopted")
	}
	await[Adopted](next, k)
	next.r.Retain([]string{"a"})
	// As its death would: only the next one has them.
	first.r.sockets.release("a")
	first.r.life(k).closeNotify()
	if err := next.r.WriteLine(k, "end"); err != nil {
		t.Fatal(err)
	}
	await[Ready](next, k)
	if !answers(address) {
		t.Error("nobody listens")
	}
	next.r.Terminate(k)
	await[Gone](next, k)
	await[Gone](first, k)
	next.r.Release("a")
	if answers(address) || len(h.names()) > 0 {
		t.Errorf("left: %v", h.names())
	}
}

func TestNotify(t *testing.T) {
	g := newRig(t)
	a := g.spec("notify", "wait")
	a.WaitReady = true
	a.Env["NOTIFY_SOCKET"] = "/run/of/our/starter"
	k := g.spawn(a)
	await[Ready](g, k)
	g.r.Terminate(k)
	await[Gone](g, k)
	// Who is not to wait is not told where to notify.
	a.WaitReady, a.Args = false, append(a.Args[:0:0], "env=NOTIFY_SOCKET")
	kn := Key{ID: k.ID, Gen: k.Gen + 1}
	g.r.Spawn(Spawn{Key: kn, App: a})
	if got := await[Gone](g, kn).Log; len(got) != 1 || got[0] != "NOTIFY_SOCKET=" {
		t.Errorf("%q", got)
	}
}

func TestProbes(t *testing.T) {
	healthy := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-healthy:
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	g := newRig(t)
	a := g.spec("wait")
	a.Probe = srv.URL
	k := g.spawn(a)
	if err := await[ProbeFailed](g, k).Err; err.Error() != "answered 503 Service Unavailable" {
		t.Errorf("error %v", err)
	}
	close(healthy)
	await[Ready](g, k)
	for i, probe := range []string{"tcp://" + srv.Listener.Addr().String(), `exec:test "$name" = a`} {
		a.Probe = probe
		kn := Key{ID: k.ID, Gen: k.Gen + 1 + uint64(i)}
		g.r.Spawn(Spawn{Key: kn, App: a})
		await[Ready](g, kn)
		g.r.Kill(kn)
		await[Gone](g, kn)
	}
	// One that fails ends with its process.
	a.Probe = "exec:echo no luck; exit 3"
	kn := Key{ID: k.ID, Gen: k.Gen + 9}
	g.r.Spawn(Spawn{Key: kn, App: a})
	if err := await[ProbeFailed](g, kn).Err; !strings.Contains(err.Error(), "no luck") {
		t.Errorf("error %v", err)
	}
	g.r.Kill(kn)
	await[Gone](g, kn)
	g.r.Kill(k)
	await[Gone](g, k)
}

// The word of a process that it is ready is not the last one where it has a probe. With
// WaitReady it is probed from then on, by the next runner too.
func TestProbeAfterItsWord(t *testing.T) {
	first, h := newRig(t), &holder{}
	first.r.options.Hold = h
	healthy := filepath.Join(first.dir, "healthy")
	a := first.spec(`say="ready"`, "wait")
	a.Probe = "exec:echo >> tries; wc -l < tries; test -e " + healthy
	k := first.spawn(a)
	await[ProbeFailed](first, k)
	patient := Key{ID: k.ID, Gen: k.Gen + 1}
	b := first.spec("echo", `say="ready"`, "wait")
	b.Probe, b.WaitReady = "exec:echo >> asked; test -e "+healthy, true
	first.r.Spawn(Spawn{Key: patient, App: b})
	await[Spawned](first, patient)
	for strings.Count(first.names(k), "ProbeFailed") < 3 { // the other is asked again and again
		if strings.Contains(first.names(k), "Ready") {
			t.Fatal("ready by its own word")
		}
		<-first.news
	}
	if _, err := os.Stat(filepath.Join(first.dir, "asked")); err == nil {
		t.Error("probed before it said that it is ready")
	}
	if err := first.r.WriteLine(patient, "end"); err != nil {
		t.Error(err)
	}
	await[ProbeFailed](first, patient)

	next := newRig(t)
	next.r.options.Hold = h
	next.r.held = heldLives(h.give(t))
	next.r.Adopt(Spawn{Key: patient, App: b})
	await[Adopted](next, patient)
	if err := os.WriteFile(healthy, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await[Ready](first, k)
	await[Ready](next, patient)
	for _, k := range []Key{k, patient} {
		first.r.Kill(k)
		await[Gone](first, k)
	}
	await[Gone](next, patient)
}

// No command of a probe is left when the runner is frozen; it is run anew afterwards.
func TestFreezeEndsProbes(t *testing.T) {
	g := newRig(t)
	a := g.spec("wait")
	a.Probe = "exec:echo $$ > asking.new; mv asking.new asking; exec sleep 1000"
	k := g.spawn(a)
	running := func(but int) (pid int) {
		t.Helper()
		timeout := time.After(20 * time.Second)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			text, _ := os.ReadFile(filepath.Join(g.dir, "asking"))
			if pid, _ = strconv.Atoi(strings.TrimSpace(string(text))); pid > 0 && pid != but {
				return pid
			}
			select {
			case <-tick.C:
			case <-timeout:
				t.Fatalf("no command runs, but %q", text)
			}
		}
	}
	pid := running(0)
	thaw := g.r.Freeze()
	if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil {
		t.Error("the command is left")
	}
	thaw()
	running(pid)
	if got := g.names(k); got != "Spawned" {
		t.Errorf("an answer that nobody gave: %s", got)
	}
	g.r.Kill(k)
	await[Gone](g, k)
}

// Who says WATCHDOG=1 once must go on saying it.
func TestWatchdog(t *testing.T) {
	g := newRig(t)
	a := g.spec("watchdog", "env=WATCHDOG_USEC", "wait")
	a.HangTimeout = 200 * time.Millisecond
	k := g.spawn(a)
	await[Hung](g, k)
	g.r.Kill(k)
	if got := await[Gone](g, k).Log; len(got) != 1 || got[0] != "WATCHDOG_USEC=200000" {
		t.Errorf("%q", got)
	}
}
