// Systemd runs tend as a service of a real systemd, a user's manager in a cgroup and
// a mount namespace of its own, and kills what it can while clients keep asking: the
// keeper, the daemon, both; and restarts the service. It counts failed requests, the
// longest time without an answer, and apps that are others afterwards.
//
//	sudo go run ./internal/tools/testenv go run ./bench/systemd
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tendproc/tend/bench/rig"
	"github.com/tendproc/tend/internal/loadgen"
)

var (
	times   = flag.Int("times", 10, "how often each")
	clients = flag.Int("clients", 8, "concurrent clients, with a new connection a request")
)

func main() { rig.Main(run) }

const server = `const s = require('http').createServer((q, r) => r.end(String(process.pid))).listen(+process.argv[2], '127.0.0.1')
process.on('SIGINT', () => s.close(() => process.exit(0)))
`

// managerScript gives systemd a cgroup of its own, and a machine that was started by it.
const managerScript = `set -e
mkdir -p "$1" && echo $$ >"$1/cgroup.procs"
mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system && cd /
exec /lib/systemd/systemd --user
`

// bench is one manager with one service.
type bench struct {
	dir, url, address string
	env               []string
}

func run(ctx context.Context) (err error) {
	if _, serr := os.Stat("/lib/systemd/systemd"); serr != nil || os.Geteuid() != 0 {
		return errors.New("this needs systemd and root")
	}
	dir, err := os.MkdirTemp("", "tend-systemd-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := rig.Build(ctx, filepath.Join(dir, "tend"), "./cmd/tend"); err != nil {
		return err
	}
	b := &bench{dir: dir, address: "127.0.0.1:18473"}
	b.url = "http://" + b.address + "/"
	path := "/usr/sbin:/usr/bin:/sbin:/bin"
	if nodes := filepath.SplitList(os.Getenv("TEND_TEST_NODES")); len(nodes) > 0 {
		path = filepath.Dir(nodes[0]) + ":" + path
	}
	b.env = []string{"PATH=" + path, "HOME=" + dir, "USER=root", "XDG_RUNTIME_DIR=" + dir, "NO_COLOR=1"}
	if err := os.WriteFile(filepath.Join(dir, "server.js"), []byte(server), 0o600); err != nil {
		return err
	}
	stop, err := b.manager(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if _, err := b.do(ctx, "tend", "startup", "systemd", "--user"); err != nil {
		return err
	}
	for _, scheduler := range []string{"rr", "shared", "reuseport"} {
		if err := b.scheduler(ctx, scheduler); err != nil {
			return fmt.Errorf("%s: %w", scheduler, err)
		}
	}
	return nil
}

// manager starts systemd. stop ends it, and takes its cgroup away.
func (b *bench) manager(ctx context.Context) (stop func() error, err error) {
	group := "/sys/fs/cgroup/systemd/tend-bench"
	if _, err := os.Stat(filepath.Dir(group)); err != nil {
		group = "/sys/fs/cgroup/tend-bench"
	}
	cmd := exec.CommandContext(ctx, "unshare", "-m", "setsid", "sh", "-c", managerScript, "sh", group)
	cmd.Env = b.env
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() error {
		_ = cmd.Process.Signal(syscall.Signal(34 + 24))
		err := cmd.Wait()
		folders, gerr := filepath.Glob(group + "/*")
		for _, folder := range append(folders, group) {
			_ = os.Remove(folder)
		}
		return errors.Join(err, gerr)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		if _, err = b.do(ctx, "systemctl", "--user", "is-active", "basic.target"); err == nil {
			return stop, nil
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(err, stop())
		}
	}
}

func (b *bench) do(ctx context.Context, name string, args ...string) (string, error) {
	if name == "tend" {
		name = filepath.Join(b.dir, "tend")
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Dir = b.env, b.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), err
}

// fault is one thing that is done to the service.
type fault struct {
	name string
	same bool // the apps are to be the same afterwards
	do   func(ctx context.Context, b *bench) error
}

var faults = []fault{
	{"kill -9 the keeper", true, func(ctx context.Context, b *bench) error { return b.kill(ctx, true, false) }},
	{"kill -9 the daemon", true, func(ctx context.Context, b *bench) error { return b.kill(ctx, false, true) }},
	{"kill -9 both", true, func(ctx context.Context, b *bench) error { return b.kill(ctx, true, true) }},
	{"systemctl restart", false, func(ctx context.Context, b *bench) error {
		_, err := b.do(ctx, "systemctl", "--user", "restart", "tend")
		return err
	}},
}

func (b *bench) scheduler(ctx context.Context, scheduler string) error {
	if _, err := b.do(ctx, "systemctl", "--user", "start", "tend"); err != nil {
		return err
	}
	_, port, _ := strings.Cut(b.address, ":")
	if _, err := b.do(ctx, "tend", "start", "server.js", "-i", "2", "--name", "web", "--scheduler", scheduler, "--", port); err != nil {
		return err
	}
	for _, f := range faults {
		if err := b.fault(ctx, scheduler, f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	_, err := b.do(ctx, "tend", "kill")
	return err
}

// fault does f again and again under load, and prints what the clients noticed.
func (b *bench) fault(ctx context.Context, scheduler string, f fault) error {
	loaded, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan loadgen.Result, 1)
	go func() {
		r, err := loadgen.Run(loaded, loadgen.Options{URL: b.url, Clients: *clients, Pause: time.Millisecond, Timeout: 30 * time.Second})
		if err != nil {
			fmt.Println(err)
		}
		results <- r
	}()
	others := 0
	for range *times {
		before, err := b.do(ctx, "tend", "pid", "web")
		if err != nil {
			return err
		}
		if err := f.do(ctx, b); err != nil {
			return err
		}
		after, err := b.do(ctx, "tend", "pid", "web")
		if err != nil {
			return err
		}
		if f.same && after != before {
			others++
		}
		select {
		case <-time.After(200 * time.Millisecond): // of load between two faults
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	cancel()
	r := <-results
	fmt.Printf("%-10s %-20s %3d times  %7d requests, %d failed, longest without an answer %4d ms, apps others %d times\n",
		scheduler, f.name, *times, r.Requests(), r.Failed(), r.LongestGap.Milliseconds(), others)
	return nil
}

// kill kills parts of tend at once, and waits until the service has another keeper
// and daemon.
func (b *bench) kill(ctx context.Context, keeper, daemon bool) error {
	main, err := b.property(ctx, "MainPID")
	if err != nil {
		return err
	}
	text, err := b.do(ctx, "tend", "ping", "--json")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(text, `"pid":`)
	number, _, _ := strings.Cut(rest, ",")
	pid, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	var pids []int
	if keeper {
		pids = append(pids, main)
	}
	if daemon {
		pids = append(pids, pid)
	}
	for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} { // none sees the end of another
		for _, pid := range pids {
			if err := syscall.Kill(pid, sig); err != nil {
				return err
			}
		}
	}
	for keeper {
		now, err := b.property(ctx, "MainPID")
		if err != nil {
			return err
		}
		state, _ := b.do(ctx, "systemctl", "--user", "is-active", "tend")
		if now != main && now != 0 && state == "active" {
			break
		}
	}
	_, err = b.do(ctx, "tend", "ping")
	return err
}

func (b *bench) property(ctx context.Context, name string) (int, error) {
	text, err := b.do(ctx, "systemctl", "--user", "show", "tend", "-p", name, "--value")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}
