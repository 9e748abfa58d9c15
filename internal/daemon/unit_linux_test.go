package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/daemon"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/spec"
)

// systemd is a service manager with one unit, as systemd is one to it: a socket
// that takes what it is told, a store of descriptors, and the process.
type systemd struct {
	t        *testing.T
	home     string
	conn     *net.UnixConn
	watchdog time.Duration
	cmd      *exec.Cmd
	idle     int // descriptors that are stored while there is no app; the keeper's own four among them
	stderr   bytes.Buffer

	mu    sync.Mutex // guards what follows
	store []stored
	told  []string
	more  chan struct{} // closed, and made anew, at each datagram
}

type stored struct {
	name string
	file *os.File
}

func newSystemd(t *testing.T, home string) *systemd {
	t.Helper()
	dir, err := os.MkdirTemp("", "systemd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	m := &systemd{t: t, home: home, conn: conn, more: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.listen()
	}()
	t.Cleanup(func() { // in vain but for a test that failed
		if m.cmd != nil {
			_ = m.cmd.Process.Kill()
		}
		m.release()
		if c, err := daemon.Connect(context.Background(), home); err == nil {
			_ = c.Kill(context.Background())
			c.Close()
		}
		conn.Close()
		<-done
		m.release() // what came meanwhile
	})
	return m
}

func (m *systemd) listen() {
	buf, oob := make([]byte, 64<<10), make([]byte, 1024)
	for {
		n, oobn, _, _, err := m.conn.ReadMsgUnix(buf, oob)
		if err != nil {
			return
		}
		var files []*os.File
		if list, err := syscall.ParseSocketControlMessage(oob[:oobn]); err == nil {
			for i := range list {
				fds, _ := syscall.ParseUnixRights(&list[i])
				for _, fd := range fds {
					syscall.CloseOnExec(fd)
					files = append(files, os.NewFile(uintptr(fd), "stored"))
				}
			}
		}
		m.take(string(buf[:n]), files)
	}
}

func (m *systemd) take(text string, files []*os.File) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var name string
	var add, remove bool
	for _, line := range strings.Split(text, "\n") {
		m.told = append(m.told, line)
		switch key, value, _ := strings.Cut(line, "="); key {
		case "FDNAME":
			name = value
		case "FDSTORE":
			add = true
		case "FDSTOREREMOVE":
			remove = true
		}
	}
	for _, f := range files {
		if add && !slices.ContainsFunc(m.store, func(s stored) bool { return same(s.file, f) }) {
			m.store = append(m.store, stored{name, f})
		} else {
			f.Close()
		}
	}
	if remove {
		m.store = slices.DeleteFunc(m.store, func(s stored) bool {
			if s.name != name {
				return false
			}
			s.file.Close()
			return true
		})
	}
	close(m.more)
	m.more = make(chan struct{})
}

// same tells that two descriptors are one open file, as systemd finds out.
func same(a, b *os.File) bool {
	pid := uintptr(os.Getpid())
	r, _, errno := syscall.Syscall6(unix.SYS_KCMP, pid, pid, 0, a.Fd(), b.Fd(), 0)
	return errno == 0 && r == 0
}

// start starts the unit's process, with what is stored.
func (m *systemd) start() {
	m.t.Helper()
	m.mu.Lock()
	m.told = nil
	var names []string
	m.cmd = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$0" "$@"`, proctest.Self(), "foreground", m.home)
	for _, s := range m.store {
		names = append(names, s.name)
		m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, s.file)
	}
	m.mu.Unlock()
	m.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.conn.LocalAddr().String())
	if m.watchdog > 0 {
		m.cmd.Env = append(m.cmd.Env, fmt.Sprintf("WATCHDOG_USEC=%d", m.watchdog.Microseconds()))
	}
	if len(names) > 0 {
		m.cmd.Env = append(m.cmd.Env, fmt.Sprintf("LISTEN_FDS=%d", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	m.cmd.Stderr = &m.stderr
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
}

// await waits until the process has told line since it was started, and more holds.
func (m *systemd) await(line string, holds ...func() bool) {
	m.t.Helper()
	late := time.After(60 * time.Second)
	for {
		m.mu.Lock()
		told, more := slices.Clone(m.told), m.more
		m.mu.Unlock()
		if slices.Contains(told, line) && (len(holds) == 0 || holds[0]()) {
			return
		}
		select {
		case <-more:
		case <-late:
			m.t.Fatalf("%s was not told, but %q; stored are %v", line, told, m.stores())
		}
	}
}

func (m *systemd) ready() (*api.Client, event.Info) {
	m.t.Helper()
	m.await("READY=1")
	m.await(fmt.Sprintf("MAINPID=%d", m.cmd.Process.Pid))
	if m.idle == 0 {
		m.idle = len(m.stores())
	}
	return m.connect()
}

func (m *systemd) connect() (*api.Client, event.Info) {
	m.t.Helper()
	c, err := daemon.Connect(m.t.Context(), m.home)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { c.Close() })
	info, err := c.Ping(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return c, info
}

// kill ends the unit's processes as a crash does.
func (m *systemd) kill(pids ...int) {
	m.t.Helper()
	// First stop all, so that none notices the end of another.
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = m.cmd.Wait()
}

// stop stops the unit, and returns its exit status.
func (m *systemd) stop() int {
	m.t.Helper()
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		m.t.Fatal(err)
	}
	m.await("STOPPING=1")
	_ = m.cmd.Wait()
	return m.cmd.ProcessState.ExitCode()
}

// release lets go of what is stored, as at the end of a unit.
func (m *systemd) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.store {
		s.file.Close()
	}
	m.store = nil
}

