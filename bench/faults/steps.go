package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/bench/rig"
)

// instance is what `tend ls --json` says of one.
type instance struct {
	ID    int    `json:"id"`
	App   string `json:"app"`
	Goal  string `json:"goal"`
	Phase string `json:"phase"`
	Gen   uint64 `json:"gen"`
	PID   int    `json:"pid"`
}

func (s *subject) instances(ctx context.Context) ([]instance, error) {
	out, err := s.Run(ctx, "ls", "--json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Instances []instance `json:"instances"`
	}
	err = json.Unmarshal([]byte(out), &list)
	return list.Instances, err
}

// operation is a command that the daemon is killed within: once at each record that
// it writes to its journal.
type operation struct {
	name string
	args []string
	// prepare makes what it needs.
	prepare func(ctx context.Context, s *subject) error
	// check says what is wrong once it has settled, given whether the command was answered.
	check func(list []instance) error
}

// extra is the app that operations begin and end with; web stays under load.
const extra = "extra"

func operations() []operation {
	start := []string{"start", "bench/faults/app/web.js", "--name", extra, "-i", "2"}
	gone := func(ctx context.Context, s *subject) error {
		if _, err := s.Run(ctx, "delete", extra); err != nil && !strings.Contains(err.Error(), "no app") {
			return err
		}
		return nil
	}
	there := func(ctx context.Context, s *subject) error { return errors.Join(gone(ctx, s), s.start(ctx, start...)) }
	return []operation{
		{"start", start, gone, func(list []instance) error { return whole(list, extra, 0, 2) }},
		{"stop", []string{"stop", extra}, there, func(list []instance) error { return whole(list, extra, 2) }},
		{"restart", []string{"restart", extra}, there, func(list []instance) error { return whole(list, extra, 2) }},
		{"delete", []string{"delete", extra}, there, func(list []instance) error { return whole(list, extra, 0, 2) }},
		{"reload", []string{"reload", "web"}, unrolled, func(list []instance) error { return whole(list, "web", 2) }},
		{"scale to 3", []string{"scale", "web", "3"}, scaled("2"), func(list []instance) error { return whole(list, "web", 2, 3) }},
		{"scale to 2", []string{"scale", "web", "2"}, scaled("3"), func(list []instance) error { return whole(list, "web", 2, 3) }},
	}
}

