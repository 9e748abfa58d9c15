package keeper

import (
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

type status = syscall.WaitStatus

// Run is the keeper's life: it claims home, starts the daemon and keeps it
// running until that ends on purpose. Its descriptors are as its starter gave them.
// It makes the whole process a keeper (signals, children): nothing else runs in it.
func Run(home string) error {
	ready := os.NewFile(KeeperReady, "ready")
	if err := sys.CloseOnExecFrom(KeeperReady); err != nil {
		return err
	}
	logger := log.New(os.Stderr, fmt.Sprintf("keeper[%d] ", os.Getpid()), log.LstdFlags|log.Lmicroseconds|log.LUTC)
	// One processor is plenty, and saying so keeps the runtime from looking at
	// the machine's limits from time to time. Nor is there garbage worth waiting for.
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(10)
	err := errors.Join(sys.SetTitle("tend keeper"), sys.Subreaper())
	if err != nil {
		return errors.Join(err, SayReady(ready, "", err))
	}
	claim, err := NewClaim(home)
	if errors.Is(err, ErrAnswered) {
		return SayReady(ready, AnsweredWord, nil)
	}
	if err != nil {
		return errors.Join(err, SayReady(ready, "", err))
	}
	k := &keeper{home: home, log: logger, claim: claim, ready: ready}
	return errors.Join(k.run(), claim.Close())
}

// keeper is the state of one keeper process. All of it is run's.
type keeper struct {
	home  string
	log   *log.Logger
	claim *Claim
	ready *os.File // the starter's pipe, for the first daemon; nil after

	exits  chan os.Signal // SIGCHLD
	orders chan os.Signal // to end

	daemon  *sys.PartProcess
	control *os.File
	packets chan Message // closed by the reader of control, at its end
	started time.Time
	served  bool // this daemon was ready
	ending  bool // it ends on purpose
	short   int  // short lives in a row
}

func (k *keeper) run() error {
	k.exits, k.orders = make(chan os.Signal, 1), make(chan os.Signal, 4)
	signal.Notify(k.exits, syscall.SIGCHLD)
	signal.Notify(k.orders, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	// Not signal.Ignore: that would be inherited by every app.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGPIPE)
	for first := true; ; first = false {
		if err := k.spawn(); err != nil {
			if first {
				return errors.Join(err, k.refuse(err))
			}
			k.log.Printf("cannot start the daemon: %v", err)
			k.short++
		} else {
			st := k.guard()
			k.sweep()
			switch {
			case k.ending:
				return nil
			case first && !k.served:
				return fmt.Errorf("the daemon ended %s before it was ready", describe(st))
			}
			k.note(st)
		}
		if !k.pause(gap(k.short)) {
			return nil
		}
	}
}

// refuse tells the starter why there is no daemon.
func (k *keeper) refuse(err error) error {
	ready := k.ready
	k.ready = nil
	return SayReady(ready, "", err)
}

// spawn starts a daemon and the reader of its messages.
func (k *keeper) spawn() error {
	ours, theirs, err := sys.PacketPair("daemon")
	if err != nil {
		return err
	}
	defer theirs.Close()
	ready := k.ready
	if ready == nil {
		ready = os.Stdin // null: nobody waits for a daemon that is started again
	}
	k.started = time.Now()
	k.daemon, err = sys.StartPart(sys.Part{
		Argv:  []string{"tend", "daemon", "--home", k.home},
		Env:   os.Environ(),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, theirs, k.claim.Lock, k.claim.Listener, ready},
	})
	if err != nil {
		return errors.Join(err, ours.Close())
	}
	if k.ready != nil {
		k.ready.Close() // the daemon's now: its end tells the starter
		k.ready = nil
	}
	k.control, k.served, k.ending = ours, false, false
	k.packets = make(chan Message, 4)
	go read(ours, k.packets, k.log) // ends with the daemon; guard waits for it
	return nil
}

func read(control *os.File, packets chan<- Message, logger *log.Logger) {
	defer close(packets)
	err := Receive(control, func(m Message) { packets <- m })
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		logger.Printf("daemon: %v", err)
	}
}

// guard returns the daemon's exit status when it has ended and all its
// messages are read.
func (k *keeper) guard() status {
	for {
		select {
		case m, ok := <-k.packets:
			if !ok {
				k.packets = nil // it closed the socket; its exit follows
				continue
			}
			k.take(m)
		case sig := <-k.orders:
			if err := k.daemon.Signal(sig.(syscall.Signal)); err != nil && !errors.Is(err, os.ErrProcessDone) {
				k.log.Printf("signal daemon: %v", err)
			}
		case <-k.exits:
			if st, ended := k.reap(); ended {
				k.release()
				return st
			}
		}
	}
}

// take handles one message of the daemon.
func (k *keeper) take(m Message) {
	switch m.Type {
	case MsgReady:
		k.served = true
		// What starting took is not needed again.
		debug.FreeOSMemory()
		if err := sys.DropCode(); err != nil {
			k.log.Print(err)
		}
	case MsgEnding:
		k.ending = true
	default:
		if err := Send(k.control, Message{Type: MsgUnknown, Of: m.Type}); err != nil {
			k.log.Printf("answer daemon: %v", err)
		}
	}
}

// reap collects every child that has ended, and tells whether the daemon is
// among them.
func (k *keeper) reap() (st status, ended bool) {
	for {
		pid, s, _, err := sys.Reap()
		if err != nil {
			k.log.Print(err)
		}
		if pid == 0 {
			return st, ended
		}
		if k.daemon != nil && pid == k.daemon.PID {
			st, ended = s, true
		}
	}
}

// release lets go of a daemon that has ended, once its last words are read.
func (k *keeper) release() {
	// Its end of the socket closed with it; the deadline is for a copy that
	// should not exist.
	_ = k.control.SetReadDeadline(time.Now().Add(time.Second))
	if k.packets != nil {
		for m := range k.packets {
			k.take(m)
		}
		k.packets = nil
	}
	k.control.Close()
	k.daemon.Close()
	k.daemon = nil
}

// note says in the log what happened to the daemon, and counts.
func (k *keeper) note(st status) {
	k.short++
	if time.Since(k.started) >= stable {
		k.short = 1
	}
	k.log.Printf("the daemon ended %s after %v; it is started again in %v, and its list of apps begins empty: "+
		"what ran under it was ended", describe(st), time.Since(k.started).Round(time.Millisecond), gap(k.short))
}

// pause waits, reaping; false when told to end meanwhile.
func (k *keeper) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-k.orders:
			return false
		case <-k.exits:
			k.reap()
		case <-timer.C:
			return true
		}
	}
}
