package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/tendproc/tend/internal/keeper"
	"github.com/tendproc/tend/internal/sys"
)

// Link is what a daemon has from its keeper. Its methods may be called from any
// goroutine.
type Link struct {
	Listener net.Listener // the API's; the daemon closes it

	control *os.File
	lock    *os.File // only held: the home is free when the last process that has it is gone
	ready   *os.File
	parent  int // the keeper
	gone    atomic.Bool
}

// Inherit takes over the descriptors that the keeper passed to this process.
// Call it once, before anything else is started.
func Inherit() (*Link, error) {
	// They were made for this exec; our own children must not have them.
	if err := sys.CloseOnExecFrom(keeper.DaemonControl); err != nil {
		return nil, err
	}
	if err := sys.SetNonblock(keeper.DaemonControl); err != nil {
		return nil, fmt.Errorf("control socket of the keeper: %w", err)
	}
	l := &Link{
		control: os.NewFile(keeper.DaemonControl, "keeper"),
		lock:    os.NewFile(keeper.DaemonLock, "lock"),
		ready:   os.NewFile(keeper.DaemonReady, "ready"),
		parent:  os.Getppid(),
	}
	f := os.NewFile(keeper.DaemonListener, "listener")
	defer f.Close()
	var err error
	if l.Listener, err = net.FileListener(f); err != nil {
		return nil, errors.Join(fmt.Errorf("listener of the keeper: %w", err), l.Close())
	}
	return l, nil
}

// KeeperPID returns the keeper's process number, 0 when it is gone.
func (l *Link) KeeperPID() int {
	if l.gone.Load() {
		return 0
	}
	return l.parent
}

// Run takes the keeper's messages until it is gone or ctx ends. onGone is
// called when the keeper is gone.
func (l *Link) Run(ctx context.Context, onGone func()) error {
	stop := context.AfterFunc(ctx, func() { _ = l.control.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err := keeper.Receive(l.control, func(keeper.Message) {}) // none needs an answer yet
	if ctx.Err() != nil {
		return nil
	}
	l.gone.Store(true)
	onGone()
	return err
}

// Ready tells keeper and starter that the daemon serves, or why it does not.
func (l *Link) Ready(err error) error {
	if err == nil {
		if err := keeper.Send(l.control, keeper.Message{Type: keeper.MsgReady}); err != nil {
			return err
		}
	}
	return keeper.SayReady(l.ready, keeper.ReadyWord, err)
}

// Ending tells the keeper that the daemon ends on purpose.
func (l *Link) Ending() error {
	err := keeper.Send(l.control, keeper.Message{Type: keeper.MsgEnding})
	if l.gone.Load() {
		return nil
	}
	return err
}

// Close releases what was inherited, the listener apart.
func (l *Link) Close() error {
	l.ready.Close() // mostly closed by Ready
	return errors.Join(l.control.Close(), l.lock.Close())
}
