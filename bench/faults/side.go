package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tendproc/tend/bench/rig"
)

// fault is something that happens to a guard. make returns when it is over.
type fault struct {
	name string
	make func(ctx context.Context, s *subject) error
	// tendOnly has nothing that it could be compared with.
	tendOnly bool
}

var sideFaults = []fault{
	{name: "reload", make: func(ctx context.Context, s *subject) error { return s.run(ctx, "reload", "web") }},
	{name: "scale to 3 and back to 2", make: func(ctx context.Context, s *subject) error {
		return errors.Join(s.run(ctx, "scale", "web", "3"), s.run(ctx, "scale", "web", "2"))
	}},
	{name: "kill -9 of a worker", make: killWorker},
	{name: "upgrade (pm2: update)", make: upgrade},
	{name: "kill -9 of the daemon (pm2: then resurrect)", make: killDaemon},
	{name: "kill -9 of the keeper", make: killKeeper, tendOnly: true},
}

// sideBySide makes each fault to both guards.
func sideBySide(ctx context.Context, b *bench) error {
	return b.compare(ctx, sideFaults, setup{})
}

// compare makes faults to tend and to pm2.
func (b *bench) compare(ctx context.Context, faults []fault, su setup) (err error) {
	tend, err := b.tend(ctx, su)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tend.Close()) }()
	pm2, err := b.pm2(ctx, su)
	if err != nil {
		return err
	}
	if pm2 != nil {
		defer func() { err = errors.Join(err, pm2.Close()) }()
	}
	header()
	for _, f := range faults {
		for _, s := range []*subject{tend, pm2} {
			if s == nil || f.tendOnly && !s.isTend() {
				continue
			}
			if err := s.suffer(ctx, f); err != nil {
				return fmt.Errorf("%s, %s: %w", f.name, s.Name, err)
			}
		}
	}
	return nil
}

func header() {
	fmt.Print("| fault | guard | requests | failed | how | longest gap | workers replaced | lines lost or torn | left behind |\n" +
		"|---|---|---|---|---|---|---|---|---|\n")
}

// suffer lets f happen again and again under load, and prints what was noticed.
func (s *subject) suffer(ctx context.Context, f fault) error {
	had, err := s.warm(ctx, f)
	if err != nil {
		return err
	}
	before, err := s.pids(ctx, "web")
	if err != nil {
		return err
	}
	n, err := s.underLoad(ctx, func() error {
		for range s.b.times {
			if err := f.make(ctx, s); err != nil {
				return err
			}
			if err := rig.Rest(ctx, time.Duration(300+rand.IntN(400))*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if s.isTend() {
		n.tell(f.name)
	}
	after, err := s.pids(ctx, "web")
	if err != nil {
		return err
	}
	bad, err := s.badLines()
	if err != nil {
		return err
	}
	more, err := s.leaked(ctx, had)
	if err != nil {
		return err
	}
	fmt.Printf("| %d × %s | %s | %d | %d | %s | %v | %d | %d | %v |\n",
		s.b.times, f.name, s.Name, n.requests(), n.failed(), n.kinds(), n.gap(), changed(before, after), bad, more)
	return nil
}

// warm makes f once, so that what it makes for good is there, and counts what there is.
func (s *subject) warm(ctx context.Context, f fault) (c census, err error) {
	if s.isTend() {
		if err := errors.Join(f.make(ctx, s), rig.Rest(ctx, 500*time.Millisecond)); err != nil {
			return c, err
		}
		if _, err := s.upAgain(ctx, "web", 2); err != nil {
			return c, err
		}
	}
	return s.census(ctx)
}

func killWorker(ctx context.Context, s *subject) error {
	pids, err := s.pids(ctx, "web")
	if err != nil || len(pids) == 0 { // all are on their way
		return err
	}
	return kill(pids[rand.IntN(len(pids))])
}

func upgrade(ctx context.Context, s *subject) error {
	if !s.isTend() {
		return s.run(ctx, "update")
	}
	return s.run(ctx, "upgrade")
}

func killDaemon(ctx context.Context, s *subject) error {
	pids, err := s.Daemons(ctx)
	if err != nil {
		return err
	}
	if err := kill(pids[0]); err != nil {
		return err
	}
	if !s.isTend() {
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
		if pids[1] != 0 {
			return kill(pids[1])
		}
		if err := rig.Rest(ctx, 20*time.Millisecond); err != nil { // the next one is on its way
			return err
		}
	}
}
