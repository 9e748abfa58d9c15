package daemon

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/keeper"
	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/internal/sys"
)

// Link is what a daemon has from its keeper, and what it has given it to keep.
// Its methods may be called from any goroutine.
type Link struct {
	Listener net.Listener // the API's; the daemon closes it

	home  string
	log   func(format string, args ...any)
	lock  *os.File // only held: the home is free when the last process that has it is gone
	api   *os.File // the listener once more, for a next keeper
	ready *os.File
	echo  chan struct{} // has a token when the keeper answered

	mu      sync.Mutex // guards what follows
	control *os.File   // nil while there is no keeper
	parent  int        // the keeper; 0 while there is none
	unit    bool       // what the keeper holds outlives it
	kept    map[string]*kept
	age     uint64
	ending  bool
}

// kept is what was given to the keeper. The descriptor is its giver's.
type kept struct {
	fd   int
	is   sys.FileID // what it was then: nothing else is ever stored under the name
	pid  int
	meta []byte
	age  uint64
}

// Inherit takes over the descriptors that the keeper passed to this process.
// Call it once, before anything else is started.
func Inherit(home string, logf func(format string, args ...any)) (*Link, error) {
	return inherit(home, logf, bequest{
		Control: keeper.DaemonControl, Lock: keeper.DaemonLock, Listener: keeper.DaemonListener, Keeper: os.Getppid(),
	}, os.NewFile(keeper.DaemonReady, "ready"))
}

// inherit takes what b names. ready may be nil.
func inherit(home string, logf func(format string, args ...any), b bequest, ready *os.File) (*Link, error) {
	// They were made for this exec; our own children must not have them.
	if err := sys.CloseOnExecFrom(3); err != nil {
		return nil, err
	}
	l := &Link{home: home, log: logf, ready: ready, parent: b.Keeper, kept: make(map[string]*kept), echo: make(chan struct{}, 1)}
	err := sys.SetNonblock(b.Control)
	l.control = os.NewFile(uintptr(b.Control), "keeper")
	l.lock, l.api = os.NewFile(uintptr(b.Lock), "lock"), os.NewFile(uintptr(b.Listener), "listener")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control socket of the keeper: %w", err), l.Close())
	}
	if b.Keeper != os.Getppid() { // one that a daemon started: see renew
		go reapPart(sys.AttachPart(b.Keeper, -1)) // ends with that keeper
	}
	if l.Listener, err = net.FileListener(l.api); err != nil {
		return nil, errors.Join(fmt.Errorf("listener of the keeper: %w", err), l.Close())
	}
	return l, nil
}

// bequest is what a daemon leaves to the program that it becomes.
type bequest struct {
	Control, Lock, Listener int // descriptors
	Keeper                  int // its pid
}

// Become makes this process the daemon that program is. It returns only with an
// error, and nothing is changed then.
func (l *Link) Become(program *os.File) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.control == nil {
		return errors.New("the keeper is just being replaced")
	}
	return sys.Exec(program, []*os.File{l.control, l.lock, l.api}, func(fds []int) []string {
		b := bequest{Control: fds[0], Lock: fds[1], Listener: fds[2], Keeper: l.parent}
		return []string{os.Args[0], "daemon", "--home", l.home, becomeFlag, b.String()}
	}, os.Environ())
}

// msgEcho is a type that no keeper knows: its answer says that it is there.
const msgEcho = "echo"

// Answers tells whether the keeper does, within d.
func (l *Link) Answers(d time.Duration) bool {
	l.mu.Lock()
	select {
	case <-l.echo: // an answer that came too late once
	default:
	}
	err := l.sendLocked(keeper.Message{Type: msgEcho}, -1)
	there := l.control != nil
	l.mu.Unlock()
	if err != nil || !there {
		return false
	}
	select {
	case <-l.echo:
		return true
	case <-time.After(d):
		return false
	}
}

// Tells says whether the keeper is going to tell how the process pid ended, which it
// has. A process whose keeper died fell to somebody else, and its parent is not to
// be asked. Where the keeper has reaped it, it has told by the time it answers.
func (l *Link) Tells(pid int) bool {
	guard := l.KeeperPID()
	if guard == 0 {
		return false
	}
	if p, err := procs.Get(pid); err == nil && p.PPID == guard {
		return true
	}
	l.Answers(keeperTime)
	return false
}

// KeeperPID returns the keeper's process number, 0 when it is gone.
func (l *Link) KeeperPID() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parent
}

