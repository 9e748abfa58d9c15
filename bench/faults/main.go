// Faults disturbs a guard while clients keep asking a cluster of two Node workers,
// tend beside pm2, and counts what they noticed: requests that failed, by how; the
// longest time without an answer; workers that are others afterwards; lines of a
// log that were lost or torn.
//
//	go run ./internal/tools/testenv go run ./bench/faults              # 5 of each
//	go run ./internal/tools/testenv go run ./bench/faults -times 200
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tendproc/tend/bench/rig"
	"github.com/tendproc/tend/internal/loadgen"
)

var (
	times   = flag.Int("times", 5, "how often each fault")
	clients = flag.Int("clients", 8, "concurrent clients, half of them with keep-alive")
	only    = flag.String("only", "", "the one fault to make")
)

func main() { rig.Main(bench) }

// fault is something that happens to a guard. make returns when it is over.
type fault struct {
	name string
	make func(ctx context.Context, s *subject) error
	// tendOnly has nothing that it could be compared with.
	tendOnly bool
}

var faults = []fault{
	{name: "reload", make: func(ctx context.Context, s *subject) error { return s.run(ctx, "reload", "web") }},
	{name: "scale to 3 and back to 2", make: func(ctx context.Context, s *subject) error {
		return errors.Join(s.run(ctx, "scale", "web", "3"), s.run(ctx, "scale", "web", "2"))
	}},
	{name: "kill -9 of a worker", make: killWorker},
	{name: "upgrade (pm2: update)", make: upgrade},
	{name: "kill -9 of the daemon (pm2: then resurrect)", make: killDaemon},
	{name: "kill -9 of the keeper", make: killKeeper, tendOnly: true},
}

func bench(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "tend-faults-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tend, err := rig.Tend(ctx, dir)
	if err != nil {
		return err
	}
	subjects := []*subject{{Guard: tend}}
	if pm2, err := rig.PM2(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		subjects = append(subjects, &subject{Guard: pm2})
	}
	for _, s := range subjects {
		defer func() { err = errors.Join(err, s.Close()) }()
		if err := s.open(ctx); err != nil {
			return err
		}
	}
	fmt.Print("| fault | guard | requests | failed | how | longest gap | workers replaced | lines lost or torn |\n|---|---|---|---|---|---|---|---|\n")
	for _, f := range faults {
		for _, s := range subjects {
			if *only != "" && *only != f.name || f.tendOnly && s.Name != "tend" {
				continue
			}
			row, err := s.suffer(ctx, f)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", f.name, s.Name, err)
			}
			fmt.Printf("| %d × %s | %s | %s |\n", *times, f.name, s.Name, row)
		}
	}
	return nil
}

// subject is a guard with its apps.
type subject struct {
	*rig.Guard
	port int
	seen int // lines of the ticker that were checked
}

func (s *subject) run(ctx context.Context, args ...string) error {
	_, err := s.Run(ctx, args...)
	return err
}

// open starts the apps.
func (s *subject) open(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return err
	}
	cmd := s.Command(ctx, "start", "bench/faults/app/web.js", "-i", "2")
	cmd.Env = append(cmd.Env, "PORT="+strconv.Itoa(s.port))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if err := s.run(ctx, "start", "bench/faults/app/ticker.js"); err != nil {
		return err
	}
	if s.Name == "pm2" {
		return s.run(ctx, "save")
	}
	return nil
}

// suffer lets f happen under load, and returns what was noticed.
func (s *subject) suffer(ctx context.Context, f fault) (row string, err error) {
	before, err := s.workers(ctx)
	if err != nil {
		return "", err
	}
	load, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan loadgen.Result, 2)
	for _, keep := range []bool{true, false} {
		go func() {
			r, err := loadgen.Run(load, loadgen.Options{
				URL: fmt.Sprintf("http://127.0.0.1:%d/", s.port), Clients: *clients / 2, KeepAlive: keep, Pause: time.Millisecond,
			})
			if err != nil {
				log.Print(err)
			}
			results <- r
		}()
	}
	for range *times {
		if err := rest(ctx, time.Duration(300+rand.IntN(400))*time.Millisecond); err != nil {
			return "", err
		}
		if err := f.make(ctx, s); err != nil {
			return "", err
		}
	}
	if err := rest(ctx, 500*time.Millisecond); err != nil {
		return "", err
	}
	cancel()
	a, b := <-results, <-results
	after, err := s.workers(ctx)
	if err != nil {
		return "", err
	}
	bad, err := s.badLines()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d | %d | %s | %v | %d | %d", a.Requests()+b.Requests(), a.Failed()+b.Failed(), kinds(&a, &b),
		max(a.LongestGap, b.LongestGap).Round(time.Millisecond), changed(before, after), bad), nil
}

func kinds(results ...*loadgen.Result) string {
	var parts []string
	for k := loadgen.Refused; k <= loadgen.Other; k++ {
		n := 0
		for _, r := range results {
			n += r.Count(k)
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %v", n, k))
		}
	}
	if len(parts) == 0 {
		return "–"
	}
	return strings.Join(parts, ", ")
}

func changed(before, after []int) (n int) {
	for _, pid := range before {
		if !slices.Contains(after, pid) {
			n++
		}
	}
	return n
}

func (s *subject) workers(ctx context.Context) (pids []int, err error) {
	out, err := s.Run(ctx, "pid", "web")
	if err != nil {
		return nil, err
	}
	for word := range strings.FieldsSeq(out) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("pid: %q", out)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// badLines counts the lines of the ticker, since the last call, that are not what
// they should be: the next number, whole. One that began anew counts once.
func (s *subject) badLines() (bad int, err error) {
	text, err := os.ReadFile(filepath.Join(s.Home(), "logs", "ticker-out.log"))
	if err != nil {
		return 0, err
	}
	lines := strings.Split(string(text), "\n")
	lines = lines[:len(lines)-1]
	next := -1
	for _, line := range lines[min(s.seen, len(lines)):] {
		var n int
		_, err := fmt.Sscanf(line, "line %d begins and ends", &n)
		if err != nil || next >= 0 && n != next {
			bad++
		}
		if err == nil {
			next = n + 1
		}
	}
	s.seen = len(lines)
	return bad, nil
}

func killWorker(ctx context.Context, s *subject) error {
	pids, err := s.workers(ctx)
	if err != nil || len(pids) == 0 {
		return errors.Join(err, errors.New("no workers"))
	}
	return syscall.Kill(pids[rand.IntN(len(pids))], syscall.SIGKILL)
}

func upgrade(ctx context.Context, s *subject) error {
	if s.Name == "pm2" {
		return s.run(ctx, "update")
	}
	return s.run(ctx, "upgrade")
}

func killDaemon(ctx context.Context, s *subject) error {
	pids, err := s.Daemons(ctx)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		return err
	}
	if s.Name == "pm2" {
		return s.run(ctx, "resurrect")
	}
	return s.run(ctx, "ping") // answered by the next one
}

func killKeeper(ctx context.Context, s *subject) error {
	for {
		pids, err := s.Daemons(ctx)
		if err != nil {
			return err
		}
		if pids[1] == 0 { // the next one is on its way
			if err := rest(ctx, 20*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		return syscall.Kill(pids[1], syscall.SIGKILL)
	}
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
