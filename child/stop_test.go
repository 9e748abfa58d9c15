package child_test

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/proctest"
)

// strays are the ways in which a descendant gets away from its parent. Each
// line starts a process that stays, and says so on descriptor 1.
var strays = map[string]string{
	"child":                         `sleep 1000 & echo up; wait`,
	"grandchild":                    `sh -c 'sleep 1000 & echo up; wait' & wait`,
	"double fork":                   `(sleep 1000 & ) ; echo up; exec sleep 1000`,
	"setsid":                        `setsid sh -c 'echo up; exec sleep 1000' & wait`,
	"setsid and double fork":        `(setsid sh -c 'echo up; exec sleep 1000' & ) ; exec sleep 1000`,
	"daemon in a daemon":            `(setsid sh -c '(setsid sh -c "echo up; exec sleep 1000" &) ; exit' & ) ; exec sleep 1000`,
	"no environment, in the group":  `(env -i sh -c 'echo up; exec /bin/sleep 1000' & ) ; exec sleep 1000`,
	"no environment, in a session":  `(setsid sh -c '(env -i sh -c "echo up; exec /bin/sleep 1000" &) ; exec sleep 1000' & ) ; exec sleep 1000`,
	"no environment, below a stray": `(setsid sh -c 'env -i setsid sh -c "echo up; exec /bin/sleep 1000"; exit 1' & ) ; exec sleep 1000`,
	"deaf":                          `trap '' TERM INT HUP; (setsid sh -c 'echo up; exec sleep 1000' & ) ; sleep 1000; sleep 1000`,
	"stopped":                       `setsid sh -c 'echo up; kill -STOP $$; exec sleep 1000' & exec sleep 1000`,
	"its parent does not reap":      `sh -c 'exit 0' & sh -c 'sleep 0.01; echo up; exec sleep 1000' & exec sleep 1000`,
}

func TestStopLeavesNothing(t *testing.T) {
	for name, line := range strays {
		for _, o := range []child.StopOptions{
			{},
			{Grace: 50 * time.Millisecond},
			{Grace: 50 * time.Millisecond, Tree: true},
		} {
			t.Run(name+"/"+o.Grace.String()+" tree "+strconv.FormatBool(o.Tree), func(t *testing.T) {
				h := newHolders(t)
				p := spawn(t, shell(line, h.w))
				lines(t, p, 1)
				if _, err := p.Stop(soon(t), o); err != nil {
					t.Error(err)
				}
				h.gone(t)
			})
		}
	}
}

// Stops that are under way at the same time look together: none may end before its
// own tree has.
func TestStopsAtOnceLeaveNothing(t *testing.T) { testStopsAtOnce(t, shell) }

// Roots with many threads are not asked for the children of each.
func TestStopsOfThreadsLeaveNothing(t *testing.T) {
	testStopsAtOnce(t, func(line string, held *os.File, _ ...string) child.Command {
		cmd := shell(line, held)
		cmd.Path, cmd.Args = proctest.Self(), []string{line}
		cmd.Env = append(os.Environ(), proctest.RoleEnv("threads"))
		return cmd
	})
}

func testStopsAtOnce(t *testing.T, command func(line string, held *os.File, args ...string) child.Command) {
	type tree struct {
		name string
		h    *holders
		p    *child.Process
	}
	var trees []tree
	for range 3 {
		for name, line := range strays {
			h := newHolders(t)
			p := spawn(t, command(line, h.w))
			h.w.Close()
			trees = append(trees, tree{name, h, p})
		}
	}
	var all sync.WaitGroup
	for i, tr := range trees {
		lines(t, tr.p, 1)
		all.Go(func() {
			if _, err := tr.p.Stop(soon(t), child.StopOptions{Grace: time.Duration(i%2) * 50 * time.Millisecond, Tree: true}); err != nil {
				t.Errorf("%s: %v", tr.name, err)
			}
			tr.h.gone(t)
		})
	}
	all.Wait()
}

// A program that uses this package is no way out: its children lead groups and trees
// of their own, which are in the tree. One that was given a name is not.
func TestSweepOfNestedTrees(t *testing.T) {
	h := newHolders(t)
	nest := func(cmd child.Command) *child.Process {
		cmd.Path, cmd.Env = proctest.Self(), append(os.Environ(), proctest.RoleEnv("nest"))
		cmd.Stdio = []child.Stdio{{}, child.Pipe(), child.Inherit(2), child.File(h.w)}
		p := spawn(t, cmd)
		lines(t, p, 1)
		if exit, err := p.Wait(soon(t)); err != nil || exit.Code != 5 {
			t.Fatalf("%v, %v", exit, err)
		}
		return p
	}
	t.Setenv(child.MarkerVar, "outer")
	apart, inside := nest(child.Command{Tree: "apart"}), nest(child.Command{})
	members, err := inside.Tree()
	if err != nil || len(members) != 1 || members[0].Name != "sleep" {
		t.Errorf("%v, %v", members, err)
	}
	if id, ok := child.FindTree("outer"); !ok || id.PID != members[0].PID {
		t.Errorf("%v is of the tree that this process is in, not %v", id, members)
	}
	for _, p := range []*child.Process{inside, apart} {
		if err := p.Sweep(soon(t)); err != nil {
			t.Error(err)
		}
	}
	h.gone(t)
}

