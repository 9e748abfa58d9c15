package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Preallocate gives f room on the disk for size bytes from its start, without
// changing its length.
func Preallocate(f *os.File, size int64) error {
	return control(f, func(fd int) error {
		return os.NewSyscallError("fallocate", unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, size))
	})
}

// FileID tells open files apart: while something keeps it open, nothing else has
// the same.
type FileID struct{ Dev, Ino uint64 }

// Identify tells what fd is.
func Identify(fd int) (FileID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return FileID{}, os.NewSyscallError("fstat", err)
	}
	return FileID{uint64(st.Dev), st.Ino}, nil
}

// SelfPidFD returns a descriptor of this process, to be given to another.
func SelfPidFD() (*os.File, error) {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return os.NewFile(uintptr(fd), "self"), nil
}

// DupFile returns a duplicate of f, which the caller closes.
func DupFile(f *os.File) (dup *os.File, err error) {
	err = control(f, func(fd int) error {
		n, err := Dup(fd)
		if err == nil {
			dup = os.NewFile(uintptr(n), f.Name())
		}
		return err
	})
	return dup, err
}

// control calls fn with the descriptor of f, which stays open meanwhile.
func control(f *os.File, fn func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	cerr := raw.Control(func(fd uintptr) { ferr = fn(int(fd)) })
	return errors.Join(cerr, ferr)
}
