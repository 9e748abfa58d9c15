package keeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/sys"
)

// KeeperReady is what a keeper inherits besides standard input (null), output
// and error (the log): the ready pipe.
const KeeperReady = 3

// What a keeper inherits that a daemon without one starts, besides the same.
const (
	HeirControl = 3 + iota
	HeirLock
	HeirListener
	HeirDaemon // a descriptor of the daemon's process
)

// What a daemon inherits besides standard input (null), output and error (the log).
const (
	DaemonControl = 3 + iota
	DaemonLock
	DaemonListener
	DaemonReady
)

// What goes over the ready pipe: one of these words, or an error as JSON.
const (
	ReadyWord    = "ok"       // the daemon serves
	AnsweredWord = "answered" // somebody else's does
)

// Types of messages on the control socket; see the package comment.
const (
	MsgReady   = "ready"
	MsgEnding  = "ending"
	MsgUnknown = "unknown"
	MsgBinary  = "binary"
	MsgKeeper  = "keeper"
	MsgAsk     = "ask"
	MsgAlive   = "alive"

	MsgStore  = "store"
	MsgUpdate = "update"
	MsgDelete = "delete"
	MsgList   = "list"
	MsgEntry  = "entry"
	MsgEnd    = "end"
	MsgExited = "exited"
	MsgError  = "error"
)

// Message is one packet on the control socket. Which fields count depends on its type.
type Message struct {
	Type   string          `json:"type"`
	Of     string          `json:"of,omitempty"`   // MsgUnknown, MsgError: the type that it is about
	Name   string          `json:"name,omitempty"` // of an entry
	PID    int             `json:"pid,omitempty"`  // of the process whose exit the entry keeps
	Meta   json.RawMessage `json:"meta,omitempty"` // the daemon's own
	Exited bool            `json:"exited,omitempty"`
	Status uint32          `json:"status,omitempty"` // as wait(2) gave it; with Exited
	Unit   bool            `json:"unit,omitempty"`   // MsgKeeper: what it holds outlives it too
	Signs  bool            `json:"signs,omitempty"`  // MsgReady: it answers MsgAsk
}

// Bounds of a packet and of what is in it.
const (
	maxPacket = 32 << 10
	maxName   = 256
	MaxMeta   = 24 << 10
)

// Send puts one message on the control socket, with a descriptor beside it unless
// that is -1. It waits for room, and fails when the other end is gone.
func Send(control *os.File, m Message, pass int) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(data) > maxPacket {
		return fmt.Errorf("%s %s: %d bytes are too much for one packet", m.Type, m.Name, len(data))
	}
	raw, err := control.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	if err := raw.Write(func(fd uintptr) bool {
		_, serr = sys.Send(int(fd), data, pass)
		return !errors.Is(serr, syscall.EAGAIN)
	}); err != nil {
		return err
	}
	return os.NewSyscallError("sendmsg", serr)
}

// Receive calls fn with each message until the other end is gone, which is nil,
// or until fn returns an error, which it returns. fn owns the
// descriptor that came beside the message, -1 for none; of several all but the
// first are closed.
func Receive(control *os.File, fn func(m Message, fd int) error) error {
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
		fd := first(passed)
		if errors.Is(rerr, syscall.ECONNRESET) || (rerr == nil && n == 0) {
			return nil
		}
		if rerr != nil {
			return os.NewSyscallError("recvmsg", rerr)
		}
		var m Message
		if err := json.Unmarshal(buf[:n], &m); err != nil {
			Discard(fd)
			return fmt.Errorf("control socket: %w", err)
		}
		if err := fn(m, fd); err != nil {
			return err
		}
	}
}

// first keeps one of the descriptors that came, and closes the rest.
func first(passed []int) int {
	for i, fd := range passed {
		if i > 0 {
			Discard(fd)
		}
	}
	if len(passed) == 0 {
		return -1
	}
	return passed[0]
}

// Discard closes a descriptor that came with a message; -1 is none.
func Discard(fd int) {
	if fd >= 0 {
		_ = sys.Close(fd)
	}
}

// SayReady writes err, or word when there is none, to a ready pipe and closes it.
func SayReady(pipe *os.File, word string, err error) error {
	said := []byte(word)
	if err != nil {
		f := fault.Error{Code: fault.CodeOf(err), Message: err.Error()}
		if e, ok := errors.AsType[*fault.Error](err); ok {
			f.Remedy = e.Remedy
		}
		if said, err = json.Marshal(&f); err != nil {
			return errors.Join(err, pipe.Close())
		}
	}
	// The starter may be gone: nobody needs to know then.
	_, _ = pipe.Write(said)
	return pipe.Close()
}
