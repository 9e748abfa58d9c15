package main

import (
	"context"
	"errors"
	"fmt"
	"log"
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

// subject is a guard with its apps: web, a cluster, and ticker, which writes lines.
type subject struct {
	*rig.Guard
	b    *bench
	port int
	seen int // lines of the ticker that were checked
}

// setup says how web runs.
type setup struct {
	node      string   // executable; "" for the one on PATH
	scheduler string   // tend's; "" for its default
	more      []string // arguments of start
}

// tend opens tend with its apps.
func (b *bench) tend(ctx context.Context, su setup) (*subject, error) {
	dir, err := b.newDir()
	if err != nil {
		return nil, err
	}
	g, err := rig.Tend(ctx, dir)
	if err != nil {
		return nil, err
	}
	return open(ctx, &subject{Guard: g, b: b}, su)
}

// pm2 opens pm2 with its apps; nil if there is none.
func (b *bench) pm2(ctx context.Context, su setup) (*subject, error) {
	if *alone {
		return nil, nil
	}
	dir, err := b.newDir()
	if err != nil {
		return nil, err
	}
	node := su.node
	if node == "" {
		node = "node"
	}
	g, err := rig.PM2(dir, node)
	if err != nil {
		log.Print(err)
		return nil, nil
	}
	return open(ctx, &subject{Guard: g, b: b}, su)
}

func (b *bench) newDir() (string, error) { return os.MkdirTemp(b.dir, "") }

func open(ctx context.Context, s *subject, su setup) (*subject, error) {
	if err := s.open(ctx, su); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *subject) isTend() bool { return s.Name == "tend" }

func (s *subject) run(ctx context.Context, args ...string) error {
	_, err := s.Run(ctx, args...)
	return err
}

// open starts the apps.
func (s *subject) open(ctx context.Context, su setup) (err error) {
	if s.port, err = freePort(); err != nil {
		return err
	}
	args := []string{"start", "bench/faults/app/web.js", "-i", "2"}
	if s.isTend() { // workers are killed more often than would be for ever
		args = append(args, "--max-restarts", "1000000", "--min-uptime", "100ms")
	}
	if s.isTend() && su.scheduler != "" {
		args = append(args, "--scheduler", su.scheduler)
	}
	if s.isTend() && su.node != "" {
		args = append(args, "--interpreter", su.node)
	}
	cmd := s.Command(ctx, append(args, su.more...)...)
	cmd.Env = append(cmd.Env, "PORT="+strconv.Itoa(s.port))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if err := s.run(ctx, "start", "bench/faults/app/ticker.js"); err != nil {
		return err
	}
	if !s.isTend() {
		return s.run(ctx, "save")
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// noticed is what became of the requests.
type noticed struct {
	kept, closed loadgen.Result // of clients with keep-alive, and of those without
	from         time.Time
}

func (n *noticed) requests() int { return n.kept.Requests() + n.closed.Requests() }
func (n *noticed) failed() int   { return n.kept.Failed() + n.closed.Failed() }
func (n *noticed) gap() time.Duration {
	return max(n.kept.LongestGap, n.closed.LongestGap).Round(time.Millisecond)
}

func (n *noticed) kinds() string {
	var parts []string
	for k := loadgen.Refused; k <= loadgen.Other; k++ {
		if c := n.kept.Count(k) + n.closed.Count(k); c > 0 {
			parts = append(parts, fmt.Sprintf("%d %v", c, k))
		}
	}
	if len(parts) == 0 {
		return "–"
	}
	return strings.Join(parts, ", ")
}

// tell prints the first failures, to be laid beside tend.log.
func (n *noticed) tell(what string) {
	for _, r := range []*loadgen.Result{&n.kept, &n.closed} {
		for _, f := range r.Errors {
			log.Printf("%s: at %s: %v", what, n.from.Add(f.At).UTC().Format("15:04:05.000000"), f)
		}
	}
}

// underLoad does something while clients ask, and for a moment before and after.
func (s *subject) underLoad(ctx context.Context, do func() error) (n noticed, err error) {
	load, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		loadgen.Result
		keep bool
		err  error
	}
	n.from = time.Now()
	results := make(chan result, 2)
	for _, keep := range []bool{true, false} {
		go func() {
			r, err := loadgen.Run(load, loadgen.Options{
				URL: fmt.Sprintf("http://127.0.0.1:%d/", s.port), Clients: *clients / 2, KeepAlive: keep, Pause: *pause,
			})
			results <- result{r, keep, err}
		}()
	}
	err = rig.Rest(ctx, 300*time.Millisecond)
	if err == nil {
		err = do()
	}
	if err == nil {
		err = rig.Rest(ctx, 500*time.Millisecond)
	}
	cancel()
	for range 2 {
		r := <-results
		if err = errors.Join(err, r.err); r.keep {
			n.kept = r.Result
		} else {
			n.closed = r.Result
		}
	}
	return n, err
}

// pids gives those of the processes of an app that run.
func (s *subject) pids(ctx context.Context, app string) (pids []int, err error) {
	out, err := s.Run(ctx, "pid", app)
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

func changed(before, after []int) (n int) {
	for _, pid := range before {
		if !slices.Contains(after, pid) {
			n++
		}
	}
	return n
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
			log.Printf("%s: %q is not line %d", s.Name, line, next)
			bad++
		}
		if err == nil {
			next = n + 1
		}
	}
	s.seen = len(lines)
	return bad, nil
}

// kill ends a process at once, if it is still there.
func kill(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
