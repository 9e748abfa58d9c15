package runner

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"

	"github.com/tendproc/tend/internal/sys"
)

// notifySocket takes what a process tells by sd_notify(3): READY=1. Its name is
// abstract, so that a process of another user reaches it; who may speak is told
// by the kernel.
type notifySocket struct {
	name string // as NOTIFY_SOCKET has it
	conn *net.UnixConn
	once sync.Once
}

// maxNotify bounds one datagram.
const maxNotify = 8 << 10

// openNotify makes the socket, before there is a process.
func (l *life) openNotify() error {
	if !l.spawn.App.WaitReady && l.spawn.App.HangTimeout == 0 {
		return nil
	}
	name := "@tend-notify-" + l.tree
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return systemFault(l.spawn.App, err)
	}
	file, err := conn.File()
	if err == nil {
		err = errors.Join(l.hold(heldNotify, file, nil), file.Close())
	}
	if err != nil {
		conn.Close()
		return systemFault(l.spawn.App, err)
	}
	return l.listenNotify(name, conn)
}

// adoptNotify takes the socket of a former runner.
func (l *life) adoptNotify(file *os.File) {
	if file == nil {
		return
	}
	defer file.Close()
	c, err := net.FilePacketConn(file)
	if err != nil {
		return
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return
	}
	_ = l.hold(heldNotify, file, nil)
	_ = l.listenNotify("", conn)
}

// listenNotify takes conn.
func (l *life) listenNotify(name string, conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err == nil {
		var serr error
		err = raw.Control(func(fd uintptr) { serr = sys.PassCredentials(int(fd)) })
		err = errors.Join(err, serr)
	}
	if err != nil {
		conn.Close()
		return systemFault(l.spawn.App, err)
	}
	l.notify = &notifySocket{name: name, conn: conn}
	l.r.wg.Go(func() { l.readNotify(conn) }) // ends with closeNotify
	return nil
}

func (l *life) readNotify(conn *net.UnixConn) {
	buf, oob := make([]byte, maxNotify), make([]byte, 64)
	for {
		n, control, _, _, err := conn.ReadMsgUnix(buf, oob)
		if err != nil {
			return
		}
		uid, ok := sys.SenderUID(oob[:control])
		if !ok || uid != 0 && uid != os.Geteuid() && (l.spawn.App.UID == nil || uid != *l.spawn.App.UID) {
			continue
		}
		for line := range bytes.Lines(buf[:n]) {
			switch string(bytes.TrimSpace(line)) {
			case "READY=1":
				if l.spawn.App.WaitReady {
					l.saidReady()
				}
			case "WATCHDOG=1":
				l.lives()
				l.watchOver()
			}
		}
	}
}

func (l *life) closeNotify() {
	if l.notify != nil {
		l.notify.once.Do(func() { l.notify.conn.Close() })
	}
}

// saidReady takes the word of the process that it is ready. Where there is a probe
// that has the last word, and is asked from now on if it was to wait for this.
func (l *life) saidReady() {
	switch a := l.spawn.App; {
	case a.Probe == "":
		l.becameReady()
	case a.WaitReady:
		l.said.Store(true)
		l.noteSaid()
		l.becomeReady()
	}
}

// becameReady notes that the process is ready, by whatever way that is known.
func (l *life) becameReady() {
	l.ready.Store(true)
	l.noteSaid()
	l.report(Ready{})
}
