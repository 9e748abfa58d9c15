// Demo shows tend at its main job, on real programs, in a home and on ports of
// its own: a cluster of two Go processes on one port and, where there is node,
// of two Node processes; one of them killed; its successor; and then nothing
// left over. Only Go is needed.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/tools/run"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run.Main(demo(ctx))
}

// stage is where the demo plays.
type stage struct {
	tend, home string
	apps       []*app
}

// app is one of the programs shown.
type app struct {
	name, what string
	start      []string // arguments of tend start
	port       int
}

func demo(ctx context.Context) (err error) {
	s, err := build(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.cleanUp()) }()
	for _, a := range s.apps {
		if err := s.startAndAsk(ctx, a); err != nil {
			return err
		}
	}
	if err := s.killOne(ctx, s.apps[0]); err != nil {
		return err
	}
	title("All of it at a glance")
	if err := s.show(ctx, "ls"); err != nil {
		return err
	}
	title("What the programs printed")
	if err := s.show(ctx, "logs", "--nostream", "--lines", "2"); err != nil {
		return err
	}
	title("Clean up: every process, socket and file of the demo")
	return nil
}

func build(ctx context.Context) (*stage, error) {
	title("Build tend and a hello server")
	bin, err := filepath.Abs("bin")
	if err != nil {
		return nil, err
	}
	for _, pkg := range []string{"./cmd/tend", "./examples/hello-go"} {
		out := filepath.Join(bin, filepath.Base(pkg))
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("build %s: %w", pkg, err)
		}
		note("built %s", relative(out))
	}
	home, err := os.MkdirTemp("", "tend-demo-")
	if err != nil {
		return nil, err
	}
	s := &stage{tend: filepath.Join(bin, "tend"), home: home}
	if err := s.addApp("hello-go", "a Go program", filepath.Join(bin, "hello-go"), "--exec-mode", "cluster"); err != nil {
		return nil, err
	}
	if _, err := exec.LookPath("node"); err != nil {
		note("no node on PATH: the Node half is left out")
		return s, nil
	}
	return s, s.addApp("hello-node", "a Node program that knows nothing of clusters", "examples/hello-node/app.js")
}

func (s *stage) addApp(name, what, script string, more ...string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	start := append([]string{"start", relative(script), "-i", "2", "--name", name}, more...)
	s.apps = append(s.apps, &app{name: name, what: what, port: port, start: append(start, "--env", "PORT="+strconv.Itoa(port))})
	return nil
}

func (s *stage) startAndAsk(ctx context.Context, a *app) error {
	title("Two processes of " + a.what + ", one port")
	if err := s.show(ctx, a.start...); err != nil {
		return err
	}
	_, err := ask(ctx, a.port, 2)
	return err
}

// killOne ends one worker the hard way and waits for its successor.
func (s *stage) killOne(ctx context.Context, a *app) error {
	title("Kill one with -9")
	pids, err := s.pids(ctx, a.name)
	if err != nil {
		return err
	}
	if len(pids) == 0 {
		return fmt.Errorf("tend pid %s: no process", a.name)
	}
	victim := pids[0]
	fmt.Printf("%s kill -9 %d\n", dim("$"), victim)
	died := time.Now()
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %d: %w", victim, err)
	}
	heir, err := s.successor(ctx, a.name, pids)
	if err != nil {
		return err
	}
	note("pid %d took its place; seen %d ms after the kill", heir, time.Since(died).Milliseconds())
	answers, err := ask(ctx, a.port, 2)
	if err != nil {
		return err
	}
	if answers[victim] > 0 {
		return fmt.Errorf("pid %d still answers", victim)
	}
	return nil
}

func (s *stage) successor(ctx context.Context, name string, before []int) (int, error) {
	known := map[int]bool{}
	for _, pid := range before {
		known[pid] = true
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		now, err := s.pids(ctx, name)
		if err != nil {
			return 0, err
		}
		for _, pid := range now {
			if !known[pid] && pid > 0 && len(now) == len(before) {
				return pid, nil
			}
		}
	}
	return 0, errors.New("nobody took the place of the killed worker within 10 s")
}

// pids asks tend for the processes of an app.
func (s *stage) pids(ctx context.Context, name string) (pids []int, err error) {
	cmd := s.command(ctx, "pid", name)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("tend pid %s: %w", name, err)
	}
	for _, word := range strings.Fields(string(out)) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// show runs tend as one would by hand, and prints both.
func (s *stage) show(ctx context.Context, args ...string) error {
	fmt.Printf("%s tend %s\n", dim("$"), strings.Join(args, " "))
	cmd := s.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("tend %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

func (s *stage) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.tend, args...)
	cmd.Env = append(os.Environ(), "TEND_HOME="+s.home)
	return cmd
}

// cleanUp runs whatever went before, also after Ctrl-C.
func (s *stage) cleanUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.show(ctx, "kill"); err != nil {
		return fmt.Errorf("%w\nthe home %s is left for you to look at", err, s.home)
	}
	if err := os.RemoveAll(s.home); err != nil {
		return err
	}
	for _, a := range s.apps {
		if listens(a.port) {
			return fmt.Errorf("somebody still listens on port %d", a.port)
		}
	}
	fmt.Print(next)
	return nil
}

const next = `
Nothing is left running. Now with your own programs:

    make install                        # /usr/local/bin/tend
    tend start app.js -i max            # one process a CPU, one port
    tend ls                             # tend logs, tend reload app, tend help
`
