package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// ErrLocked says that someone else holds the lock.
var ErrLocked = errors.New("locked by another process")

// Lock takes the exclusive flock(2) of f, a file or a folder. It waits for it,
// holding a thread, or returns [ErrLocked] when wait is false. The lock belongs
// to the open file: every process that inherits f shares it, and it is free
// again when the last of them has closed f or ended.
func Lock(f *os.File, wait bool) error {
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		err := unix.Flock(int(f.Fd()), how)
		switch err {
		case nil:
			return nil
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			return ErrLocked
		default:
			return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
	}
}
