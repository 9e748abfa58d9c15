package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/cluster"
	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/daemon"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/keeper"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/loadgen"
	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/spec"
)

// worker serves its pid on the address args[0], as a worker of a cluster or with
// the socket it inherited, says so where it is told to, and finishes what it has begun
// when it is asked to leave or to end.
func worker(args []string) int {
	l, err := cluster.Listen("tcp", args[0])
	if err != nil {
		fmt.Println(err)
		return 1
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strconv.Itoa(os.Getpid()))
	})}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if to := os.Getenv("NOTIFY_SOCKET"); to != "" {
		conn, err := net.Dial("unixgram", to)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		conn.Write([]byte("READY=1"))
	}
	if err := cluster.ServeHTTP(ctx, srv, l, 8*time.Second); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// serve starts workers and returns where they answer.
func serve(t *testing.T, c *api.Client, scheduler string, n int, change ...func(*spec.Options)) (url string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, scheduler)
	if err := os.Symlink(proctest.Self(), path); err != nil {
		t.Fatal(err)
	}
	mode, instances, args := "cluster", strconv.Itoa(n), []string{"127.0.0.1:0"}
	options := spec.Options{Mode: &mode, Instances: &instances, Args: &args, Scheduler: &scheduler}
	for _, fn := range change {
		fn(&options)
	}
	_, err := c.Start(t.Context(), spec.Start{
		Word:    path,
		Options: options,
		Caller:  spec.Caller{Cwd: dir, Env: append(os.Environ(), proctest.RoleEnv("worker"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.List(t.Context(), event.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list.Apps {
		if a.Spec.Name == scheduler {
			return "http://" + strings.TrimPrefix(a.Listening[0], "tcp ") + "/"
		}
	}
	t.Fatal("it listens nowhere")
	return ""
}

// crash kills the daemon and waits for the next one.
func crash(t *testing.T, home string, pid int) (*api.Client, event.Info) {
	t.Helper()
	syscall.Kill(pid, syscall.SIGKILL)
	for {
		c, err := daemon.Connect(t.Context(), home)
		if err != nil {
			t.Fatal(err) // nobody is ever refused
		}
		t.Cleanup(func() { c.Close() })
		if info, err := c.Ping(t.Context()); err == nil && info.PID != pid {
			return c, info
		}
	}
}

func pidsOf(t *testing.T, c *api.Client) (pids []int, restarts int) {
	t.Helper()
	list, err := c.List(t.Context(), event.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range list.Instances {
		pids, restarts = append(pids, in.PID), restarts+in.Restarts
	}
	return pids, restarts
}

// A worker on standby serves when another one dies, the one that a former daemon
// had put there too.
func TestStandby(t *testing.T) {
	for _, scheduler := range []string{"rr", "shared", "reuseport"} {
		t.Run(scheduler, func(t *testing.T) {
			home := newHome(t)
			c, info := ensure(t, home)
			url := serve(t, c, scheduler, 1, func(o *spec.Options) { o.Standby = new(1) })
			spare := 0
			for range 3 {
				serving, waiting := roles(t, c)
				if got := answers(t, url); got != serving {
					t.Errorf("%d answers, not %d", got, serving)
				}
				if spare != 0 && serving != spare {
					t.Errorf("%d serves, and %d was on standby", serving, spare)
				}
				spare = waiting
				c, info = crash(t, home, info.PID)
				syscall.Kill(serving, syscall.SIGKILL)
				if got := answers(t, url); got != spare {
					t.Errorf("%d answers after the death of %d, and not %d, which was on standby", got, serving, spare)
				}
			}
		})
	}
}

// roles waits until one of two workers serves and the other is on standby.
func roles(t *testing.T, c *api.Client) (serving, waiting int) {
	t.Helper()
	found := errors.New("found")
	all := map[int]event.Instance{}
	err := c.Watch(t.Context(), "", func(ev event.Event) error {
		if ev.Snapshot != nil {
			for _, in := range ev.Snapshot.Instances {
				all[in.ID] = in
			}
		} else if ev.Instance != nil {
			all[ev.Instance.ID] = *ev.Instance
		}
		serving, waiting = 0, 0
		for _, in := range all {
			switch {
			case in.Phase != lifecycle.Running:
			case in.Standby:
				waiting = in.PID
			default:
				serving = in.PID
			}
		}
		if serving != 0 && waiting != 0 {
			return found
		}
		return nil
	})
	if !errors.Is(err, found) {
		t.Fatal(err)
	}
	return serving, waiting
}

// A worker that has taken its connections is replaced, and no request notices.
func TestWorkersWearOut(t *testing.T) {
	home := newHome(t)
	c, _ := ensure(t, home)
	url := serve(t, c, "rr", 1, func(o *spec.Options) { o.MaxConnections = new(50) })
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	workers := map[string]int{}
	for len(workers) < 3 {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if workers[string(pid)]++; workers[string(pid)] > 2000 {
			t.Fatalf("%v: one of them is never replaced", workers)
		}
	}
}

// answers asks who serves, on a connection of its own. One that was begun by a
// worker that is just dying is begun again.
func answers(t *testing.T, url string) int {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		resp, err := client.Get(url)
		if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if pid, _ := strconv.Atoi(string(text)); err == nil {
			return pid
		}
	}
}

// The daemon may die at any moment, again and again: no request is lost, and
// every process is the same.
func TestDaemonKilledUnderLoad(t *testing.T) {
	for _, scheduler := range []string{"rr", "shared", "reuseport"} {
		t.Run(scheduler, func(t *testing.T) {
			home := newHome(t)
			c, info := ensure(t, home)
			url := serve(t, c, scheduler, 2)
			writer := start(t, c, "writer", numbering)
			before, _ := pidsOf(t, c)
			underLoad(t, url, func() {
				for range 12 {
					c, info = crash(t, home, info.PID)
				}
			})
			if after, restarts := pidsOf(t, c); !slices.Equal(after, before) || restarts > 0 {
				t.Errorf("processes %v, then %v; %d restarts", before, after, restarts)
			}
			if info.KeeperPID == 0 {
				t.Error("there is no keeper")
			}
			syscall.Kill(writer.PID, syscall.SIGKILL)
			await(t, c, writer.ID, func(in event.Instance) bool { return in.Gen == 2 })
			numbered(t, filepath.Join(home, keeper.LogsName, "writer-out.log"))
		})
	}
}

// underLoad does something while clients keep asking url, each on one connection:
// no request may fail.
func underLoad(t *testing.T, url string, do func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	loaded := make(chan loadgen.Result, 1)
	const clients = 8
	connected := make(chan struct{})
	var answers atomic.Int64
	go func() {
		r, err := loadgen.Run(ctx, loadgen.Options{
			URL: url, Clients: clients, KeepAlive: true, Pause: time.Millisecond,
			Key: func([]byte) string {
				if answers.Add(1) == 20*clients {
					close(connected)
				}
				return ""
			},
		})
		if err != nil {
			t.Error(err)
		}
		loaded <- r
	}()
	<-connected
	do()
	cancel()
	if r := <-loaded; r.Failed() > 0 || r.Count(loadgen.OK) == 0 {
		t.Errorf("%v", &r)
	}
}

// What ended while there was no daemon is known by how it ended, and comes back.
func TestDaemonAndAppKilled(t *testing.T) {
	home := newHome(t)
	c, info := ensure(t, home)
	app := start(t, c, "mortal", "while :; do sleep 1000; done\n")
	tree := start(t, c, "stray", "trap '' TERM INT\nsetsid sleep 1000 &\nwhile :; do sleep 1000; done\n")
	syscall.Kill(info.PID, syscall.SIGSTOP) // so that it hears of nothing
	syscall.Kill(app.PID, syscall.SIGKILL)
	c, info = crash(t, home, info.PID)
	in := await(t, c, app.ID, func(in event.Instance) bool { return in.Gen == 2 && in.Phase == lifecycle.Running })
	if in.LastExit == nil || in.LastExit.Signal != "SIGKILL" || in.LastExit.PID != app.PID || in.Restarts != 1 {
		t.Errorf("%+v, last exit %+v", in, in.LastExit)
	}
	if in := await(t, c, tree.ID, func(event.Instance) bool { return true }); in.PID != tree.PID {
		t.Errorf("%+v", in)
	}
	if err := c.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !gone(tree.PID) {
		t.Error("what was adopted is not ended")
	}
	if text := read(t, filepath.Join(home, keeper.LogName)); !strings.Contains(text, "ended by signal 9") {
		t.Error("tend.log does not tell")
	}
}

// await follows an instance until it is as wanted.
func await(t *testing.T, c *api.Client, id int, want func(event.Instance) bool) (in event.Instance) {
	t.Helper()
	found := errors.New("found")
	err := c.Watch(t.Context(), "", func(ev event.Event) error {
		list := []event.Instance{}
		if ev.Snapshot != nil {
			list = ev.Snapshot.Instances
		} else if ev.Instance != nil {
			list = append(list, *ev.Instance)
		}
		for _, one := range list {
			if one.ID == id && want(one) {
				in = one
				return found
			}
		}
		return nil
	})
	if !errors.Is(err, found) {
		t.Fatal(err)
	}
	return in
}

// A message that the daemon had half read when it was killed comes to the next one.
func TestHalfAMessage(t *testing.T) {
	home := newHome(t)
	c, info := ensure(t, home)
	gate := filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	const half = 400_000 // more than the socket holds
	x := fmt.Sprintf("head -c %d /dev/zero | tr '\\0' x >&9\n", half)
	start(t, c, "talker", `eval "exec 9>&$NODE_CHANNEL_FD"`+"\nprintf '\"' >&9\n"+x+"read go < "+gate+"\n"+x+"printf '\"\\n' >&9\nsleep 1000\n")
	w, err := os.OpenFile(gate, os.O_WRONLY, 0) // once it waits there
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c, _ = crash(t, home, info.PID)
	got := errors.New("it came")
	err = c.Watch(t.Context(), "", func(ev event.Event) error {
		switch ev.Type {
		case event.Begin:
			fmt.Fprintln(w, "go")
		case event.Message:
			if len(ev.Message) != 2*half+2 {
				t.Errorf("it has %d bytes, not %d", len(ev.Message), 2*half+2)
			}
			return got
		}
		return nil
	})
	if !errors.Is(err, got) {
		t.Error(err)
	}
}

// The keeper may die too: the daemon makes another, which knows all there is.
func TestKeeperKilled(t *testing.T) {
	home := newHome(t)
	c, info := ensure(t, home)
	app := start(t, c, "quiet", "while :; do sleep 1000; done\n")
	url := serve(t, c, "rr", 2)
	before, _ := pidsOf(t, c)
	for range 3 {
		syscall.Kill(info.KeeperPID, syscall.SIGKILL)
		old := info.KeeperPID
		for info.KeeperPID == old || info.KeeperPID == 0 {
			var err error
			if info, err = c.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		c, info = crash(t, home, info.PID)
		if r, err := loadgen.Run(t.Context(), loadgen.Options{URL: url, Clients: 2, Requests: 20}); err != nil || r.Failed() > 0 {
			t.Errorf("%v, %v", &r, err)
		}
	}
	if after, restarts := pidsOf(t, c); !slices.Equal(after, before) || restarts > 0 || gone(app.PID) {
		t.Errorf("processes %v, then %v", before, after)
	}
	// Nobody tells how one ended that no keeper is the parent of: that is not waited for.
	began := time.Now()
	syscall.Kill(app.PID, syscall.SIGKILL)
	if in := await(t, c, app.ID, func(in event.Instance) bool { return in.Gen == 2 }); time.Since(began) > time.Second {
		t.Errorf("its end was seen after %v: %+v", time.Since(began), in)
	}
	if err := c.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The home is free as soon as the daemon has ended.
	claim, err := keeper.NewClaim(home)
	if err != nil {
		t.Fatal(err)
	}
	claim.Close()
}

// When both die at once nobody holds what the apps had: they are ended, and
// started anew, not beside themselves.
func TestDaemonAndKeeperKilled(t *testing.T) {
	home := newHome(t)
	c, info := ensure(t, home)
	app := start(t, c, "orphan", "while :; do sleep 1000 & wait; done\n")
	syscall.Kill(info.KeeperPID, syscall.SIGSTOP)
	syscall.Kill(info.PID, syscall.SIGKILL)
	syscall.Kill(info.KeeperPID, syscall.SIGKILL)
	reap(info.KeeperPID)
	for { // it may still be on its way out, and its socket with it
		c, err := daemon.Connect(t.Context(), home)
		if fault.CodeOf(err) == fault.Unavailable {
			break
		}
		if err == nil {
			c.Close()
		}
	}
	c, _ = ensure(t, home)
	in := await(t, c, app.ID, func(in event.Instance) bool { return in.Gen == 2 && in.Phase == lifecycle.Running })
	if in.PID == app.PID || runs(app.PID) {
		t.Errorf("%d runs beside %d", app.PID, in.PID)
	}
}

// runs tells that a process has not ended: a zombie has.
func runs(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// A signal ends the daemon and the apps; with the next daemon what was up is up
// again, and stopped is stopped. After a kill nothing is remembered.
func TestWhatIsRemembered(t *testing.T) {
	home := newHome(t)
	c, info := ensure(t, home)
	up := start(t, c, "up", "while :; do sleep 1000; done\n")
	down := start(t, c, "down", "while :; do sleep 1000; done\n")
	if _, err := c.Stop(t.Context(), spec.Act{Target: "down"}); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(info.PID, syscall.SIGTERM)
	reap(info.KeeperPID)
	if !gone(up.PID) {
		t.Error("the app runs on")
	}
	c, info = ensure(t, home)
	in := await(t, c, up.ID, func(in event.Instance) bool { return in.Phase == lifecycle.Running })
	if in.App != "up" || in.PID == up.PID {
		t.Errorf("%+v", in)
	}
	if in := await(t, c, down.ID, func(event.Instance) bool { return true }); in.Phase != lifecycle.Stopped {
		t.Errorf("%+v", in)
	}
	if err := c.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	reap(info.KeeperPID)
	c, _ = ensure(t, home)
	if list, err := c.List(t.Context(), event.Query{}); err != nil || len(list.Instances) > 0 {
		t.Errorf("after a kill there is %+v, %v", list.Instances, err)
	}
}