// What outlives the process is swept after its end, found by its group, its
// session or its marker.
func TestSweepAfterTheEnd(t *testing.T) {
	for name, line := range map[string]string{
		"group":                 `sleep 1000 & echo up`,
		"group, no environment": `env -i sh -c 'echo up; exec /bin/sleep 1000' &`,
		"session":               `setsid sh -c 'echo up; exec sleep 1000' &`,
		"session and more":      `setsid sh -c '(env -i sh -c "echo up; exec /bin/sleep 1000" &) ; exec sleep 1000' &`,
		"deaf":                  `trap '' TERM; setsid sh -c 'echo up; exec sleep 1000' &`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHolders(t)
			p := spawn(t, shell(line+"\nexit 5", h.w))
			lines(t, p, 1)
			if exit, err := p.Wait(soon(t)); err != nil || exit.Code != 5 {
				t.Fatalf("%v, %v", exit, err)
			}
			if err := p.Sweep(soon(t)); err != nil {
				t.Error(err)
			}
			h.gone(t)
		})
	}
}

func TestSweepFindsNothingAtOnce(t *testing.T) {
	p := spawn(t, shell("exit 0", nil))
	if _, err := p.Wait(soon(t)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := p.Sweep(soon(t)); err != nil {
			t.Error(err)
		}
	}
}

func TestStopGrace(t *testing.T) {
	t.Run("polite", func(t *testing.T) {
		p := spawn(t, shell(`trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done`, nil))
		lines(t, p, 1)
		exit, err := p.Stop(soon(t), child.StopOptions{Grace: time.Minute})
		if err != nil || exit.Code != 7 {
			t.Errorf("%v, %v", exit, err)
		}
	})
	t.Run("its own signal", func(t *testing.T) {
		p := spawn(t, shell(`trap 'exit 8' INT; echo up; while :; do sleep 0.01; done`, nil))
		lines(t, p, 1)
		exit, err := p.Stop(soon(t), child.StopOptions{Grace: time.Minute, Signal: syscall.SIGINT, Tree: true})
		if err != nil || exit.Code != 8 {
			t.Errorf("%v, %v", exit, err)
		}
	})
	t.Run("deaf", func(t *testing.T) {
		p := spawn(t, shell(`trap '' TERM; echo up; while :; do sleep 1000; done`, nil))
		lines(t, p, 1)
		began := time.Now()
		exit, err := p.Stop(soon(t), child.StopOptions{Grace: 100 * time.Millisecond})
		if err != nil || exit.Signal != syscall.SIGKILL || time.Since(began) < 100*time.Millisecond {
			t.Errorf("%v, %v after %v", exit, err, time.Since(began))
		}
	})
	t.Run("another way", func(t *testing.T) {
		cmd := shell(`read x; exit 9`, nil)
		cmd.Stdio[0] = child.Pipe()
		p := spawn(t, cmd)
		exit, err := p.Stop(soon(t), child.StopOptions{Grace: time.Minute, First: func() error {
			_, err := p.Pipe(0).WriteString("end\n")
			return err
		}})
		if err != nil || exit.Code != 9 {
			t.Errorf("%v, %v", exit, err)
		}
	})
	t.Run("the other way fails", func(t *testing.T) {
		p := spawn(t, shell(`exec sleep 1000`, nil))
		exit, err := p.Stop(soon(t), child.StopOptions{Grace: time.Minute, First: func() error { return os.ErrClosed }})
		if err != nil || exit.Signal != syscall.SIGTERM {
			t.Errorf("%v, %v", exit, err)
		}
	})
	t.Run("the tree may use the grace too", func(t *testing.T) {
		h := newHolders(t)
		p := spawn(t, shell(`(setsid sh -c 'trap "sleep 0.2; echo done; exit" TERM; echo up; while :; do sleep 0.01; done' & ) ; exec sleep 1000`, h.w))
		lines(t, p, 1)
		exit, err := p.Stop(soon(t), child.StopOptions{Grace: time.Minute, Tree: true})
		if err != nil || exit.Signal != syscall.SIGTERM {
			t.Errorf("%v, %v", exit, err)
		}
		h.gone(t)
		if got := lines(t, p, 1)[0]; got != "done" {
			t.Errorf("the stray said %q", got)
		}
	})
	t.Run("context", func(t *testing.T) {
		p := spawn(t, shell(`trap '' TERM; echo up; while :; do sleep 1000; done`, nil))
		lines(t, p, 1)
		ctx, cancel := context.WithCancel(soon(t))
		time.AfterFunc(50*time.Millisecond, cancel)
		exit, err := p.Stop(ctx, child.StopOptions{Grace: time.Hour})
		if err != nil || exit.Signal != syscall.SIGKILL {
			t.Errorf("%v, %v", exit, err)
		}
	})
	t.Run("after the end", func(t *testing.T) {
		p := spawn(t, shell(`exit 6`, nil))
		p.Wait(soon(t))
		exit, err := p.Stop(soon(t), child.StopOptions{Grace: time.Hour, Tree: true})
		if err != nil || exit.Code != 6 {
			t.Errorf("%v, %v", exit, err)
		}
	})
}

