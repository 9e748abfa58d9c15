package keeper

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

// System is the service manager that started this process as the main one of a
// unit, in the words of sd_notify(3). nil: there is none.
type System struct {
	socket string        // where it hears
	Every  time.Duration // it wants a sign of life at least this often; 0: none
	passed []passed
}

// passed is a descriptor that the manager had in its store, and gave back.
type passed struct {
	name string
	file *os.File
}

// sayTime is how long a manager may take to have room for a datagram.
const sayTime = 5 * time.Second

// JoinSystem reads who started this process, and takes that out of the environment:
// it is nobody else's. Call it before anything else is opened.
func JoinSystem() *System {
	get := func(name string) string {
		value := os.Getenv(name)
		os.Unsetenv(name)
		return value
	}
	mine := func(pid string) bool { return pid == strconv.Itoa(os.Getpid()) }
	m := &System{socket: get("NOTIFY_SOCKET")}
	if every, err := strconv.Atoi(get("WATCHDOG_USEC")); err == nil && every > 0 {
		m.Every = time.Duration(every) * time.Microsecond
	}
	if pid := get("WATCHDOG_PID"); pid != "" && !mine(pid) {
		m.Every = 0
	}
	names := strings.Split(get("LISTEN_FDNAMES"), ":")
	if n, err := strconv.Atoi(get("LISTEN_FDS")); mine(get("LISTEN_PID")) && err == nil {
		for i := range n {
			name := ""
			if i < len(names) {
				name = names[i]
			}
			m.passed = append(m.passed, passed{name, os.NewFile(uintptr(firstPassed+i), name)})
		}
	}
	if m.socket == "" {
		m.Discard()
		return nil
	}
	return m
}

// firstPassed is the first descriptor that a manager passes (sd_listen_fds(3)).
const firstPassed = 3

// Discard closes what the manager gave back. It keeps its own.
func (m *System) Discard() {
	if m == nil {
		return
	}
	for _, p := range m.passed {
		p.file.Close()
	}
	m.passed = nil
}

// Say tells the manager something: lines of sd_notify(3), with a descriptor beside
// them unless that is -1.
func (m *System) Say(fd int, lines ...string) error {
	if m == nil {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(sayTime)); err != nil {
		return err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = raw.Write(func(to uintptr) bool {
		_, serr = sys.Send(int(to), []byte(strings.Join(lines, "\n")), fd)
		return !errors.Is(serr, syscall.EAGAIN)
	})
	return errors.Join(err, os.NewSyscallError("sendmsg", serr))
}
