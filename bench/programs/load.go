package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tendproc/tend/bench/rig"
	"github.com/tendproc/tend/internal/loadgen"
)

const (
	clients = 8
	pause   = 2 * time.Millisecond // between two requests of a client
)

// load is what clients noticed until ctx was done.
type load struct {
	requests, failed int
	gap              time.Duration // the longest without an answer
	errs             []string      // the first failures
}

func (l load) String() string { return fmt.Sprintf("%d, **%d**", l.requests, l.failed) }

func askHTTP(ctx context.Context, t *trial) (l load, err error) {
	results := make([]loadgen.Result, 2)
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			results[i], errs[i] = loadgen.Run(ctx, loadgen.Options{
				URL: fmt.Sprintf("http://127.0.0.1:%d/", t.port), Clients: clients / 2, KeepAlive: i == 0, Pause: pause,
			})
		})
	}
	wg.Wait()
	for i := range results {
		r := &results[i]
		l.requests += r.Requests()
		l.failed += r.Failed()
		l.gap = max(l.gap, r.LongestGap)
		for _, f := range r.Errors {
			l.errs = append(l.errs, f.String())
		}
	}
	return l, errors.Join(errs...)
}

// askSocketIO has clients of Socket.IO's own ask, which send what had no answer so
// many times again.
func askSocketIO(retries string) func(context.Context, *trial) (load, error) {
	return func(ctx context.Context, t *trial) (l load, err error) {
		cmd := exec.Command("node", "bench/programs/app/socketio-client.js")
		cmd.Env = append(os.Environ(), "NODE_PATH="+os.Getenv("TEND_TEST_MODULES"), "PORT="+strconv.Itoa(t.port), "RETRIES="+retries)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			return l, err
		}
		if err := cmd.Start(); err != nil {
			return l, err
		}
		<-ctx.Done()
		in.Close()
		if err := cmd.Wait(); err != nil {
			return l, err
		}
		var told struct{ Sent, Answered, Closed, Longest int }
		if err := json.Unmarshal(out.Bytes(), &told); err != nil {
			return l, fmt.Errorf("the client says %q: %w", out.String(), err)
		}
		l = load{requests: told.Sent, failed: told.Sent - told.Answered, gap: time.Duration(told.Longest) * time.Millisecond}
		l.errs = []string{fmt.Sprintf("%d sessions were closed", told.Closed)}
		return l, nil
	}
}

// askRedis counts up, on one connection as long as it lasts, and checks that no
// count is lost that was answered.
func askRedis(ctx context.Context, t *trial) (l load, err error) {
	var c net.Conn
	var r *bufio.Reader
	last := time.Now()
	count := 0
	for ctx.Err() == nil {
		l.requests++
		n, err := func() (n int, err error) {
			if c == nil {
				if c, err = net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", t.port), time.Second); err != nil {
					return 0, err
				}
				r = bufio.NewReader(c)
			}
			if _, err := c.Write([]byte("INCR count\r\n")); err != nil {
				return 0, err
			}
			line, err := r.ReadString('\n')
			if err != nil {
				return 0, err
			}
			return strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, ":")))
		}()
		l.gap = max(l.gap, time.Since(last))
		switch {
		case err != nil:
			l.failed++
			if len(l.errs) < 10 {
				l.errs = append(l.errs, err.Error())
			}
			if c != nil {
				c.Close()
				c = nil
			}
		case n <= count:
			return l, fmt.Errorf("the count was %d and is %d: data were lost", count, n)
		default:
			count, last = n, time.Now()
		}
		_ = rig.Rest(ctx, pause)
	}
	if c != nil {
		c.Close()
	}
	return l, nil
}

// readLines checks that what a loop wrote meanwhile is in its log: each line whole,
// and the numbers of each process without a hole.
func readLines(ctx context.Context, t *trial) (l load, err error) {
	path := filepath.Join(t.Home(), "logs", "trial-out.log")
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return l, err
	}
	<-ctx.Done()
	text, err := os.ReadFile(path)
	if err != nil {
		return l, err
	}
	next := map[int]int{}
	for line := range strings.Lines(string(text[len(before):])) {
		var n, pid int
		if _, err := fmt.Sscanf(line, "line %d of %d\n", &n, &pid); err != nil {
			l.failed++
			l.errs = append(l.errs, fmt.Sprintf("%q", line))
			continue
		}
		l.requests++
		if want, ok := next[pid]; ok && n != want {
			l.failed += n - want
			l.errs = append(l.errs, fmt.Sprintf("%q and not %d", line, want))
		}
		next[pid] = n + 1
	}
	return l, nil
}