// Outlives tells that what is kept stays kept when the keeper ends too.
func (l *Link) Outlives() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unit
}

// met notes who the keeper is.
func (l *Link) met(m keeper.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parent, l.unit = m.PID, m.Unit
}

// Alive answers a keeper that asked for a sign of life.
func (l *Link) Alive() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sendLocked(keeper.Message{Type: keeper.MsgAlive}, -1)
}

// Store gives the keeper a duplicate of fd under name, and with a pid the task to
// keep how that process ends. When it returns the keeper has it, though this
// process dies at once. fd stays the caller's, who calls Delete before closing it.
// While there is no keeper it is noted, for the next one.
func (l *Link) Store(name string, fd, pid int, meta []byte) error {
	is, err := sys.Identify(fd)
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.age++
	k := &kept{fd: fd, is: is, pid: pid, meta: bytes.Clone(meta), age: l.age}
	l.kept[name] = k
	return l.sendLocked(storeMessage(name, k), fd)
}

func storeMessage(name string, k *kept) keeper.Message {
	return keeper.Message{Type: keeper.MsgStore, Name: name, PID: k.pid, Meta: k.meta}
}

// Update replaces what is kept beside a descriptor.
func (l *Link) Update(name string, meta []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.kept[name]; k != nil {
		k.meta = bytes.Clone(meta)
	}
	return l.sendLocked(keeper.Message{Type: keeper.MsgUpdate, Name: name, Meta: meta}, -1)
}

// Delete says that a descriptor need not be kept any more.
func (l *Link) Delete(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.kept, name)
	return l.sendLocked(keeper.Message{Type: keeper.MsgDelete, Name: name}, -1)
}

// binaryLocked tells the keeper to start the program that this is, the next time.
func (l *Link) binaryLocked() error {
	program, err := os.Open(sys.SelfPath)
	if err != nil {
		return err
	}
	defer program.Close()
	raw, err := program.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = raw.Control(func(fd uintptr) { serr = l.sendLocked(keeper.Message{Type: keeper.MsgBinary}, int(fd)) })
	return errors.Join(err, serr)
}

// sendLocked sends m to the keeper, if there is one. That it is just dying is no
// error: the next one gets all that is noted.
func (l *Link) sendLocked(m keeper.Message, fd int) error {
	if l.control == nil {
		return nil
	}
	err := keeper.Send(l.control, m, fd)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// Entry is what a former daemon gave to the keeper.
type Entry struct {
	keeper.Message
	File *os.File // the caller's
}

// Retrieve returns all that former daemons stored and did not delete, the oldest
// first. Call it before Run. exited is called for each end that is told meanwhile.
func (l *Link) Retrieve(exited func(keeper.Message)) (list []Entry, err error) {
	l.mu.Lock()
	control := l.control
	err = l.sendLocked(keeper.Message{Type: keeper.MsgList}, -1)
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	end := errors.New("the end of the list")
	err = keeper.Receive(control, func(m keeper.Message, fd int) error {
		switch m.Type {
		case keeper.MsgEntry:
			list = append(list, Entry{m, os.NewFile(uintptr(fd), m.Name)})
			return nil
		case keeper.MsgEnd, keeper.MsgUnknown: // an older keeper has no list
			return end
		case keeper.MsgExited:
			exited(m)
		case keeper.MsgKeeper:
			l.met(m)
		}
		keeper.Discard(fd)
		return nil
	})
	if errors.Is(err, end) {
		return list, nil
	}
	if err == nil {
		l.log("the keeper ended before it had told all that it holds")
	}
	return list, err
}

// Handlers are called by Run.
type Handlers struct {
	Exited func(keeper.Message) // of a process that a descriptor was stored with
	Gone   func()               // the keeper is gone; another one is there, or on its way
	Asked  func()               // for a sign of life; must not block
}

// Run takes the keeper's messages until ctx ends. When the keeper dies it starts
// another and gives it all that is kept.
func (l *Link) Run(ctx context.Context, h Handlers) error {
	for pause := firstPause; ; {
		l.listen(ctx, h)
		if ctx.Err() != nil {
			return nil
		}
		l.lose()
		l.log("the keeper is gone; starting another")
		h.Gone()
		for {
			err := l.renew()
			if err == nil {
				pause = firstPause
				break
			}
			l.log("start a keeper: %v; trying again in %v", err, pause)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
			pause = min(2*pause, lastPause)
		}
	}
}

// Pauses between tries to start a keeper.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = time.Minute
)

