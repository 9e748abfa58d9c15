package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The process connector (linux/cn_proc.h): the kernel tells of each exec and
// exit with the time at which it happened. Root only.
const (
	connectorIndex = 1 // CN_IDX_PROC and CN_VAL_PROC
	listenOp       = 1 // PROC_CN_MCAST_LISTEN
	execEvent      = 0x00000002
	exitEvent      = 0x80000000
	headerBytes    = unix.SizeofNlMsghdr + 20 // netlink and connector headers
)

// event is one exec or exit of a process.
type event struct {
	exec bool
	pid  int
	at   time.Duration // since boot
}

// watcher reads events until it is closed.
type watcher struct{ fd int }

func newWatcher() (*watcher, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	w := &watcher{fd: fd}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: connectorIndex, Pid: uint32(os.Getpid())}); err != nil {
		w.close()
		return nil, fmt.Errorf("process events: %w", err)
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	msg := make([]byte, headerBytes+4)
	order := binary.NativeEndian
	order.PutUint32(msg[0:], uint32(len(msg)))
	order.PutUint16(msg[4:], unix.NLMSG_DONE)
	order.PutUint32(msg[12:], uint32(os.Getpid()))
	order.PutUint32(msg[16:], connectorIndex)
	order.PutUint32(msg[20:], connectorIndex)
	order.PutUint16(msg[32:], 4)
	order.PutUint32(msg[headerBytes:], listenOp)
	if err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		w.close()
		return nil, os.NewSyscallError("sendto", err)
	}
	return w, nil
}

// next returns the next exec or exit of a whole process; an error after ten
// seconds of silence.
func (w *watcher) next() (event, error) {
	order := binary.NativeEndian
	var buf [4096]byte
	for {
		n, _, err := unix.Recvfrom(w.fd, buf[:], 0)
		if err == unix.EINTR || err == unix.ENOBUFS {
			continue
		}
		if err != nil {
			return event{}, os.NewSyscallError("recvfrom", err)
		}
		if n < headerBytes+24 {
			continue
		}
		body := buf[headerBytes:n]
		what, at := order.Uint32(body), time.Duration(order.Uint64(body[8:]))
		thread, process := order.Uint32(body[16:]), order.Uint32(body[20:])
		if thread == process && (what == execEvent || what == exitEvent) {
			return event{exec: what == execEvent, pid: int(process), at: at}, nil
		}
	}
}

func (w *watcher) close() { unix.Close(w.fd) }
