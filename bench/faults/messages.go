package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tendproc/tend/bench/rig"
	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
)

// messages kills the daemon again and again while numbered messages go from an app
// to who watches, and numbered lines from who sends them to the app.
func messages(ctx context.Context, b *bench) (err error) {
	s, err := b.tend(ctx, setup{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.start(ctx, "start", "bench/faults/app/talker.js"); err != nil {
		return err
	}
	id, err := s.idOf(ctx, "talker")
	if err != nil {
		return err
	}
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	var seen seen
	var lines int
	var serr error
	var wg sync.WaitGroup
	wg.Go(func() { seen = s.watch(work) })
	wg.Go(func() { lines, serr = s.send(work, id) })
	for range b.times {
		if err := rig.Rest(ctx, time.Duration(200+rand.IntN(300))*time.Millisecond); err != nil {
			return err
		}
		if err := strikeDaemon(ctx, s); err != nil {
			return err
		}
	}
	if err := rig.Rest(ctx, time.Second); err != nil {
		return err
	}
	cancel()
	wg.Wait()
	if serr != nil {
		return serr
	}
	got, twice, err := s.heard(lines)
	if err != nil {
		return err
	}
	fmt.Printf("| %d kills of the daemon | sent | lost | twice |\n|---|---|---|---|\n", b.times)
	fmt.Printf("| lines to a process (`tend send`, sent again where it failed) | %d | %d | %d |\n", lines, lines-got, twice)
	fmt.Printf("| messages from a process, as one sees them who watches, and watches again after the last | %d | %d | %d |\n",
		seen.last+1-seen.first, seen.missed, seen.twice)
	if seen.missed > 0 || got < lines {
		return fmt.Errorf("lost: %d lines, %d messages", lines-got, seen.missed)
	}
	return nil
}

func (s *subject) idOf(ctx context.Context, app string) (string, error) {
	list, err := s.instances(ctx)
	for _, in := range list {
		if in.App == app {
			return strconv.Itoa(in.ID), err
		}
	}
	return "", errors.Join(err, fmt.Errorf("no %s", app))
}

// send sends line after line until ctx ends, each until it is taken.
func (s *subject) send(ctx context.Context, id string) (n int, err error) {
	for ctx.Err() == nil {
		for deadline := time.Now().Add(20 * time.Second); ; {
			if err = s.run(context.WithoutCancel(ctx), "send", id, "said "+strconv.Itoa(n)); err == nil {
				break
			}
			if time.Now().After(deadline) {
				return n, err
			}
		}
		n++
	}
	return n, nil
}

// heard tells how many of so many lines the talker printed, and how many twice.
func (s *subject) heard(lines int) (got, twice int, err error) {
	text, err := os.ReadFile(filepath.Join(s.Home(), "logs", "talker-out.log"))
	if err != nil {
		return 0, 0, err
	}
	counts := map[string]int{}
	for line := range strings.Lines(string(text)) {
		counts[strings.TrimSuffix(line, "\n")]++
	}
	for n := range lines {
		if c := counts["said "+strconv.Itoa(n)]; c > 0 {
			got, twice = got+1, twice+c-1
		}
	}
	return got, twice, nil
}

// seen is what came of the messages: their numbers rise by one.
type seen struct {
	first, last int
	missed      int
	twice       int
}

// watch watches until ctx ends, again and again.
func (s *subject) watch(ctx context.Context) seen {
	r := seen{first: -1, last: -1}
	var cursor string
	for ctx.Err() == nil {
		// How it ends makes no difference: the daemon is killed.
		_ = api.Dial(filepath.Join(s.Home(), "tend.sock")).Watch(ctx, cursor, func(ev event.Event) error {
			if ev.Cursor != "" {
				cursor = ev.Cursor
			}
			var m struct{ Data struct{ N int } }
			if ev.Type != event.Message || ev.Instance.App != "talker" || json.Unmarshal(ev.Message, &m) != nil {
				return nil
			}
			switch n := m.Data.N; {
			case r.first < 0:
				r.first = n
			case n <= r.last:
				r.twice++
				return nil
			default:
				r.missed += n - r.last - 1
			}
			r.last = m.Data.N
			return nil
		})
	}
	return r
}
