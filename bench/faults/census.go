package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/bench/rig"
)

// census counts what can stay behind.
type census struct {
	daemon, keeper int // descriptors
	worker         int // of the worker that has most
	processes      int // that have the guard's home in their environment
	files          int // in its home, logs apart: they stay
}

func (c census) over(former census) census {
	return census{
		c.daemon - former.daemon, c.keeper - former.keeper, c.worker - former.worker,
		c.processes - former.processes, c.files - former.files,
	}
}

func (c census) String() string {
	var parts []string
	for _, one := range []struct {
		n    int
		what string
	}{
		{c.daemon, "fds of the daemon"},
		{c.keeper, "fds of the keeper"},
		{c.worker, "fds of a worker"},
		{c.processes, "processes"},
		{c.files, "files"},
	} {
		if one.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	if len(parts) == 0 {
		return "–"
	}
	return strings.Join(parts, ", ")
}

// settled is how long what is closed may take to be closed.
const settled = 12 * time.Second

// leaked tells what there is more than before, once it has settled.
func (s *subject) leaked(ctx context.Context, before census) (census, error) {
	for deadline := time.Now().Add(settled); ; {
		now, err := s.census(ctx)
		if err != nil {
			return census{}, err
		}
		more := now.over(before)
		if more.String() == "–" || time.Now().After(deadline) {
			return more, nil
		}
		if err := rig.Rest(ctx, 200*time.Millisecond); err != nil {
			return census{}, err
		}
	}
}

func (s *subject) census(ctx context.Context) (c census, err error) {
	guards, err := s.Daemons(ctx)
	if err != nil {
		return c, err
	}
	c.daemon = rig.Descriptors(guards[0])
	if len(guards) > 1 {
		c.keeper = rig.Descriptors(guards[1])
	}
	pids, err := s.pids(ctx, "web")
	if err != nil {
		return c, err
	}
	for _, pid := range pids {
		c.worker = max(c.worker, rig.Descriptors(pid))
	}
	c.processes = s.processes()
	return c, filepath.WalkDir(s.Home(), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && e.Name() == "logs" {
			return fs.SkipDir
		}
		if err == nil && !e.IsDir() {
			c.files++
		}
		return nil
	})
}

// processes counts those of the guard and of its apps.
func (s *subject) processes() (n int) {
	list, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range list {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		env, err := os.ReadFile(path)
		if err == nil && pid != os.Getpid() && bytes.Contains(env, []byte("_HOME="+s.Home()+"\x00")) {
			n++
		}
	}
	return n
}
