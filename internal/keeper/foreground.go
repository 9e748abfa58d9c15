package keeper

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/sys"
)

// RunUnit is the life of a keeper that an init system has started, in the
// foreground. What keeper and daemon have to say goes to the file log. Of a former
// keeper that was killed it takes over the daemon, if that lives, else what it held.
// [ErrAnswered] says that others have started a daemon.
func RunUnit(m *System, home, logPath string) error {
	if err := sys.CloseOnExecFrom(firstPassed); err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return HomeFault(home, err)
	}
	prepare()
	if err := errors.Join(sys.SetTitle("tend keeper"), sys.Subreaper()); err != nil {
		return err
	}
	k := &keeper{home: home, log: loggerTo(out), std: [3]*os.File{null, out, out}, store: newStore()}
	var had []left
	k.unit, had = newUnit(m, k.log)
	if err := k.succeed(had); err != nil {
		if errors.Is(err, ErrAnswered) { // those others have what they need
			k.store.clear()
			err = errors.Join(err, k.unit.forsake())
		}
		return err // else the manager keeps all, for the next try
	}
	said, err := k.await()
	if err != nil {
		return errors.Join(err, k.claim.Close())
	}
	err = k.run()
	return errors.Join(told(said, err), k.unit.close(), k.claim.Close())
}

// succeed takes what a former keeper of the unit had, and claims the home.
func (k *keeper) succeed(had []left) error {
	own := map[string]left{}
	for _, l := range had {
		switch l.Name {
		case ownLock, ownListener, ownControl, ownDaemon:
			own[l.Name] = l
		default:
			k.restore(l)
		}
	}
	lock, listener := own[ownLock].file, own[ownListener].file
	if lock != nil && listener != nil {
		k.claim = &Claim{Lock: lock, Listener: listener, home: k.home}
	} else {
		closeAll(lock, listener)
		var err error
		if k.claim, err = NewClaim(k.home); err != nil {
			return err
		}
	}
	k.unit.keepFile(ownLock, k.claim.Lock)
	k.unit.keepFile(ownListener, k.claim.Listener)
	return k.meet(own[ownDaemon], own[ownControl].file)
}

// restore puts an entry of a former keeper into the store.
func (k *keeper) restore(l left) {
	defer l.file.Close()
	var fd int
	raw, err := l.file.SyscallConn()
	if err == nil {
		cerr := raw.Control(func(from uintptr) { fd, err = sys.Dup(int(from)) })
		err = errors.Join(cerr, err)
	}
	if err == nil {
		if err = k.store.put(Message{Name: l.Name, PID: l.PID, Meta: l.Meta}, fd); err != nil {
			Discard(fd)
		}
	}
	if err != nil {
		k.log.Printf("what a former keeper held: %v", err)
		k.unit.drop(l.Name)
		return
	}
	if l.Exited {
		k.store.exited(l.PID, status(l.Status))
	}
}

// meet takes over the daemon of a former keeper, if that is alive.
func (k *keeper) meet(daemon left, control *os.File) error {
	if daemon.file == nil || control == nil {
		closeAll(daemon.file, control)
		return nil
	}
	raw, err := daemon.file.SyscallConn()
	if err != nil {
		return err
	}
	own, watched := -1, -1
	cerr := raw.Control(func(fd uintptr) {
		if own, err = sys.Dup(int(fd)); err == nil {
			watched, err = sys.Dup(int(fd))
		}
	})
	daemon.file.Close()
	if err = errors.Join(cerr, err); err != nil {
		return err
	}
	fd, err := sys.TakePidFD(watched)
	if err != nil {
		return err
	}
	k.daemon = sys.AttachPart(daemon.PID, own)
	if err := k.daemon.Signal(0); err != nil {
		k.log.Printf("the daemon %d and its keeper were killed; the apps run on", daemon.PID)
		k.daemon.Close()
		k.daemon = nil
		fd.Close()
		control.Close()
		k.unit.guarded()
		return nil
	}
	k.log.Printf("the keeper before was killed; the daemon %d and the apps run on", daemon.PID)
	k.life = life{served: true, answers: true, started: time.Now()} // as each does that a unit started
	k.listen(control)
	k.introduce()
	k.watch(fd)
	k.unit.ready(daemon.PID)
	return nil
}

// await makes the pipe on which the first daemon says why it does not serve. It is
// nil where the daemon serves already.
func (k *keeper) await() (said *os.File, err error) {
	if k.daemon != nil {
		return nil, nil
	}
	said, k.ready, err = os.Pipe()
	return said, err
}

// told is err, in the words of the daemon if it had any.
func told(said *os.File, err error) error {
	if said == nil {
		return err
	}
	defer said.Close()
	if err == nil {
		return nil
	}
	text, rerr := io.ReadAll(io.LimitReader(said, maxPacket))
	var f fault.Error
	if rerr != nil || json.Unmarshal(bytes.TrimSpace(text), &f) != nil || f.Code == "" {
		return err
	}
	return &f
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}
