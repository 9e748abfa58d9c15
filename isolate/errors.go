package isolate

import (
	"errors"
	"fmt"
	"strings"
)

// ErrClosed says that the module was closed.
var ErrClosed = errors.New("module is closed")

// CompileError is why there is no [Module].
type CompileError struct {
	Reason string
	Err    error // the cause, if it is another's
}

func (e *CompileError) Error() string { return "compile: " + e.Reason }

func (e *CompileError) Unwrap() error { return e.Err }

// TrapError is the end of an isolate that did what a machine does not allow.
type TrapError struct {
	Reason string // "unreachable", "out of bounds memory access", "stack overflow", …
	Stack  string // the functions it was in, innermost first
	Err    error
}

func (e *TrapError) Error() string { return "trap: " + e.Reason }

func (e *TrapError) Unwrap() error { return e.Err }

func trapOf(err error) *TrapError {
	text, stack, _ := strings.Cut(err.Error(), "\nwasm stack trace:\n\t")
	for _, before := range []string{"failed: ", "wasm error: "} {
		if _, after, ok := strings.Cut(text, before); ok {
			text = after
		}
	}
	return &TrapError{Reason: text, Stack: strings.ReplaceAll(stack, "\n\t", "\n"), Err: err}
}

func bad(err error, format string, args ...any) *CompileError {
	return &CompileError{Reason: fmt.Sprintf(format, args...), Err: err}
}
