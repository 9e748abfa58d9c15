// Package rig is what the benchmarks share: tend and pm2 in homes of their own,
// what a process costs, and medians.
package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Rest waits for d, or for the end of ctx, which is the error.
func Rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Main runs a benchmark until it is done, or Ctrl-C ends it.
func Main(bench func(context.Context) error) {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx); err != nil {
		log.Fatal(err)
	}
}

// Guard is a process guard under test, driven by its command line.
type Guard struct {
	Name string
	argv []string
	env  []string
	home string
	// daemons gives the pids whose cost is the guard's own.
	daemons func(context.Context, *Guard) ([]int, error)
}

// Tend builds the executable and returns tend in a home of its own.
func Tend(ctx context.Context, dir string) (*Guard, error) {
	bin := filepath.Join(dir, "tend")
	if err := Build(ctx, bin, "./cmd/tend"); err != nil {
		return nil, err
	}
	return TendAt(bin), nil
}

// TendAt is the executable bin, with its home beside it.
func TendAt(bin string) *Guard {
	home := bin + "-home"
	return &Guard{
		Name: "tend", argv: []string{bin}, env: []string{"TEND_HOME=" + home}, home: home,
		daemons: func(ctx context.Context, g *Guard) ([]int, error) {
			out, err := g.Run(ctx, "ping", "--json")
			if err != nil {
				return nil, err
			}
			var info struct {
				PID    int `json:"pid"`
				Keeper int `json:"keeper_pid"`
			}
			err = json.Unmarshal([]byte(out), &info)
			return []int{info.PID, info.Keeper}, err
		},
	}
}

// TendAsPM2 is tend called by PM2's name, in a PM2 home of its own.
func TendAsPM2(ctx context.Context, dir string) (*Guard, error) {
	dir = filepath.Join(dir, "named")
	g, err := Tend(ctx, dir)
	if err != nil {
		return nil, err
	}
	link := filepath.Join(dir, "pm2")
	if err := os.Symlink("tend", link); err != nil {
		return nil, err
	}
	g.Name, g.argv, g.home, g.env = "tend as pm2", []string{link}, filepath.Join(dir, "home"), pm2Env(filepath.Join(dir, "home"))
	return g, nil
}

func pm2Env(home string) []string {
	return []string{"PM2_HOME=" + home, "PM2_DISABLE_VERSION_CHECK=true", "PM2_DISCRETE_MODE=true"}
}

// Build makes the program pkg, as tend is built for a release.
func Build(ctx context.Context, bin, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags=nethttpomithttp2", "-ldflags=-s -w", "-o", bin, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// PM2 returns the pm2 that testenv fetched, run by the executable node, in a home
// of its own, or an error that says how to get it.
func PM2(dir, node string) (*Guard, error) {
	script := filepath.Join(os.Getenv("TEND_TEST_MODULES"), "pm2", "bin", "pm2")
	if _, err := os.Stat(script); err != nil {
		return nil, errors.New("no pm2: run this by way of go run ./internal/tools/testenv")
	}
	home := filepath.Join(dir, "pm2-home")
	return &Guard{
		Name: "pm2", argv: []string{node, script}, home: home,
		env: pm2Env(home),
		daemons: func(context.Context, *Guard) ([]int, error) {
			text, err := os.ReadFile(filepath.Join(home, "pm2.pid"))
			if err != nil {
				return nil, err
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			return []int{pid}, err
		},
	}, nil
}

// Command returns one command of the guard, not yet run.
func (g *Guard) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.argv[0], append(g.argv[1:len(g.argv):len(g.argv)], args...)...)
	cmd.Env = append(os.Environ(), g.env...)
	return cmd
}

// Run runs one command and returns its standard output.
func (g *Guard) Run(ctx context.Context, args ...string) (string, error) {
	cmd := g.Command(ctx, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", g.Name, strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return string(out), nil
}

// Home is the folder that has its logs.
func (g *Guard) Home() string { return g.home }

// Daemons gives the pids of the guard itself.
func (g *Guard) Daemons(ctx context.Context) ([]int, error) { return g.daemons(ctx, g) }

// Close ends the guard and all that it runs.
func (g *Guard) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := g.Run(ctx, "kill")
	return err
}
