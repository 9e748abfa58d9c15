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
	logger := newLogger()
	prepare()
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
	k := &keeper{home: home, log: logger, std: standard(), claim: claim, ready: ready, store: newStore()}
	return errors.Join(k.run(), claim.Close())
}

// Inherit is the life of a keeper that a daemon has started whose own one died. It
// is not the parent of that daemon, only of the next ones.
func Inherit(home string, daemon int) error {
	if err := sys.CloseOnExecFrom(HeirControl); err != nil {
		return err
	}
	prepare()
	k := &keeper{home: home, log: newLogger(), std: standard(), store: newStore(), life: life{served: true, started: time.Now()}}
	k.claim = &Claim{Lock: os.NewFile(HeirLock, "lock"), Listener: os.NewFile(HeirListener, "listener"), home: home}
	err := errors.Join(sys.SetTitle("tend keeper"), sys.Subreaper(), sys.SetNonblock(HeirControl))
	own, derr := sys.Dup(HeirDaemon)
	k.daemon = sys.AttachPart(daemon, own)
	fd, perr := sys.TakePidFD(HeirDaemon)
	if err = errors.Join(err, derr, perr); err != nil {
		return errors.Join(err, k.claim.Release())
	}
	k.listen(os.NewFile(HeirControl, "daemon"))
	k.watch(fd)
	return errors.Join(k.run(), k.claim.Close())
}

// watch waits for the end of a daemon that is no child, by fd, which it takes.
func (k *keeper) watch(fd *sys.PidFD) {
	foreign := make(chan struct{})
	k.foreign = foreign
	go func() { // ends with the daemon
		defer close(foreign)
		defer fd.Close()
		_ = fd.WaitEnd()
	}()
}

func standard() [3]*os.File { return [3]*os.File{os.Stdin, os.Stdout, os.Stderr} }

func newLogger() *log.Logger { return loggerTo(os.Stderr) }

func loggerTo(f *os.File) *log.Logger {
	return log.New(f, fmt.Sprintf("keeper[%d] ", os.Getpid()), log.LstdFlags|log.Lmicroseconds|log.LUTC)
}

// prepare makes the runtime small. One processor is plenty, and saying so keeps
// it from looking at the machine's limits from time to time. Nor is there garbage
// worth waiting for.
func prepare() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(10)
}

// keeper is the state of one keeper process. All of it is run's.
type keeper struct {
	home   string
	log    *log.Logger
	std    [3]*os.File // null, and the log twice: as the daemon gets them
	claim  *Claim
	ready  *os.File // the starter's pipe, for the first daemon; nil after
	store  store
	unit   *unit    // nil: no service manager has started this
	binary *os.File // the program that is the next daemon; nil: this one

	signals

	daemon  *sys.PartProcess
	foreign chan struct{} // closed at the end of a daemon that is no child; nil for one that is
	control *os.File
	packets chan packet // closed by the reader of control, at its end
	life
}

// life is what is known of the daemon that runs, and of those before it.
type life struct {
	started time.Time
	served  bool // this daemon was ready
	ending  bool // it ends on purpose
	asked   bool // for a sign of life, and has not answered
	answers bool // it does, when asked: an older daemon does not
	short   int  // short lives in a row
}

// signals are what the keeper is told by the kernel.
type signals struct {
	exits  chan os.Signal // SIGCHLD
	orders chan os.Signal // to end
}

// packet is a message and the descriptor beside it.
type packet struct {
	Message
	fd int
}

func (k *keeper) run() error {
	k.exits, k.orders = make(chan os.Signal, 1), make(chan os.Signal, 4)
	signal.Notify(k.exits, syscall.SIGCHLD)
	signal.Notify(k.orders, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	// Not signal.Ignore: that would be inherited by every app.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGPIPE)
	for first := k.daemon == nil; ; first = false {
		if err := k.spawn(); err != nil {
			if first {
				return errors.Join(err, k.refuse(err))
			}
			k.log.Printf("cannot start the daemon: %v", err)
			k.short++
		} else {
			st := k.guard()
			switch {
			case k.ending:
				return k.end(nil)
			case first && !k.served:
				return k.end(fmt.Errorf("the daemon ended %s before it was ready", describe(st)))
			}
			k.note(st)
		}
		if !k.pause(gap(k.short)) {
			return k.end(nil)
		}
	}
}

// end lets go of everything, and ends what is left of the apps.
func (k *keeper) end(err error) error {
	k.store.clear()
	k.sweep()
	return err
}

// refuse tells the starter why there is no daemon.
func (k *keeper) refuse(err error) error {
	ready := k.ready
	k.ready = nil
	return SayReady(ready, "", err)
}

// spawn starts a daemon, unless there is one, and the reader of its messages.
func (k *keeper) spawn() error {
	if k.daemon != nil {
		return nil
	}
	ours, theirs, err := sys.PacketPair("daemon")
	if err != nil {
		return err
	}
	defer theirs.Close()
	ready := k.ready
	if ready == nil {
		ready = k.std[0] // null: nobody waits for a daemon that is started again
	}
	k.started = time.Now()
	part := sys.Part{
		Program: k.binary,
		Argv:    []string{os.Args[0], "daemon", "--home", k.home}, // by our own name, see pm2.Called
		Env:     os.Environ(),
		Files:   []*os.File{k.std[0], k.std[1], k.std[2], theirs, k.claim.Lock, k.claim.Listener, ready},
	}
	k.daemon, err = sys.StartPart(part)
	if err != nil && part.Program != nil {
		k.log.Printf("cannot start the daemon: %v; trying the program that the keeper is", err)
		part.Program = nil
		k.daemon, err = sys.StartPart(part)
	}
	if err != nil {
		return errors.Join(err, ours.Close())
	}
	if k.ready != nil {
		k.ready.Close() // the daemon's now: its end tells the starter
		k.ready = nil
	}
	k.foreign, k.served, k.ending, k.asked, k.answers = nil, false, false, false, false
	k.unit.guards(k.daemon, ours)
	k.listen(ours)
	return nil
}

// listen begins to read a daemon's messages. It takes control.
func (k *keeper) listen(control *os.File) {
	k.control = control
	k.packets = make(chan packet, 4)
	go read(control, k.packets, k.log) // ends with the daemon; guard waits for it
}

func read(control *os.File, packets chan<- packet, logger *log.Logger) {
	defer close(packets)
	err := Receive(control, func(m Message, fd int) error {
		packets <- packet{m, fd}
		return nil
	})
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		logger.Printf("daemon: %v", err)
	}
}

