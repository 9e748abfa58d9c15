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
)

// Message is one packet on the control socket.
type Message struct {
	Type string `json:"type"`
	Of   string `json:"of,omitempty"` // MsgUnknown: the type that was not known
}

// maxPacket bounds one packet.
const maxPacket = 32 << 10

// Send puts one message on the control socket. The queue holds many more
// messages than either side ever has under way.
func Send(control *os.File, m Message) error {
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

// Receive calls fn with each message until the other end is gone: nil. Passed
// descriptors are closed: no type carries any yet.
func Receive(control *os.File, fn func(Message)) error {
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
		var m Message
		if err := json.Unmarshal(buf[:n], &m); err != nil {
			return fmt.Errorf("control socket: %w", err)
		}
		fn(m)
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
