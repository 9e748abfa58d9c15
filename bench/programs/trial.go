package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tendproc/tend/bench/rig"
)

// trial is one program under tend.
type trial struct {
	*rig.Guard
	program
	pace
	dir   string // of the whole run
	place string // a folder of the program's own
	port  int
}

const app = "trial" // its name in tend

// pace is how long a trial takes.
type pace struct {
	steady time.Duration // that it is asked before anything happens to it
	rest   time.Duration // before and after what happens
	times  int           // that it is killed, and reloaded
}

// outcome is what clients noticed, and what was left behind: "" for nothing.
type outcome struct {
	running, killed, reloaded load
	left                      string
}

// run does everything to the program and returns its row.
func (t *trial) run(ctx context.Context) (row string, err error) {
	o, err := t.try(ctx)
	return fmt.Sprintf("| %s | `%s` | %v | %v | %v | %v | %s |", t.name, t.shown(), o.running, o.killed, o.reloaded, o.reloaded.gap.Round(time.Millisecond), cmp.Or(o.left, "–")), err
}

// try does everything to the program.
func (t *trial) try(ctx context.Context) (o outcome, err error) {
	if t.place, err = os.MkdirTemp(t.dir, "place-"); err != nil {
		return o, err
	}
	if t.port, err = freePort(); err != nil {
		return o, err
	}
	if t.ready != nil {
		if err := t.ready(ctx, t); err != nil {
			return o, err
		}
	}
	log.Printf("%s on port %d", t.name, t.port)
	before, err := t.census(ctx)
	if err != nil {
		return o, err
	}
	if err := t.begin(ctx); err != nil {
		return o, err
	}
	if o.running, err = t.under(ctx, "running", func() error { return rig.Rest(ctx, t.steady) }); err != nil {
		return o, err
	}
	if o.killed, err = t.under(ctx, "kill -9", func() error { return t.often(ctx, t.killOne) }); err != nil {
		return o, err
	}
	o.reloaded, err = t.under(ctx, "reload", func() error {
		return t.often(ctx, func(ctx context.Context) error {
			_, err := t.Run(ctx, "reload", app)
			return err
		})
	})
	if err != nil {
		return o, err
	}
	o.left, err = t.leave(ctx, before)
	return o, err
}

// shown are the arguments, without the long paths.
func (t *trial) shown() string {
	return strings.NewReplacer("APP/", "", "MODULES/", "", "PLACE/", "", " --cwd PLACE/next", "", " --cwd PLACE", "", " --probe http://127.0.0.1:PORT/", " --probe …", " --probe tcp://127.0.0.1:PORT", " --probe …").
		Replace(strings.Join(t.start, " "))
}

func (t *trial) begin(ctx context.Context) error {
	args := []string{"start"}
	at := slices.Index(t.start, "--")
	if at < 0 {
		at = len(t.start)
	}
	for _, a := range t.start[:at] {
		args = append(args, t.named(a))
	}
	args = append(args, "--name", app, "--max-restarts", "1000", "--min-uptime", "100ms", "-k", "8s")
	for _, a := range t.start[at:] {
		args = append(args, t.named(a))
	}
	mods, err := filepath.Abs(modules())
	if err != nil {
		return err
	}
	cmd := t.Command(ctx, args...)
	cmd.Env = append(cmd.Env, "PORT="+strconv.Itoa(t.port), "NODE_ENV=production", "NODE_PATH="+os.Getenv("TEND_TEST_MODULES")+":"+mods)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("start: %w: %s", err, out)
	}
	return nil
}

func (t *trial) often(ctx context.Context, do func(context.Context) error) error {
	for range t.times {
		if err := do(ctx); err != nil {
			return err
		}
		if err := rig.Rest(ctx, t.rest); err != nil {
			return err
		}
	}
	return nil
}

// killOne kills a process of the app and waits until another is in its place.
func (t *trial) killOne(ctx context.Context) error {
	before, err := t.pids(ctx)
	if err != nil {
		return err
	}
	if err := syscall.Kill(before[0], syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %d: %w", before[0], err)
	}
	for {
		now, err := t.pids(ctx)
		if err != nil {
			return err
		}
		if len(now) == len(before) && !slices.Contains(now, before[0]) {
			return nil
		}
		if err := rig.Rest(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func (t *trial) pids(ctx context.Context) (pids []int, err error) {
	out, err := t.Run(ctx, "pid", app)
	if err != nil {
		return nil, err
	}
	for word := range strings.FieldsSeq(out) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("pid: %q", out)
		}
		if pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// under does something while clients ask, and for a moment before and after.
func (t *trial) under(ctx context.Context, what string, do func() error) (l load, err error) {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		var err error
		l, err = t.load(asking, t)
		done <- err
	}()
	err = rig.Rest(ctx, t.rest)
	if err == nil {
		err = do()
	}
	if err == nil {
		err = rig.Rest(ctx, t.rest)
	}
	cancel()
	err = errors.Join(err, <-done)
	if l.requests == 0 && err == nil {
		err = fmt.Errorf("%s: nothing was answered", what)
	}
	for _, e := range l.errs {
		log.Printf("%s: %s: %s", t.name, what, e)
	}
	return l, err
}

// leave stops the app, starts it anew, deletes it, and counts what is left each time.
func (t *trial) leave(ctx context.Context, before census) (string, error) {
	var left []string
	for _, verb := range []string{"stop", "delete"} {
		if _, err := t.Run(ctx, verb, app); err != nil {
			return "", err
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", t.port)); err != nil {
			left = append(left, "the port after "+verb)
		} else {
			l.Close()
		}
		more, err := t.more(ctx, before)
		if err != nil {
			return "", err
		}
		if more != "" {
			left = append(left, more+" after "+verb)
		}
		if verb == "stop" {
			if _, err := t.Run(ctx, "start", app); err != nil {
				return "", err
			}
		}
	}
	return strings.Join(left, ", "), nil
}

// census counts what can stay behind.
type census struct{ daemon, keeper, processes int }

const settled = 12 * time.Second // what is closed may take so long to be

// more tells what there is more than before, once it has settled.
func (t *trial) more(ctx context.Context, before census) (string, error) {
	for deadline := time.Now().Add(settled); ; {
		now, err := t.census(ctx)
		if err != nil {
			return "", err
		}
		var list []string
		for _, one := range []struct {
			n    int
			what string
		}{
			{now.daemon - before.daemon, "descriptors of the daemon"},
			{now.keeper - before.keeper, "descriptors of the keeper"},
			{now.processes - before.processes, "processes"},
		} {
			if one.n > 0 {
				list = append(list, fmt.Sprintf("%d %s", one.n, one.what))
			}
		}
		if len(list) == 0 || time.Now().After(deadline) {
			return strings.Join(list, ", "), nil
		}
		if err := rig.Rest(ctx, 200*time.Millisecond); err != nil {
			return "", err
		}
	}
}

func (t *trial) census(ctx context.Context) (c census, err error) {
	pids, err := t.Daemons(ctx)
	if err != nil {
		return c, err
	}
	c.daemon, c.keeper = rig.Descriptors(pids[0]), rig.Descriptors(pids[1])
	list, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range list {
		env, err := os.ReadFile(path)
		if err == nil && bytes.Contains(env, []byte("TEND_HOME="+t.Home()+"\x00")) {
			c.processes++
		}
	}
	return c, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
