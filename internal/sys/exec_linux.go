package sys

import (
	"errors"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exec makes this process another program (execve(2)): it keeps its number, its
// parent, its children, and of its descriptors 0 to 2 and those of keep; argv
// gets their numbers. It returns only with an error, and nothing is changed
// then. Meanwhile this process starts no other.
func Exec(program *os.File, keep []*os.File, argv func(fds []int) []string, env []string) error {
	// What is marked here must not get into a child forked just now.
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	fds := make([]int, 0, len(keep))
	var err error
	for _, f := range keep {
		err = errors.Join(err, control(f, func(fd int) error {
			fds = append(fds, fd)
			_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
			return os.NewSyscallError("fcntl", err)
		}))
	}
	if err == nil {
		err = control(program, func(fd int) error {
			return os.NewSyscallError("execve", syscall.Exec(fdPath(fd), argv(fds), env))
		})
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	return err
}

// SelfPath names the program that this process runs, though another has its name.
const SelfPath = "/proc/self/exe"

// fdPath names what the descriptor fd of this process is open to, whatever has
// become of its name.
func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
