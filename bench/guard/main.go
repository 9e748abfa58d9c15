// Guard compares what guarding costs, tend beside pm2: the time from a crash to
// the next exec, the time of ls and jlist and the memory of the guard with 0, 10 and
// 100 apps, and what the guard does while everything is idle.
//
//	go run ./internal/tools/testenv go run ./bench/guard
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tendproc/tend/bench/rig"
)

var (
	kills = flag.Int("kills", 20, "how often to kill the app of each guard")
	lists = flag.Int("lists", 20, "how often to run ls and jlist")
	idle  = flag.Duration("idle", 10*time.Second, "how long to watch the idle guards")
)

var sizes = []int{0, 10, 100}

func main() { rig.Main(bench) }

// subject is a guard and what was measured of it.
type subject struct {
	*rig.Guard
	apps      int        // started so far
	respawn   rig.Series // ms
	lists     map[asked]*cost
	rss, anon map[int]float64
	idleCPU   time.Duration
	wakeUps   int
}

// asked is a command, and with how many apps.
type asked struct {
	command string
	apps    int
}

// cost is what a command takes: wall clock, and processor time of the command and the
// guard. The second is to be trusted on a busy machine.
type cost struct{ took, cpu rig.Series } // ms

var commands = []string{"ls", "jlist"}

// floor is a program below whose time no command written in Go can come.
type floor struct {
	name, what string
	start      rig.Series // ms
}

var floors = []*floor{
	{name: "empty", what: "an empty Go program"},
	{name: "linked", what: "one that links net/http"},
}

func bench(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "tend-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	subjects, err := guards(ctx, dir)
	if err != nil {
		return err
	}
	defer func() {
		for _, s := range subjects {
			err = errors.Join(err, s.Close())
		}
	}()
	for _, f := range floors {
		if err := rig.Build(ctx, filepath.Join(dir, f.name), "./bench/guard/"+f.name); err != nil {
			return err
		}
	}
	if err := respawns(ctx, dir, subjects); err != nil {
		fmt.Fprintln(os.Stderr, "crash to exec is left out:", err)
	}
	for _, n := range sizes {
		if err := withApps(ctx, dir, subjects, n); err != nil {
			return err
		}
	}
	if err := atRest(ctx, subjects); err != nil {
		return err
	}
	report(subjects)
	return nil
}

func guards(ctx context.Context, dir string) ([]*subject, error) {
	tend, err := rig.Tend(ctx, dir)
	if err != nil {
		return nil, err
	}
	list := []*rig.Guard{tend}
	if pm2, err := rig.PM2(dir, "node"); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		list = append(list, pm2)
	}
	var subjects []*subject
	for _, g := range list {
		subjects = append(subjects, &subject{Guard: g, lists: map[asked]*cost{}, rss: map[int]float64{}, anon: map[int]float64{}})
		if _, err := g.Run(ctx, "ls"); err != nil { // starts the daemon
			return nil, err
		}
	}
	return subjects, nil
}

// respawns kills a program again and again; the kernel says when it died and
// when its successor was executed.
func respawns(ctx context.Context, dir string, subjects []*subject) error {
	w, err := newWatcher()
	if err != nil {
		return err
	}
	defer w.close()
	for _, s := range subjects {
		app, err := sleeper(dir, "crash-"+s.Name)
		if err != nil {
			return err
		}
		if _, err := s.Run(ctx, "start", app, "--interpreter", "none", "--name", "crash", "--max-restarts", "1000", "--", "100000"); err != nil {
			return err
		}
		out, err := s.Run(ctx, "pid", "crash")
		if err != nil {
			return err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(out))
		if err != nil {
			return fmt.Errorf("%s pid crash: %q", s.Name, out)
		}
		for range *kills {
			// Past the age below which a guard may hesitate to respawn.
			if err := rig.Rest(ctx, 1200*time.Millisecond); err != nil {
				return err
			}
			next, took, err := killAndSee(w, app, pid)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			s.respawn = append(s.respawn, float64(took)/1e6)
			pid = next
		}
		if _, err := s.Run(ctx, "delete", "crash"); err != nil {
			return err
		}
	}
	return nil
}

func killAndSee(w *watcher, app string, pid int) (next int, took time.Duration, err error) {
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return 0, 0, fmt.Errorf("kill %d: %w", pid, err)
	}
	var died time.Duration
	for {
		e, err := w.next()
		if err != nil {
			return 0, 0, err
		}
		switch {
		case !e.exec && e.pid == pid:
			died = e.at
		case e.exec && died > 0:
			if program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", e.pid)); err == nil && program == app {
				return e.pid, e.at - died, nil
			}
		}
	}
}

