package keeper_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/daemon"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/keeper"
	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/sys"
)

// The test binary plays keeper and daemon when the keeper package starts it.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[2] == "--home" {
		var err error
		switch os.Args[1] {
		case "keeper":
			err = keeper.Run(os.Args[3])
		case "daemon":
			err = fakeDaemon(os.Args[3])
		}
		if err != nil {
			log.Fatal(err)
		}
		os.Exit(0)
	}
	proctest.Main(m)
}

// modeVar says how the fake daemon behaves at its start.
const modeVar = "TEND_TEST_DAEMON"

// fakeDaemon answers one command a connection.
func fakeDaemon(home string) error {
	link, err := daemon.Inherit(home, log.Printf)
	if err != nil {
		return err
	}
	switch os.Getenv(modeVar) {
	case "refuse":
		return link.Ready(&fault.Error{Code: fault.Denied, Op: "serve", Message: "not today", Remedy: "Come back."})
	case "die":
		return fmt.Errorf("last words")
	case "crash":
		if _, err := os.Stat(filepath.Join(home, "crashed")); err != nil {
			break
		}
		os.Remove(filepath.Join(home, "crashed"))
		os.Exit(7) // once more before it is ready
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		finish(link)
	}()
	told := make(chan keeper.Message, 100)
	go link.Run(context.Background(), daemon.Handlers{Exited: func(m keeper.Message) { told <- m }, Gone: func() {}})
	if err := link.Ready(nil); err != nil {
		return err
	}
	for {
		conn, err := link.Listener.Accept()
		if err != nil {
			return err
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			conn.Close() // only a knock
			continue
		}
		fmt.Fprintln(conn, obey(link, strings.TrimSpace(line)))
		conn.Close()
	}
}

func finish(link *daemon.Link) {
	if err := link.Ending(); err != nil {
		log.Print(err)
	}
	os.Exit(0)
}

func obey(link *daemon.Link, command string) string {
	word, arg, _ := strings.Cut(command, " ")
	switch word {
	case "pids":
		return fmt.Sprint(os.Getpid(), link.KeeperPID())
	case "end":
		go finish(link) // the answer may still get out
	case "shell": // in a session of its own, the shell is not waited for
		cmd := exec.Command("/bin/sh", "-c", arg)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			return err.Error()
		}
		said, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(said)
	}
	return "ok"
}

// home is a folder for one keeper.
func home(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "home")
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(filepath.Join(dir, keeper.LogName))
			t.Logf("tend.log:\n%s", text)
		}
	})
	return dir
}

// start starts a keeper in dir and sees to its end.
func start(t *testing.T, dir string) (pid, guard int) {
	t.Helper()
	if err := daemon.Start(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	pid, guard = pids(t, dir)
	t.Cleanup(func() {
		if conn, err := connect(dir); err == nil {
			fmt.Fprintln(conn, "end")
			conn.Close()
		}
		reap(guard)
	})
	return pid, guard
}

// reap waits for a keeper: it is the test's child.
func reap(pid int) (status syscall.WaitStatus) {
	for {
		if _, err := syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
			return status
		}
	}
}

func connect(dir string) (conn net.Conn, err error) {
	err = sys.SocketPath(dir, keeper.SocketName, func(path string) error {
		conn, err = net.Dial("unix", path)
		return err
	})
	return conn, err
}

// tell sends one command to the daemon of dir; while that is started anew, it waits.
func tell(t *testing.T, dir, command string) string {
	t.Helper()
	conn, err := connect(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(conn, command)
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return strings.TrimSpace(answer)
}

func pids(t *testing.T, dir string) (daemon, guard int) {
	t.Helper()
	d, k, _ := strings.Cut(tell(t, dir, "pids"), " ")
	daemon, _ = strconv.Atoi(d)
	guard, _ = strconv.Atoi(k)
	if daemon == 0 || guard == 0 {
		t.Fatalf("pids are %q %q", d, k)
	}
	return daemon, guard
}
