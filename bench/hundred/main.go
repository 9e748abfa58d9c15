// Hundred gives 100 apps from one file to tend, by its own name and by PM2's, and
// to pm2: start, list, restart, stop and delete all of them. Beside them stands
// what 100 spawns of the same program take alone, all at once: nobody is faster.
//
//	go run ./internal/tools/testenv go run ./bench/hundred
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tendproc/tend/bench/rig"
)

var (
	apps   = flag.Int("apps", 100, "how many apps")
	rounds = flag.Int("rounds", 3, "how often each guard does everything")
	only   = flag.String("programs", "go,shell,node", "what the apps are, parted by commas")
)

const (
	ranVar   = "BENCH_RAN" // names the pipe to which an app writes a byte when it runs
	patience = 2 * time.Minute
)

func main() { rig.Main(bench) }

// program is what the apps of a file are.
type program struct {
	name string
	argv []string
	keys map[string]any // of its entries in the file
}

func programs(ctx context.Context, dir string) (list []program, err error) {
	app := filepath.Join(dir, "app")
	if err := rig.Build(ctx, app, "./bench/hundred/app"); err != nil {
		return nil, err
	}
	here, err := filepath.Abs("bench/hundred")
	if err != nil {
		return nil, err
	}
	sh, js := filepath.Join(here, "app.sh"), filepath.Join(here, "app.js")
	for _, p := range []program{
		{"go", []string{app}, map[string]any{"script": app, "interpreter": "none"}},
		{"shell", []string{"sh", sh}, map[string]any{"script": sh, "interpreter": "sh"}},
		{"node", []string{"node", js}, map[string]any{"script": js}},
	} {
		if strings.Contains(","+*only+",", ","+p.name+",") {
			list = append(list, p)
		}
	}
	return list, nil
}

func bench(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "tend-hundred-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	list, err := programs(ctx, dir)
	if err != nil {
		return err
	}
	pipe, err := openMarks(filepath.Join(dir, "ran"))
	if err != nil {
		return err
	}
	defer pipe.close()
	guards, err := guards(ctx, dir)
	defer func() {
		for _, g := range guards {
			err = errors.Join(err, g.Close())
		}
	}()
	if err != nil {
		return err
	}
	t := newTable(guards)
	for range *rounds {
		for _, p := range list {
			if err := floor(ctx, t, p, pipe); err != nil {
				return err
			}
			for _, g := range guards {
				if err := all(ctx, t.of(p.name, g.Name), g, p, pipe); err != nil {
					return err
				}
			}
		}
	}
	t.print(list)
	return nil
}

// guards are those that could be had, with their daemons.
func guards(ctx context.Context, dir string) (list []*rig.Guard, err error) {
	tend, err := rig.Tend(ctx, dir)
	if err != nil {
		return nil, err
	}
	named, err := rig.TendAsPM2(ctx, dir)
	if err != nil {
		return nil, err
	}
	list = []*rig.Guard{tend, named}
	if pm2, err := rig.PM2(dir, "node"); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		list = append(list, pm2)
	}
	for _, g := range list {
		if _, err := g.Run(ctx, "ls"); err != nil { // starts the daemon
			return list, err
		}
	}
	return list, nil
}

// all has a guard do everything once with the apps of a program.
func all(ctx context.Context, m measures, g *rig.Guard, p program, pipe *marks) error {
	file := filepath.Join(filepath.Dir(g.Home()), p.name+".json")
	var entries []map[string]any
	for i := range *apps {
		entry := map[string]any{"name": fmt.Sprintf("%s-%03d", p.name, i), "env": map[string]string{ranVar: pipe.path}}
		for k, v := range p.keys {
			entry[k] = v
		}
		entries = append(entries, entry)
	}
	text, err := json.Marshal(map[string]any{"apps": entries})
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return err
	}
	for _, s := range []struct {
		measure string
		runs    bool // each app runs anew
		args    []string
	}{
		{"start", true, []string{"start", file}},
		{"jlist", false, []string{"jlist"}},
		{"restart", true, []string{"restart", "all"}},
		{"stop", false, []string{"stop", "all"}},
		{"", true, []string{"start", file}},
		{"delete", false, []string{"delete", "all"}},
	} {
		began := time.Now()
		if _, err := g.Run(ctx, s.args...); err != nil {
			return err
		}
		m.add(s.measure, time.Since(began))
		if !s.runs {
			continue
		}
		at, err := pipe.wait(ctx, *apps)
		if err != nil {
			return fmt.Errorf("%s %s: %w", g.Name, strings.Join(s.args, " "), err)
		}
		m.add(s.measure+ranSuffix, max(at.Sub(began), 0))
	}
	return nil
}

// floor spawns the program as often, all at once, and ends it.
func floor(ctx context.Context, t *table, p program, pipe *marks) error {
	m := t.of(p.name, floorName)
	cmds := make([]*exec.Cmd, *apps)
	defer func() {
		for _, cmd := range cmds {
			if cmd != nil && cmd.Process != nil {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
		}
	}()
	began := time.Now()
	for i := range cmds {
		cmds[i] = exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
		cmds[i].Env = append(os.Environ(), ranVar+"="+pipe.path)
		if err := cmds[i].Start(); err != nil {
			return err
		}
	}
	m.add("start", time.Since(began))
	at, err := pipe.wait(ctx, *apps)
	if err != nil {
		return err
	}
	m.add("start"+ranSuffix, at.Sub(began))
	began = time.Now()
	for _, cmd := range cmds {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			return err
		}
	}
	for i, cmd := range cmds {
		_ = cmd.Wait() // ended by the signal
		cmds[i] = nil
	}
	m.add("stop", time.Since(began))
	return nil
}
