package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/bench/rig"
)

// kills kills what there is at random moments, also while what was killed last is
// not there again: each scheduler.
func kills(ctx context.Context, b *bench) error {
	header()
	for _, scheduler := range strings.Split(*modes, ",") {
		s, err := b.tend(ctx, setup{scheduler: scheduler})
		if err != nil {
			return err
		}
		for _, f := range []fault{
			{name: "kill -9 of the daemon", make: strikeDaemon},
			{name: "kill -9 of the keeper", make: killKeeper},
			{name: "kill -9 of a worker", make: killWorker},
			{name: "kill -9 of the daemon and a worker", make: killDaemonAndWorker},
		} {
			if err = s.suffer(ctx, fault{name: scheduler + ": " + f.name, make: f.make}); err != nil {
				break
			}
		}
		if err == nil {
			err = s.killBoth(ctx, scheduler)
		}
		if err := errors.Join(err, s.Close()); err != nil {
			return fmt.Errorf("%s: %w", scheduler, err)
		}
	}
	return nil
}

// upgrades has tend become itself again and again, pm2 update beside it.
func upgrades(ctx context.Context, b *bench) error {
	for _, scheduler := range strings.Split(*modes, ",") {
		if err := b.compare(ctx, []fault{{name: scheduler + ": upgrade (pm2: update)", make: upgrade}}, setup{scheduler: scheduler}); err != nil {
			return err
		}
		*alone = true // it has nothing to choose
	}
	return nil
}

// daemon finds the daemon's process, also one that does not serve yet; 0 if there
// is none just now.
func (s *subject) daemon() int { return s.find("daemon") }

func (s *subject) find(part string) int {
	want := []byte("tend\x00" + part + "\x00--home\x00" + s.Home())
	list, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range list {
		text, err := os.ReadFile(path)
		if err == nil && bytes.HasPrefix(text, want) && !bytes.Contains(text, []byte("--check")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	return 0
}

// strikeDaemon kills the daemon, and one time in five the next one within the
// moment in which it takes over.
func strikeDaemon(ctx context.Context, s *subject) error {
	pid := s.daemon()
	if pid == 0 {
		return nil // it just ended, and the next one is on its way
	}
	if err := kill(pid); err != nil || rand.IntN(5) > 0 {
		return err
	}
	if err := rig.Rest(ctx, time.Duration(rand.IntN(60))*time.Millisecond); err != nil {
		return err
	}
	if next := s.daemon(); next != 0 && next != pid {
		return kill(next)
	}
	return nil
}

func killDaemonAndWorker(ctx context.Context, s *subject) error {
	if _, err := s.upAgain(ctx, "web", 2); err != nil {
		return err
	}
	if err := killWorker(ctx, s); err != nil {
		return err
	}
	return strikeDaemon(ctx, s)
}

// killBoth kills daemon and keeper at once, as often as a tenth of the others,
// and says how long the apps are away until a command finds them up again.
func (s *subject) killBoth(ctx context.Context, scheduler string) error {
	var away time.Duration
	n := max(1, s.b.times/10)
	for range n {
		daemon, keeper := s.daemon(), s.find("keeper")
		before, err := s.pids(ctx, "web")
		if err != nil {
			return err
		}
		start := time.Now()
		if err := errors.Join(kill(keeper), kill(daemon)); err != nil {
			return err
		}
		for s.run(ctx, "ping") != nil { // starts both, once those are gone
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		after, err := s.upAgain(ctx, "web", 2)
		if err != nil {
			return err
		}
		away = max(away, time.Since(start))
		if _, err := s.upAgain(ctx, "ticker", 1); err != nil {
			return err
		}
		if changed(before, after) != len(before) {
			log.Printf("%s: after the death of both, %v are the workers, and %v were", scheduler, after, before)
		}
		if p := s.processes(); p != 5 {
			return fmt.Errorf("after the death of both there are %d processes, not keeper, daemon, two workers and the ticker", p)
		}
	}
	fmt.Printf("| %d × %s: kill -9 of both | tend | no load | | | %v until all is up | 2 | | – |\n", n, scheduler, away.Round(time.Millisecond))
	_, err := s.badLines() // the ticker began anew
	return err
}

// upAgain waits until so many processes of an app are up.
func (s *subject) upAgain(ctx context.Context, app string, want int) ([]int, error) {
	for deadline := time.Now().Add(30 * time.Second); ; {
		states, err := s.instances(ctx)
		if err != nil {
			return nil, err
		}
		var pids []int
		for _, in := range states {
			if in.App == app && in.Phase == "running" {
				pids = append(pids, in.PID)
			}
		}
		if len(pids) == want {
			return pids, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%s is not up again: %+v", app, states)
		}
		if err := rig.Rest(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
}
