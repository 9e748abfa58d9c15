package sys

import "syscall"

// Bits of access(2).
const (
	accessExecute = 1
	accessRead    = 4
)

// MayRead says whether this process may read the file, or list the folder, at path.
func MayRead(path string) bool { return syscall.Access(path, accessRead) == nil }

// MayExecute says whether this process may execute the file, or enter the folder, at path.
func MayExecute(path string) bool { return syscall.Access(path, accessExecute) == nil }