// withApps brings the number of apps up to n and measures ls and memory.
func withApps(ctx context.Context, dir string, subjects []*subject, n int) error {
	for _, s := range subjects {
		if err := s.fill(ctx, dir, n); err != nil {
			return err
		}
	}
	if err := rig.Rest(ctx, 3*time.Second); err != nil { // let the start-up burst settle
		return err
	}
	for i := range *lists {
		for _, f := range floors {
			took, err := timed(exec.CommandContext(ctx, filepath.Join(dir, f.name)))
			if err != nil {
				return err
			}
			f.start = append(f.start, took)
		}
		for _, s := range subjects {
			if s.Name == "pm2" && i >= max(1, *lists/4) {
				continue // a second each
			}
			if err := s.list(ctx, n); err != nil {
				return err
			}
		}
	}
	pids := make([][]int, len(subjects))
	for i, s := range subjects {
		var err error
		if pids[i], err = s.Daemons(ctx); err != nil {
			return err
		}
	}
	if err := rig.Rest(ctx, 5*time.Second); err != nil { // what the lists took is given back
		return err
	}
	for i, s := range subjects {
		s.rss[n], s.anon[n] = rig.Memory(pids[i]...)
	}
	return nil
}

// list runs the commands once.
func (s *subject) list(ctx context.Context, n int) error {
	daemons, err := s.Daemons(ctx)
	if err != nil {
		return err
	}
	for _, command := range commands {
		before, err := rig.CPU(daemons...)
		if err != nil {
			return err
		}
		cmd := s.Command(ctx, command)
		took, err := timed(cmd)
		if err != nil {
			return fmt.Errorf("%s %s: %w", s.Name, command, err)
		}
		after, err := rig.CPU(daemons...)
		if err != nil {
			return err
		}
		c := s.lists[asked{command, n}]
		if c == nil {
			c = &cost{}
			s.lists[asked{command, n}] = c
		}
		spent := after - before + cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		c.took, c.cpu = append(c.took, took), append(c.cpu, float64(spent)/1e6)
	}
	return nil
}

// timed runs a command and returns its milliseconds.
func timed(cmd *exec.Cmd) (float64, error) {
	cmd.Stdout = io.Discard
	start := time.Now()
	err := cmd.Run()
	return float64(time.Since(start)) / 1e6, err
}

// fill starts apps until there are n.
func (s *subject) fill(ctx context.Context, dir string, n int) error {
	if n == 0 {
		return nil
	}
	app, err := sleeper(dir, "app-"+s.Name)
	if err != nil {
		return err
	}
	type entry struct {
		Name        string `json:"name"`
		Script      string `json:"script"`
		Interpreter string `json:"interpreter"`
		Args        string `json:"args"`
	}
	var entries []entry
	for i := s.apps; i < n; i++ {
		name := fmt.Sprintf("%s-%03d", s.Name, i)
		entries = append(entries, entry{Name: name, Script: app, Interpreter: "none", Args: "100000"})
		if s.Name == "tend" {
			if _, err := s.Run(ctx, "start", app, "-f", "--interpreter", "none", "--name", name, "--", "100000"); err != nil {
				return err
			}
		}
	}
	s.apps = n
	if s.Name == "tend" {
		return nil
	}
	text, err := json.Marshal(map[string]any{"apps": entries})
	if err != nil {
		return err
	}
	file := filepath.Join(dir, fmt.Sprintf("apps-%d.json", n))
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return err
	}
	_, err = s.Run(ctx, "start", file)
	return err
}

// atRest watches the guards while nothing happens.
func atRest(ctx context.Context, subjects []*subject) error {
	type mark struct {
		pids     []int
		cpu      time.Duration
		switches int
	}
	marks := make([]mark, len(subjects))
	for i, s := range subjects {
		pids, err := s.Daemons(ctx)
		if err != nil {
			return err
		}
		marks[i].pids = pids
	}
	if err := rig.Rest(ctx, 5*time.Second); err != nil { // the questions themselves die down
		return err
	}
	for i := range marks {
		cpu, err := rig.CPU(marks[i].pids...)
		if err != nil {
			return err
		}
		marks[i].cpu, marks[i].switches = cpu, rig.Switches(marks[i].pids...)
	}
	if err := rig.Rest(ctx, *idle); err != nil {
		return err
	}
	for i, s := range subjects {
		cpu, err := rig.CPU(marks[i].pids...)
		if err != nil {
			return err
		}
		s.idleCPU, s.wakeUps = cpu-marks[i].cpu, rig.Switches(marks[i].pids...)-marks[i].switches
	}
	return nil
}

// sleeper copies sleep under a name of its own, by which its execs are known.
func sleeper(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	program, err := exec.LookPath("sleep")
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(program)
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, text, 0o755)
}