// forget lets go of what has one of the names.
func (m *systemd) forget(names ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.store = slices.DeleteFunc(m.store, func(s stored) bool {
		gone := slices.Contains(names, s.name)
		if gone {
			s.file.Close()
		}
		return gone
	})
}

func (m *systemd) stores() (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.store {
		names = append(names, s.name)
	}
	return names
}

// A unit says that it is ready once the daemon serves, and gives signs of life for
// as long as the daemon does: one that hangs is replaced. It ends all when told to.
func TestUnit(t *testing.T) {
	t.Parallel()
	m := newSystemd(t, newHome(t))
	m.watchdog = 2 * time.Second
	m.start()
	c, info := m.ready()
	if info.KeeperPID != m.cmd.Process.Pid {
		t.Errorf("the keeper is %d, and the main process %d", info.KeeperPID, m.cmd.Process.Pid)
	}
	app := start(t, c, "sleeper", "exec sleep 10000")
	m.await("WATCHDOG=1")
	syscall.Kill(info.PID, syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for next := info; next.PID == info.PID; { // what was asked of a daemon that is killed breaks off
		var err error
		if next, err = c.Ping(ctx); ctx.Err() != nil {
			t.Fatal("a daemon that hangs stays")
		} else if err != nil {
			next = info
		}
	}
	if pids, _ := pidsOf(t, c); !slices.Equal(pids, []int{app.PID}) {
		t.Errorf("processes %v, and %d was there before", pids, app.PID)
	}
	if code := m.stop(); code != 0 || !ended(app.PID) {
		t.Errorf("exit status %d, app ended %v: %s", code, ended(app.PID), m.stderr.String())
	}
}

// The next keeper goes on where one that was killed was: the daemon does not
// notice, nor anybody else. Where both were killed, the next daemon has all of it.
func TestUnitIsKilled(t *testing.T) {
	t.Parallel()
	for _, scheduler := range []string{"rr", "reuseport"} {
		t.Run(scheduler, func(t *testing.T) {
			t.Parallel()
			m := newSystemd(t, newHome(t))
			m.start()
			c, info := m.ready()
			url := serve(t, c, scheduler, 2)
			were, _ := pidsOf(t, c)
			m.kill(info.KeeperPID)
			if pid := answers(t, url); !slices.Contains(were, pid) {
				t.Errorf("%d answers", pid)
			}
			m.start()
			_, next := m.ready()
			for late := time.Now().Add(60 * time.Second); next.KeeperPID == info.KeeperPID && time.Now().Before(late); {
				_, next = m.connect() // until it has read who its keeper is
			}
			if next.PID != info.PID || next.KeeperPID != m.cmd.Process.Pid {
				t.Errorf("after the keeper's death: %+v, and before: %+v", next, info)
			}
			if scheduler == "rr" { // this keeper is not the daemon's parent, and yet its guard
				_, next = crash(t, m.home, next.PID)
			}
			m.kill(next.KeeperPID, next.PID)
			m.start()
			c, _ = m.ready()
			if pid := answers(t, url); !slices.Contains(were, pid) {
				t.Errorf("%d answers", pid)
			}
			if are, restarts := pidsOf(t, c); !slices.Equal(are, were) || restarts != 0 {
				t.Errorf("processes %v, %d restarts, and before %v", are, restarts, were)
			}
			m.restart(url)
		})
	}
}

// What keeps a keeper from beginning costs nothing that the manager holds: the next
// one has the apps.
func TestUnitTriesAgain(t *testing.T) {
	t.Parallel()
	m := newSystemd(t, newHome(t))
	m.start()
	c, info := m.ready()
	app := start(t, c, "sleeper", "exec sleep 10000")
	m.kill(info.KeeperPID, info.PID)
	m.forget("tend-1", "tend-2") // what a keeper gives first: its lock and the socket of the API
	held, lock := m.stores(), filepath.Join(m.home, "lock")
	if err := errors.Join(os.Remove(lock), os.Mkdir(lock, 0o700)); err != nil {
		t.Fatal(err)
	}
	m.start()
	_ = m.cmd.Wait()
	if code := m.cmd.ProcessState.ExitCode(); code == 0 {
		t.Errorf("it began without a lock: %s", m.stderr.String())
	}
	if left := m.stores(); len(left) != len(held) {
		t.Errorf("the manager holds %v, and before %v", left, held)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	m.start()
	c, _ = m.ready()
	if are, restarts := pidsOf(t, c); !slices.Equal(are, []int{app.PID}) || restarts != 0 {
		t.Errorf("processes %v, %d restarts, and before %d; the manager held %v", are, restarts, app.PID, held)
	}
	if code := m.stop(); code != 0 {
		t.Errorf("exit status %d: %s", code, m.stderr.String())
	}
}

// While a unit is restarted its sockets stay: nobody is refused.
func TestUnitIsRestarted(t *testing.T) {
	t.Parallel()
	for _, scheduler := range []string{"shared", "listen"} {
		t.Run(scheduler, func(t *testing.T) {
			t.Parallel()
			m := newSystemd(t, newHome(t))
			m.start()
			c, _ := m.ready()
			if scheduler == "listen" {
				m.restart(inherits(t, c))
			} else {
				m.restart(serve(t, c, scheduler, 1))
			}
		})
	}
}

// restart restarts a unit that serves url, asks while it is down, and ends it.
func (m *systemd) restart(url string) {
	t := m.t
	t.Helper()
	first := answers(t, url)
	if code := m.stop(); code != 0 || !ended(first) {
		t.Fatalf("exit status %d: %s", code, m.stderr.String())
	}
	address := strings.Trim(strings.TrimPrefix(url, "http://"), "/")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatalf("refused while the unit is down: %v", err)
	}
	defer conn.Close()
	m.start()
	c, _ := m.ready()
	fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
	if answer, err := io.ReadAll(conn); err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.0 200 OK")) {
		t.Errorf("%q, %v", answer, err)
	}
	if err := c.Kill(t.Context()); err != nil {
		t.Error(err)
	}
	_ = m.cmd.Wait()
	if code := m.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	m.await("FDSTOREREMOVE=1", func() bool { return len(m.stores()) == m.idle-4 })
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("it listens although nothing shall be left")
	}
}

