package thread

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

var (
	ErrClosed     = errors.New("port is closed")                      // by either end, or its thread has ended
	ErrDetached   = errors.New("was transferred")                     // the port or buffer lives elsewhere now
	ErrTerminated = errors.New("thread was terminated")               // by [Thread.Terminate]
	ErrStarted    = errors.New("thread was started before")           // a thread runs once
	ErrGoexit     = errors.New("thread ended itself: runtime.Goexit") // and not by [Self.Exit]
)

// CloneError says what part of a value kept it from being copied. Nothing was
// sent, and nothing transferred.
type CloneError struct {
	Path   string       // where in the value: ".Jobs[3].Done"; "" is the value itself
	Type   reflect.Type // of what is there
	Reason string       // why it cannot be copied, and what to do
}

func (e *CloneError) Error() string {
	path := e.Path
	if len(path) > mostPath {
		path = strings.ToValidUTF8(path[:mostPath/2]+" … "+path[len(path)-mostPath/2:], "")
	}
	return fmt.Sprintf("clone: value%s: %v: %s", path, e.Type, e.Reason)
}

// mostPath is how much of a path is said, in bytes: one may be thousands of levels deep.
const mostPath = 200

// MessageError says that a message arrived that the receiver cannot read: Node's
// messageerror. Between Go threads only [Receive] makes it, for a message of
// another type. Whoever brings messages from elsewhere may post one: then it is
// what [Port.Receive] returns as its error.
type MessageError struct {
	Value any   // the message, as far as it is known
	Err   error // what is wrong with it
}

func (e *MessageError) Error() string { return "message: " + e.Err.Error() }

func (e *MessageError) Unwrap() error { return e.Err }

// PanicError is the end of a thread whose entry panicked.
type PanicError struct {
	Value any    // what panic was called with
	Stack []byte // of the panic, as runtime/debug.Stack gives it
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
