// Package sys holds every raw system call that tend makes, and every build
// tag: sockets and the descriptors that travel over them, readiness, process
// descriptors, process groups, peer credentials.
//
// Nothing here knows a protocol or a policy. A function takes and returns
// plain descriptors; who owns them is said at each. All calls that may block
// in the kernel are made non-blocking, so that a caller parks in the runtime's
// poller and never holds an operating-system thread.
//
// On systems other than Linux the package compiles and each call returns
// [ErrUnsupported].
package sys

import "errors"

// ErrUnsupported says that this operating system lacks the call.
var ErrUnsupported = errors.ErrUnsupported