// inherits starts a server that gets its socket from tend.
func inherits(t *testing.T, c *api.Client) (url string) {
	t.Helper()
	dir, address := t.TempDir(), proctest.FreeAddress(t)
	if err := os.Symlink(proctest.Self(), filepath.Join(dir, "server")); err != nil {
		t.Fatal(err)
	}
	yes, args, listen := true, []string{address}, []string{address}
	_, err := c.Start(t.Context(), spec.Start{
		Word: "./server", Options: spec.Options{Args: &args, Listen: &listen, WaitReady: &yes},
		Caller: spec.Caller{Cwd: dir, Env: append(os.Environ(), proctest.RoleEnv("worker"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + address + "/"
}

// A unit whose home has a daemon already stands in for that one's keeper.
func TestUnitOfADaemonThatRuns(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	c, info := ensure(t, home)
	app := start(t, c, "sleeper", "exec sleep 10000")
	m := newSystemd(t, home)
	m.watchdog = time.Second
	m.start()
	m.await("READY=1")
	m.await("WATCHDOG=1")
	if _, next := m.connect(); next != info {
		t.Errorf("%+v serves, and before %+v", next, info)
	}
	if code := m.stop(); code != 0 || !ended(app.PID) {
		t.Errorf("exit status %d: %s", code, m.stderr.String())
	}
}

// What a daemon cannot do is said, and the exit status tells.
func TestUnitThatCannotServe(t *testing.T) {
	home := newHome(t)
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "state.json"), []byte(`{"format":99}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := newSystemd(t, home)
	m.start()
	_ = m.cmd.Wait()
	if code, said := m.cmd.ProcessState.ExitCode(), m.stderr.String(); code == 0 || !strings.Contains(said, "format") {
		t.Errorf("exit status %d: %s", code, said)
	}
}

// ended tells that the process runs no more; it may be still to be reaped by one
// that adopted it.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(stat, []byte(") Z ")) || bytes.Contains(stat, []byte(") X "))
}