// listen takes messages until the keeper is gone.
func (l *Link) listen(ctx context.Context, h Handlers) {
	l.mu.Lock()
	control := l.control
	l.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { _ = control.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err := keeper.Receive(control, func(m keeper.Message, fd int) error {
		keeper.Discard(fd)
		switch {
		case m.Type == keeper.MsgUnknown && m.Of == msgEcho:
			select {
			case l.echo <- struct{}{}:
			default:
			}
			return nil
		}
		switch m.Type {
		case keeper.MsgExited:
			h.Exited(m)
		case keeper.MsgKeeper:
			l.met(m)
			h.Gone() // the one before
		case keeper.MsgAsk:
			h.Asked()
		case keeper.MsgUnknown, keeper.MsgError:
			l.log("the keeper does not take %s %s", m.Of, m.Name)
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		l.log("listen to the keeper: %v", err)
	}
}

// lose lets go of a keeper that is gone.
func (l *Link) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.control.Close()
	l.control, l.parent, l.unit = nil, 0, false
}

// renew starts a keeper and stores everything with it.
func (l *Link) renew() error {
	ours, theirs, err := sys.PacketPair("keeper")
	if err != nil {
		return err
	}
	defer theirs.Close()
	self, err := sys.SelfPidFD()
	if err != nil {
		return errors.Join(err, ours.Close())
	}
	defer self.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return errors.Join(err, ours.Close())
	}
	defer null.Close()
	p, err := sys.StartPart(sys.Part{
		Argv:  []string{os.Args[0], "keeper", "--home", l.home, "--daemon", strconv.Itoa(os.Getpid())},
		Env:   cleanEnv(os.Environ()),
		Files: []*os.File{null, os.Stdout, os.Stderr, theirs, l.lock, l.api, self}, Session: true,
	})
	if err != nil {
		return errors.Join(err, ours.Close())
	}
	go reapPart(p) // ends with that keeper
	l.mu.Lock()
	defer l.mu.Unlock()
	l.control, l.parent = ours, p.PID
	if err := l.storeAllLocked(); err != nil {
		return errors.Join(err, ours.Close(), p.Signal(syscall.SIGKILL))
	}
	return nil
}

// storeAllLocked gives a new keeper all that the old one had. What was closed
// without a Delete is left out.
func (l *Link) storeAllLocked() error {
	names := slices.SortedFunc(maps.Keys(l.kept), func(a, b string) int { return cmp.Compare(l.kept[a].age, l.kept[b].age) })
	for _, name := range names {
		k := l.kept[name]
		if is, err := sys.Identify(k.fd); err != nil || is != k.is {
			delete(l.kept, name)
			continue
		}
		if err := keeper.Send(l.control, storeMessage(name, k), k.fd); err != nil {
			return fmt.Errorf("store %s: %w", name, err)
		}
	}
	if l.ending {
		return l.sendLocked(keeper.Message{Type: keeper.MsgEnding}, -1)
	}
	return keeper.Send(l.control, keeper.Message{Type: keeper.MsgReady, Signs: true}, -1)
}

func reapPart(p *sys.PartProcess) {
	defer p.Close()
	if fd, err := sys.OpenPidFD(p.PID); err == nil {
		_, _ = fd.Wait()
		fd.Close()
	}
}

// Ready tells keeper and starter that the daemon serves, or why it does not.
func (l *Link) Ready(err error) error {
	if err == nil {
		l.mu.Lock()
		err := l.sendLocked(keeper.Message{Type: keeper.MsgReady, Signs: true}, -1)
		if err == nil && l.ready == nil { // one that was upgraded: it has proved itself
			err = l.binaryLocked()
		}
		l.mu.Unlock()
		if err != nil {
			return err
		}
	}
	if l.ready == nil {
		return nil
	}
	return keeper.SayReady(l.ready, keeper.ReadyWord, err)
}

// Ending tells the keeper that the daemon ends on purpose.
func (l *Link) Ending() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ending = true
	return l.sendLocked(keeper.Message{Type: keeper.MsgEnding}, -1)
}

// Close releases what was inherited, the listener apart.
func (l *Link) Close() error {
	if l.ready != nil {
		l.ready.Close() // mostly closed by Ready
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err := errors.Join(l.lock.Close(), l.api.Close())
	if l.control != nil {
		err = errors.Join(err, l.control.Close())
	}
	return err
}
