package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

// Descriptors a daemon inherits besides standard input (null), output and error (the log).
const (
	fdControl = 3 + iota
	fdLock
	fdListener
	fdReady
)

// Types of messages on the control socket; see the package comment.
const (
	msgReady   = "ready"
	msgEnding  = "ending"
	msgUnknown = "unknown"
)

// message is one packet on the control socket.
type message struct {
	Type string `json:"type"`
	Of   string `json:"of,omitempty"` // msgUnknown: the type that was not known
}

// maxPacket bounds one packet.
const maxPacket = 32 << 10

// Link is what a daemon has from its keeper. Its methods may be called from any
// goroutine.
type Link struct {
	Listener net.Listener // the API's; the daemon closes it

	control *os.File
	lock    *os.File // only held: the home is free when the last process that has it is gone
	ready   *os.File
	keeper  int
	gone    atomic.Bool
}

// Inherit takes over the descriptors that the keeper passed to this process.
// Call it once, before anything else is started.
func Inherit() (*Link, error) {
	// They were made for this exec; our own children must not have them.
	if err := sys.CloseOnExecFrom(fdControl); err != nil {
		return nil, err
	}
	if err := sys.SetNonblock(fdControl); err != nil {
		return nil, fmt.Errorf("control socket of the keeper: %w", err)
	}
	l := &Link{
		control: os.NewFile(fdControl, "keeper"),
		lock:    os.NewFile(fdLock, "lock"),
		ready:   os.NewFile(fdReady, "ready"),
		keeper:  os.Getppid(),
	}
	f := os.NewFile(fdListener, "listener")
	defer f.Close()
	var err error
	if l.Listener, err = net.FileListener(f); err != nil {
		return nil, errors.Join(fmt.Errorf("listener of the keeper: %w", err), l.Close())
	}
	return l, nil
}

// KeeperPID returns the keeper's process number, 0 when it is gone.
func (l *Link) KeeperPID() int {
	if l.gone.Load() {
		return 0
	}
	return l.keeper
}

// Run takes the keeper's messages until it is gone or ctx ends. onGone is
// called when the keeper is gone.
func (l *Link) Run(ctx context.Context, onGone func()) error {
	stop := context.AfterFunc(ctx, func() { _ = l.control.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err := receive(l.control, func(message) {}) // none needs an answer yet
	if ctx.Err() != nil {
		return nil
	}
	l.gone.Store(true)
	onGone()
	return err
}

// Ready tells keeper and starter that the daemon serves, or why it does not.
func (l *Link) Ready(err error) error {
	if err == nil {
		if err := send(l.control, message{Type: msgReady}); err != nil {
			return err
		}
	}
	return sayReady(l.ready, readyWord, err)
}

// Ending tells the keeper that the daemon ends on purpose.
func (l *Link) Ending() error {
	err := send(l.control, message{Type: msgEnding})
	if l.gone.Load() {
		return nil
	}
	return err
}

// Close releases what was inherited, the listener apart.
func (l *Link) Close() error {
	l.ready.Close() // mostly closed by Ready
	return errors.Join(l.control.Close(), l.lock.Close())
}

// send puts one message on the control socket. The queue holds many more
// messages than either side ever has under way.
func send(control *os.File, m message) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	raw, err := control.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	if err := raw.Control(func(fd uintptr) { _, serr = sys.Send(int(fd), data, -1) }); err != nil {
		return err
	}
	return os.NewSyscallError("sendmsg", serr)
}

// receive calls fn with each message until the other end is gone: nil. Passed
// descriptors are closed: no type carries any yet.
func receive(control *os.File, fn func(message)) error {
	raw, err := control.SyscallConn()
	if err != nil {
		return err
	}
	buf := make([]byte, maxPacket)
	for {
		var n int
		var passed []int
		var rerr error
		err := raw.Read(func(fd uintptr) bool {
			n, passed, _, rerr = sys.Recv(int(fd), buf)
			return !errors.Is(rerr, syscall.EAGAIN)
		})
		if err != nil {
			return err
		}
		for _, fd := range passed {
			_ = sys.Close(fd)
		}
		if errors.Is(rerr, syscall.ECONNRESET) || (rerr == nil && n == 0) {
			return nil
		}
		if rerr != nil {
			return os.NewSyscallError("recvmsg", rerr)
		}
		var m message
		if err := json.Unmarshal(buf[:n], &m); err != nil {
			return fmt.Errorf("control socket: %w", err)
		}
		fn(m)
	}
}
