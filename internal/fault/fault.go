// Package fault defines the errors that a person or a script meets: each has a
// stable code, says what was being done, which field of the input is at fault
// and what to do about it. They survive the wire, so a client branches on the
// same code as a caller in the same process.
package fault

import (
	"errors"
	"strings"
)

// Code names a kind of failure. Codes are part of the API: they are never
// renamed, and a client treats an unknown one as [Internal].
type Code string

const (
	Invalid     Code = "invalid"      // a field of the request is wrong; Field names it
	NotFound    Code = "not_found"    // no such app, instance, file or interpreter
	Conflict    Code = "conflict"     // it exists already, or another command is at it
	NotRunning  Code = "not_running"  // the command needs a live process
	StartFailed Code = "start_failed" // the process did not come up; Reason and Log say why
	Timeout     Code = "timeout"      // not done within the time given
	Denied      Code = "denied"       // the operating system or a peer check refused
	TooLarge    Code = "too_large"    // the request is over the limit
	Unavailable Code = "unavailable"  // no daemon answers, or it is ending
	Unsupported Code = "unsupported"  // this daemon, version or system cannot do it
	Internal    Code = "internal"     // our own bug
)

// Error is a failure with a code. The zero Op, Field, Remedy and Log are left
// out of its text.
type Error struct {
	Code    Code     `json:"code"`
	Op      string   `json:"op,omitempty"`     // what we were doing: "start web"
	Field   string   `json:"field,omitempty"`  // the input at fault: "--cwd", "script"
	Message string   `json:"message"`          // what is wrong, lower case, no full stop
	Remedy  string   `json:"remedy,omitempty"` // what to do about it, one sentence
	Log     []string `json:"log,omitempty"`    // the last lines the process wrote, oldest first
	Err     error    `json:"-"`                // the cause; not on the wire
}

// Error gives the text as a path: "start web: --cwd: not a folder: /srv/x".
// The remedy and the log are for the caller to print.
func (e *Error) Error() string {
	var parts []string
	for _, p := range []string{e.Op, e.Field, e.Message} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first [Error] in err's chain: "" for nil,
// [Internal] where there is none.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}