// unrolled waits for the end of a reload that goes on without its command: until
// another one is taken.
func unrolled(ctx context.Context, s *subject) error {
	for {
		err := s.run(ctx, "reload", "web")
		if err == nil || !strings.Contains(err.Error(), "is going on") {
			return err
		}
		if err := rig.Rest(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// scaled gives web so many instances, if it has not.
func scaled(to string) func(ctx context.Context, s *subject) error {
	return func(ctx context.Context, s *subject) error {
		if err := s.run(ctx, "scale", "web", to); err != nil && !strings.Contains(err.Error(), "it has "+to+" already") {
			return err
		}
		return nil
	}
}

// start is run with a port for the app.
func (s *subject) start(ctx context.Context, args ...string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	cmd := s.Command(ctx, args...)
	cmd.Env = append(cmd.Env, "PORT="+strconv.Itoa(port))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// whole says that an app has one of these numbers of instances, each where its goal is.
func whole(list []instance, app string, counts ...int) error {
	n := 0
	for _, in := range list {
		if in.App != app {
			continue
		}
		n++
		if !(in.Goal == "up" && in.Phase == "running" || in.Goal == "down" && in.Phase == "stopped") {
			return fmt.Errorf("%+v", in)
		}
	}
	if !slices.Contains(counts, n) {
		return fmt.Errorf("%s has %d instances, want one of %v", app, n, counts)
	}
	return nil
}

// steps kills the daemon at each step of each operation: at each record of its
// journal, and a moment after it.
func steps(ctx context.Context, b *bench) error {
	fmt.Print("| killed within | scheduler | points | steps seen | requests | failed | how | longest gap | lines lost or torn | left behind |\n" +
		"|---|---|---|---|---|---|---|---|---|---|\n")
	for _, scheduler := range strings.Split(*modes, ",") {
		s, err := b.tend(ctx, setup{scheduler: scheduler})
		if err != nil {
			return err
		}
		for _, op := range operations() {
			if err = s.within(ctx, op, scheduler); err != nil {
				err = fmt.Errorf("%s: %w", op.name, err)
				break
			}
		}
		if err := errors.Join(err, s.Close()); err != nil {
			return fmt.Errorf("%s: %w", scheduler, err)
		}
	}
	return nil
}

// within kills the daemon at each point of an operation, under load.
func (s *subject) within(ctx context.Context, op operation, scheduler string) error {
	if err := op.prepare(ctx, s); err != nil {
		return err
	}
	before, err := s.census(ctx)
	if err != nil {
		return err
	}
	points, seen := 0, map[string]bool{}
	n, err := s.underLoad(ctx, func() error {
		for round := range s.b.times {
			for at := 1; ; at++ {
				step, err := s.killAt(ctx, op, at, round)
				if err != nil {
					return fmt.Errorf("record %d: %w", at, err)
				}
				if step == "" {
					break
				}
				points, seen[step] = points+1, true
			}
		}
		return op.prepare(ctx, s)
	})
	if err != nil {
		return err
	}
	n.tell(op.name + " " + scheduler)
	bad, err := s.badLines()
	if err != nil {
		return err
	}
	more, err := s.leaked(ctx, before)
	if err != nil {
		return err
	}
	log.Printf("%s, %s: killed at %s", op.name, scheduler, strings.Join(slices.Sorted(maps.Keys(seen)), "; "))
	fmt.Printf("| %s | %s | %d | %d | %d | %d | %s | %v | %d | %v |\n",
		op.name, scheduler, points, len(seen), n.requests(), n.failed(), n.kinds(), n.gap(), bad, more)
	return nil
}

// killAt kills the daemon when the operation has written its at-th record, or in a
// later round up to 3 ms later. It returns which that is, "" if there are fewer.
func (s *subject) killAt(ctx context.Context, op operation, at, round int) (step string, err error) {
	if err := op.prepare(ctx, s); err != nil {
		return "", err
	}
	daemon := s.daemon()
	j, err := follow(s.Home())
	if err != nil {
		return "", err
	}
	defer j.close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.start(ctx, op.args...) // mostly says that the connection broke
	}()
	for range at {
		rec, ok := j.next(done)
		if !ok {
			return "", s.settles(ctx, op)
		}
		step = rec.String()
	}
	if round > 0 {
		if err := rig.Rest(ctx, time.Duration(rand.IntN(3000))*time.Microsecond); err != nil {
			return "", err
		}
	}
	if err := kill(daemon); err != nil {
		return "", err
	}
	<-done
	if err := s.settles(ctx, op); err != nil {
		return "", fmt.Errorf("killed at %s: %w", step, err)
	}
	return step, nil
}

// settles waits for all to be as it should after the operation.
func (s *subject) settles(ctx context.Context, op operation) error {
	for deadline := time.Now().Add(40 * time.Second); ; {
		list, err := s.instances(ctx)
		if err == nil {
			err = op.check(list)
		}
		if err == nil || time.Now().After(deadline) {
			return err
		}
		if err := rig.Rest(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// record is one line of the journal: docs/state.md.
type record struct {
	All   []record `json:"all"`
	Key   string   `json:"k"`
	Value struct {
		State struct {
			Phase string
			Goal  string
			Lives []struct{ Role, Stage any }
		} `json:"state"`
		Core struct{ Slots []struct{ Stage any } } `json:"core"`
	} `json:"v"`
}

// String names the step: what it is about, and how far that is, in the numbers of internal/lifecycle.
func (r record) String() string {
	if len(r.All) > 0 {
		var all []string
		for _, one := range r.All {
			all = append(all, one.String())
		}
		return strings.Join(all, " + ")
	}
	kind, _, _ := strings.Cut(r.Key, "/")
	words := []string{kind}
	if kind == "slot" {
		words = append(words, r.Value.State.Goal, r.Value.State.Phase)
		for _, l := range r.Value.State.Lives {
			words = append(words, fmt.Sprintf("life %v.%v", l.Role, l.Stage))
		}
	}
	for _, sl := range r.Value.Core.Slots {
		words = append(words, fmt.Sprintf("turn %v", sl.Stage))
	}
	return strings.Join(words, " ")
}
