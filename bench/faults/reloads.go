package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tendproc/tend/bench/rig"
)

// reloads reloads a cluster again and again under load: each Node, each scheduler.
func reloads(ctx context.Context, b *bench) error {
	fmt.Print("| Node | guard | scheduler | reloads | took (median) | requests | failed | how | longest gap | lines lost or torn | left behind |\n" +
		"|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, node := range nodeList() {
		for _, scheduler := range strings.Split(*modes, ",") {
			s, err := b.tend(ctx, setup{node: node.path, scheduler: scheduler})
			if err != nil {
				return err
			}
			if err := errors.Join(s.reloads(ctx, node.version, scheduler, b.times), s.Close()); err != nil {
				return fmt.Errorf("node %s, %s: %w", node.version, scheduler, err)
			}
		}
		s, err := b.pm2(ctx, setup{node: node.path})
		if err != nil {
			return err
		}
		if s == nil {
			continue
		}
		// Each of its reloads may cost clients ten seconds.
		if err := errors.Join(s.reloads(ctx, node.version, "its own", min(b.times, 10)), s.Close()); err != nil {
			return fmt.Errorf("node %s, pm2: %w", node.version, err)
		}
	}
	return nil
}

type nodeAt struct{ version, path string }

// nodeList are the Nodes that testenv found, or the one on PATH.
func nodeList() (list []nodeAt) {
	paths := filepath.SplitList(os.Getenv("TEND_TEST_NODES"))
	if len(paths) == 0 {
		paths = []string{"node"}
	}
	for _, p := range paths {
		path, err := exec.LookPath(p)
		if err != nil {
			continue
		}
		out, err := exec.Command(path, "--version").Output()
		if err != nil {
			continue
		}
		version := strings.TrimPrefix(strings.TrimSpace(string(out)), "v")
		major, _, _ := strings.Cut(version, ".")
		if *nodes == "" || slices.Contains(strings.Split(*nodes, ","), major) {
			list = append(list, nodeAt{version, path})
		}
	}
	return list
}

// reloads reloads web so often under load.
func (s *subject) reloads(ctx context.Context, version, scheduler string, times int) error {
	if err := s.run(ctx, "reload", "web"); err != nil { // what is made once is made
		return err
	}
	before, err := s.census(ctx)
	if err != nil {
		return err
	}
	var took rig.Series
	n, err := s.underLoad(ctx, func() error {
		for range times {
			start := time.Now()
			if err := s.run(ctx, "reload", "web"); err != nil {
				return err
			}
			took = append(took, time.Since(start).Seconds())
		}
		return nil
	})
	if err != nil {
		return err
	}
	if s.isTend() {
		n.tell("node " + version + ", " + scheduler)
	}
	bad, err := s.badLines()
	if err != nil {
		return err
	}
	more, err := s.leaked(ctx, before)
	if err != nil {
		return err
	}
	fmt.Printf("| %s | %s | %s | %d | %.1f s | %d | %d | %s | %v | %d | %v |\n",
		version, s.Name, scheduler, times, took.Median(), n.requests(), n.failed(), n.kinds(), n.gap(), bad, more)
	return nil
}
