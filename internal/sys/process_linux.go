package sys

import (
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Spawn says what to start; see [Spawn.Start].
type Spawn struct {
	Path       string   // absolute, or relative to Dir
	Argv       []string // argv[0] included
	Env        []string
	Dir        string // "" = this process's own
	Files      []int  // descriptors of the child by index, -1 = closed; stay the caller's
	Session    bool   // setsid; else a process group of its own
	Credential *syscall.Credential
	Cgroup     int                           // folder of a control group to start in, 0 = this process's own
	Around     func(fork func() error) error // runs fork, on the thread it is called on; nil for nothing
}

// Start forks (vfork-like, so a large heap costs nothing) and executes. The
// child has an empty signal mask and default dispositions, even for signals
// that this process ignores. No other descriptor than Files is inherited. The
// caller owns fd; nobody else may wait for the child.
func (s Spawn) Start() (pid int, fd *PidFD, err error) {
	files := make([]uintptr, len(s.Files))
	for i, f := range s.Files {
		files[i] = uintptr(f)
	}
	raw := -1
	attr := &syscall.ProcAttr{
		Dir: s.Dir, Env: s.Env, Files: files,
		Sys: &syscall.SysProcAttr{Setsid: s.Session, Setpgid: !s.Session, Credential: s.Credential, PidFD: &raw},
	}
	if s.Cgroup > 0 {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, s.Cgroup
	}
	// What this process inherited itself, or somebody opened carelessly, is
	// not for the child. Who clears the flag to execute another program in
	// place holds the lock meanwhile.
	syscall.ForkLock.RLock()
	err = CloseOnExecFrom(3)
	syscall.ForkLock.RUnlock()
	if err != nil {
		return 0, nil, err
	}
	fork := func() (err error) {
		pid, err = syscall.ForkExec(s.Path, s.Argv, attr)
		return err
	}
	err = withCleanSignals(func() error {
		if s.Around != nil {
			return s.Around(fork)
		}
		return fork()
	})
	if err != nil {
		return 0, nil, err
	}
	if raw < 0 { // kernels before 5.4
		err = unix.ENOSYS
	} else if fd, err = newPidFD(raw); err == nil {
		return pid, fd, nil
	}
	unix.Kill(pid, unix.SIGKILL) // not yet reaped, so the number is still its own
	unix.Wait4(pid, nil, 0, nil)
	return 0, nil, err
}

// dispositions serialises the short moments in which ignored signals are
// handled, so that one spawn does not restore them under another.
var dispositions sync.Mutex

// withCleanSignals runs fork with nothing blocked and nothing ignored. In a
// child the runtime resets what is handled, but leaves alone what is ignored.
// Thus each ignored signal is handled (and dropped) while fork runs.
func withCleanSignals(fork func() error) error {
	heedThreadSignals()
	runtime.LockOSThread() // the mask is the thread's
	defer runtime.UnlockOSThread()
	var old, empty unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, nil, &old); err == nil && old != empty {
		unix.PthreadSigmask(unix.SIG_SETMASK, &empty, nil)
		defer unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	}
	if len(ignored()) == 0 {
		return fork()
	}
	dispositions.Lock()
	defer dispositions.Unlock()
	sigs := ignored()
	if len(sigs) == 0 {
		return fork()
	}
	drop := make(chan os.Signal, 1)
	signal.Notify(drop, sigs...)
	defer func() {
		signal.Stop(drop)
		signal.Ignore(sigs...)
	}()
	return fork()
}

// heedThreadSignals gives the two signals that C libraries keep for themselves
// their default disposition back, where whoever started this process left them
// ignored. Neither Go's runtime nor os/signal touches them, and nobody sends
// them to a process, so here the change makes no difference.
func heedThreadSignals() {
	const setxid = 33
	for sig := syscall.Signal(32); sig <= setxid; sig++ {
		if kernelIgnores(sig) {
			var byDefault [16]uintptr
			unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&byDefault)), 0, sigsetSize, 0, 0)
		}
	}
}

// ignored lists the signals that this process ignores and a child would too.
func ignored() (sigs []os.Signal) {
	for sig := syscall.Signal(1); sig < 32; sig++ {
		switch sig {
		case unix.SIGKILL, unix.SIGSTOP:
		case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT:
			// The runtime does not look at these at start: ask the kernel.
			if signal.Ignored(sig) || kernelIgnores(sig) {
				sigs = append(sigs, sig)
			}
		default:
			if signal.Ignored(sig) {
				sigs = append(sigs, sig)
			}
		}
	}
	return sigs
}

const sigsetSize = 8 // of the kernel's signal set, in bytes

func kernelIgnores(sig syscall.Signal) bool {
	var action [16]uintptr // struct sigaction; the handler comes first
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&action)), sigsetSize, 0, 0)
	return errno == 0 && action[0] == 1 // SIG_IGN
}

// IsSubreaper tells whether orphaned descendants are re-parented to this process.
func IsSubreaper() bool {
	var on int32
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&on)), 0, 0, 0)
	return err == nil && on != 0
}

// SessionID returns the session of this process.
func SessionID() int {
	sid, err := unix.Getsid(0)
	if err != nil {
		return -1
	}
	return sid
}

// SinceBoot is the time since boot, as start times of processes count it.
func SinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// ChildPipe returns a pipe for a child: ours non-blocking and fit for the
// runtime poller, theirs blocking, as programs expect of standard streams. Both
// are close-on-exec and the caller's. The child reads if childReads, else writes.
func ChildPipe(name string, childReads bool) (ours, theirs *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	our, their := fds[0], fds[1]
	if childReads {
		our, their = their, our
	}
	if err := unix.SetNonblock(our, true); err != nil {
		unix.Close(our)
		unix.Close(their)
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(our), name), os.NewFile(uintptr(their), name+" (child)"), nil
}

// MakeBlocking clears O_NONBLOCK on the open file description of fd where it
// is a pipe or a character device, and leaves all else as it is.
func MakeBlocking(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if typ := st.Mode & unix.S_IFMT; typ != unix.S_IFIFO && typ != unix.S_IFCHR {
		return nil
	}
	return unix.SetNonblock(fd, false)
}

// FDOpen tells whether fd is an open descriptor of this process.
func FDOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// GroupEmpty tells that no process is in the process group pgid. The number
// must not have been given to another since.
func GroupEmpty(pgid int) bool { return unix.Kill(-pgid, 0) == unix.ESRCH }