// guard returns the daemon's exit status when it has ended and all its
// messages are read.
func (k *keeper) guard() status {
	for {
		select {
		case p, ok := <-k.packets:
			if !ok {
				k.packets = nil // it closed the socket; its exit follows
				continue
			}
			k.take(p)
		case <-k.unit.due():
			k.sign()
		case sig := <-k.orders:
			k.unit.stopping()
			if err := k.daemon.Signal(sig.(syscall.Signal)); err != nil && !errors.Is(err, os.ErrProcessDone) {
				k.log.Printf("signal daemon: %v", err)
			}
		case <-k.exits:
			if st, ended := k.reap(); ended {
				k.release()
				return st
			}
		case <-k.foreign:
			k.foreign = nil
			k.release()
			return unseen
		}
	}
}

// take handles one message of the daemon.
func (k *keeper) take(p packet) {
	var err error
	switch p.Type {
	case MsgStore:
		if err = k.store.put(p.Message, p.fd); err == nil {
			k.unit.keep(p.Message, p.fd)
			p.fd = -1
		}
	case MsgUpdate:
		if err = k.store.update(p.Message); err == nil {
			k.unit.note(p.Message)
		}
	case MsgDelete:
		k.unit.drop(p.Name)
		k.store.drop(p.Name)
	case MsgAlive:
		k.asked, k.answers = false, true
	case MsgList:
		k.introduce()
		if err = k.store.each(func(m Message, fd int) error { return Send(k.control, m, fd) }); err == nil {
			err = Send(k.control, Message{Type: MsgEnd}, -1)
		}
	case MsgBinary:
		if p.fd < 0 {
			err = errors.New("binary: no descriptor came with it")
			break
		}
		k.binary.Close()
		k.binary = os.NewFile(uintptr(p.fd), "daemon's program")
		p.fd = -1
	case MsgReady:
		k.answers = p.Signs
		k.settle()
	case MsgEnding:
		k.ending = true
		k.unit.stopping()
	default:
		k.answer(Message{Type: MsgUnknown, Of: p.Type})
	}
	Discard(p.fd)
	if err != nil {
		k.log.Printf("daemon: %v", err)
		k.answer(Message{Type: MsgError, Of: p.Type, Name: p.Name})
	}
}

func (k *keeper) answer(m Message) {
	if err := Send(k.control, m, -1); err != nil {
		k.log.Printf("answer daemon: %v", err)
	}
}

// introduce says who the keeper is, to a daemon that another one started or that
// wants to know what outlives it.
func (k *keeper) introduce() {
	if k.unit != nil {
		k.answer(Message{Type: MsgKeeper, PID: os.Getpid(), Unit: true})
	}
}

// sign tells the service manager that the keeper lives, and sees to it that the
// daemon does: one that has not answered since the last time hangs, and is killed.
func (k *keeper) sign() {
	switch {
	case k.asked && k.answers:
		k.log.Print("the daemon gives no sign of life; it is killed")
		k.asked = false
		if err := k.daemon.Signal(syscall.SIGKILL); err != nil {
			k.log.Print(err)
		}
	case k.served && !k.ending && !k.asked:
		k.asked = true
		k.answer(Message{Type: MsgAsk})
	}
	k.unit.alive()
}

// settle notes that the daemon serves: what starting took is not needed again.
func (k *keeper) settle() {
	k.served = true
	k.unit.ready(k.daemon.PID)
	debug.FreeOSMemory()
	if err := sys.DropCode(); err != nil {
		k.log.Print(err)
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
		if k.daemon != nil && k.foreign == nil && pid == k.daemon.PID {
			st, ended = s, true
			continue
		}
		if m, ok := k.store.exited(pid, s); ok {
			k.unit.note(m)
			if k.daemon != nil {
				k.answer(m)
			}
		}
	}
}

// release lets go of a daemon that has ended, once its last words are read.
func (k *keeper) release() {
	// Its end of the socket closed with it; the deadline is for a copy that
	// should not exist.
	_ = k.control.SetReadDeadline(time.Now().Add(time.Second))
	if k.packets != nil {
		for p := range k.packets {
			k.take(p)
		}
		k.packets = nil
	}
	k.unit.guarded()
	k.control.Close()
	k.daemon.Close()
	k.daemon = nil
}

// note says in the log what happened to the daemon, and counts.
func (k *keeper) note(st status) {
	k.short = after(k.short, k.served, st.Signaled() && st.Signal() == syscall.SIGKILL, time.Since(k.started))
	k.log.Printf("the daemon ended %s after %v; it is started again in %v. The apps run on",
		describe(st), time.Since(k.started).Round(time.Millisecond), gap(k.short))
}

// pause waits, reaping; false when told to end meanwhile.
func (k *keeper) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-k.unit.due():
			k.unit.alive()
		case <-k.orders:
			return false
		case <-k.exits:
			k.reap()
		case <-timer.C:
			return true
		}
	}
}
