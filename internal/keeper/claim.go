package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/sys"
)

// Names of the files in a home.
const (
	SocketName = "tend.sock" // the API
	LockName   = "lock"      // held while keeper or daemon lives
	LogName    = "tend.log"  // what keeper and daemon have to say
	LogsName   = "logs"      // output of the apps
)

// HomeFault says that home cannot be used, and what to do.
func HomeFault(home string, err error) error {
	f := &fault.Error{Code: fault.Invalid, Op: "prepare " + home, Field: "TEND_HOME", Err: err, Message: "no usable folder"}
	f.Remedy = "Set TEND_HOME to a folder that you may write to."
	if errors.Is(err, fs.ErrPermission) {
		f.Code = fault.Denied
	}
	return f
}

// Claim is the right to be the one daemon of a home: its lock, held, and its
// API socket, listening. Both may be inherited; the home is free again when
// every process that has Lock is gone.
type Claim struct {
	Lock     *os.File
	Listener *os.File
	home     string
}

// ErrAnswered says that a daemon (or its keeper) listens already.
var ErrAnswered = errors.New("a daemon answers already")

// claimTime is how long a claim waits for one that holds the home and does not
// answer: it is ending, or it hangs.
const claimTime = 30 * time.Second

// NewClaim claims home: [ErrAnswered] if a daemon has it. It waits for one that
// is just ending. A socket left by a dead one is replaced.
func NewClaim(home string) (*Claim, error) {
	// The folder's own lock orders those who try at the same time, so that
	// nobody finds the home locked and the socket not yet there.
	dir, err := os.Open(home)
	if err != nil {
		return nil, HomeFault(home, err)
	}
	defer dir.Close()
	if err := lockSoon(dir, home); err != nil {
		return nil, err
	}
	if answered(home) {
		return nil, ErrAnswered
	}
	c := &Claim{home: home}
	if c.Lock, err = os.OpenFile(filepath.Join(home, LockName), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, HomeFault(home, err)
	}
	if err := lockSoon(c.Lock, home); err != nil {
		return nil, errors.Join(err, c.Lock.Close())
	}
	if err := c.listen(); err != nil {
		return nil, errors.Join(err, c.Lock.Close())
	}
	return c, nil
}

// lockSoon waits for the lock, though not for ever. The wait that is given up
// goes on in its thread: the process is expected to end then.
func lockSoon(f *os.File, home string) error {
	err := sys.Lock(f, false)
	if !errors.Is(err, sys.ErrLocked) {
		return err
	}
	locked := make(chan error, 1)
	go func() { locked <- sys.Lock(f, true) }()
	late := time.NewTimer(claimTime)
	defer late.Stop()
	select {
	case err := <-locked:
		return err
	case <-late.C:
		return &fault.Error{
			Code: fault.Conflict, Op: "lock " + home, Message: "another tend holds it and does not answer",
			Remedy: "See who it is: fuser -v " + filepath.Join(home, LockName),
		}
	}
}

func answered(home string) bool {
	return nil == sys.SocketPath(home, SocketName, func(path string) error {
		conn, err := net.Dial("unix", path)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// listen makes the socket, for the owner only.
func (c *Claim) listen() error {
	return sys.SocketPath(c.home, SocketName, func(path string) error {
		info, err := os.Lstat(path)
		if err == nil && info.Mode().Type() != fs.ModeSocket {
			return &fault.Error{
				Code: fault.Conflict, Op: "listen", Message: filepath.Join(c.home, SocketName) + " is in the way: it is no socket",
				Remedy: "Move it elsewhere, or choose another TEND_HOME.",
			}
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return HomeFault(c.home, err)
		}
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return HomeFault(c.home, err)
		}
		defer l.Close() // File is a duplicate
		l.SetUnlinkOnClose(false)
		if err := os.Chmod(path, 0o600); err != nil {
			return HomeFault(c.home, err)
		}
		c.Listener, err = l.File()
		return err
	})
}

// Withdraw takes the name of the socket away: from now on nobody new reaches the
// daemon of home, and who comes waits for the lock. Only one who has the lock may
// do it, since the name may be another's else. It may be done more than once.
func Withdraw(home string) error {
	err := sys.SocketPath(home, SocketName, os.Remove)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Release lets go of socket and lock, which another process has too.
func (c *Claim) Release() error { return errors.Join(c.Listener.Close(), c.Lock.Close()) }

// unseen is the exit status of a process that somebody else reaped.
const unseen status = 0xffff

// Close withdraws and lets go of socket and lock.
func (c *Claim) Close() error {
	return errors.Join(Withdraw(c.home), c.Listener.Close(), c.Lock.Close())
}

// describe says in a log line how a process ended.
func describe(st status) string {
	if st == unseen {
		return "in a way that only its parent knows"
	}
	if st.Signaled() {
		return fmt.Sprintf("by signal %d (%v)", st.Signal(), st.Signal())
	}
	return fmt.Sprintf("with exit status %d", st.ExitStatus())
}