func TestWaitHonoursContext(t *testing.T) {
	p := spawn(t, shell(`exec sleep 1000`, nil))
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("enough")
	cancel(cause)
	if _, err := p.Wait(ctx); !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if exit := p.Exit(); exit != (child.Exit{}) {
		t.Errorf("Exit of a running process is %v", exit)
	}
}

func TestSignalTreeReachesAll(t *testing.T) {
	h := newHolders(t)
	p := spawn(t, shell(`sh -c 'setsid sh -c "(sleep 1000 &); echo up; exec sleep 1000"; exit 1' & exec sleep 1000`, h.w))
	lines(t, p, 1)
	if err := p.SignalTree(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if exit, err := p.Wait(soon(t)); err != nil || exit.Signal != syscall.SIGUSR1 {
		t.Errorf("%v, %v", exit, err)
	}
	h.w.Close()
	if _, err := h.r.Read(make([]byte, 1)); err == nil {
		t.Error("somebody wrote")
	}
}

// Bombs fork while they are being killed.
func TestStopBombs(t *testing.T) {
	for name, text := range map[string]string{
		"spawner":      `trap '' TERM; echo up; while :; do ( setsid sleep 1000 & ); done`,
		"two spawners": `trap '' TERM; (setsid sh -c 'trap "" TERM; while :; do ( setsid sleep 1000 & ); done' &); echo up; while :; do (sleep 1000 &); done`,
		// Each link is a session of its own, starts the next and ends.
		"runaway": `echo up; setsid sh "$1" "$1" >/dev/null & exit 0`,
		// A pair that brings each other back.
		"phoenix": `trap '' TERM; echo up; while :; do setsid sh -c 'trap "" TERM; sleep 0.001'; done`,
	} {
		for _, grace := range []time.Duration{0, 30 * time.Millisecond} {
			t.Run(name+" "+grace.String(), func(t *testing.T) {
				h := newHolders(t)
				path := write(t, "bomb", text, 0o755)
				p := spawn(t, shell(`exec sh "$1" "$1"`, h.w, path))
				lines(t, p, 1)
				ctx, cancel := context.WithTimeout(soon(t), 30*time.Second)
				defer cancel()
				if _, err := p.Stop(ctx, child.StopOptions{Grace: grace, Tree: true}); err != nil {
					t.Error(err)
				}
				h.gone(t)
			})
		}
	}
}

// One tree's end is none of another's business.
func TestTreesAreApart(t *testing.T) {
	other := spawn(t, shell(`(setsid sh -c 'echo up; exec sleep 1000' & ); exec sleep 1000`, nil))
	lines(t, other, 1)
	p := spawn(t, shell(`(setsid sh -c 'echo up; exec sleep 1000' & ); exec sleep 1000`, nil))
	lines(t, p, 1)
	if _, err := p.Stop(soon(t), child.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := other.Signal(0); err != nil {
		t.Errorf("the other tree's root: %v", err)
	}
	f := other.Pipe(1)
	f.SetReadDeadline(time.Now())
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the other tree's stray: %v", err)
	}
	if _, err := other.Stop(soon(t), child.StopOptions{}); err != nil {
		t.Fatal(err)
	}
}

// A child that joins this process's own group does not take it down with it.
func TestOwnGroupIsSafe(t *testing.T) {
	p := spawn(t, shell(`echo up; exec sleep 1000`, nil))
	lines(t, p, 1)
	if err := syscall.Setpgid(p.PID(), syscall.Getpgrp()); err != nil {
		t.Logf("setpgid: %v", err) // after exec only the child itself may
	}
	if _, err := p.Stop(soon(t), child.StopOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestConcurrentStops(t *testing.T) {
	h := newHolders(t)
	p := spawn(t, shell(strays["setsid and double fork"], h.w))
	lines(t, p, 1)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			exit, err := p.Stop(soon(t), child.StopOptions{Grace: time.Duration(i) * 10 * time.Millisecond, Tree: i%2 == 0})
			if err != nil || exit.Signal == 0 {
				t.Errorf("%v, %v", exit, err)
			}
		})
	}
	all.Wait()
	h.gone(t)
}
