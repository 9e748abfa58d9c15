package keeper

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

// unit is what the manager of a unit is told, and given to keep: a copy of each
// descriptor that the keeper has, and notes of what they are. So the manager can
// start the next keeper, or the unit anew, and nothing is lost. Its methods do
// nothing where the unit is nil, and say in the log what went wrong.
//
//	keeper ── READY=1, WATCHDOG=1, STOPPING=1 ─► manager
//	keeper ── FDSTORE=1 FDNAME=tend-N + fd ────► manager
//	keeper ── FDSTOREREMOVE=1 FDNAME=tend-N ───► manager
//	manager ── LISTEN_FDS, LISTEN_FDNAMES ─────► next keeper
type unit struct {
	*System
	log   *log.Logger
	ticks *time.Ticker    // nil: no sign of life is asked for
	held  map[string]held // by the names of the keeper's store, and those below
	last  uint64          // number given to a descriptor
	notes notes
}

// held is a descriptor that the manager has.
type held struct {
	number uint64
	is     sys.FileID
}

// notes are lines of JSON in memory that the manager has too.
type notes struct {
	file   *os.File // nil: nothing is kept
	number uint64
	size   int64
	fresh  int64 // its size when it was made
}

// What the keeper itself has, beside the store.
const (
	ownLock     = "keeper/lock"
	ownListener = "keeper/listener"
	ownControl  = "keeper/control"
	ownDaemon   = "keeper/daemon"
)

// The names of descriptors at the manager are numbers behind one of these.
const (
	fdPrefix    = "tend-"
	notesPrefix = "tend-notes-"
)

// newUnit begins to keep, and returns what former keepers had, in the order in
// which it came to them.
func newUnit(m *System, logger *log.Logger) (*unit, []left) {
	if m == nil {
		return nil, nil
	}
	u := &unit{System: m, log: logger, held: map[string]held{}}
	if m.Every > 0 {
		u.ticks = time.NewTicker(m.Every / 2)
	}
	had := u.retrieve()
	if u.notes.file == nil {
		u.renew(nil)
	}
	return u, had
}

// left is an entry of a former keeper.
type left struct {
	note
	file *os.File
}

// retrieve takes what the manager gave back. What the newest notes do not know is
// of no use to anybody.
func (u *unit) retrieve() (had []left) {
	files := map[uint64]*os.File{}
	for _, p := range u.passed {
		if number, ok := numbered(p.name, notesPrefix); ok && number > u.notes.number {
			u.discard(notesPrefix, u.notes.number, u.notes.file)
			u.notes = notes{file: p.file, number: number}
		} else if ok {
			u.discard(notesPrefix, number, p.file)
		} else if number, ok := numbered(p.name, fdPrefix); ok && files[number] == nil {
			files[number] = p.file
		} else {
			p.file.Close()
		}
	}
	u.passed = nil
	text := u.notes.read()
	u.notes.size, u.notes.fresh = int64(len(text)), int64(len(text))
	for _, n := range replay(text) {
		u.last = max(u.last, n.FD)
		file := files[n.FD]
		delete(files, n.FD)
		if file == nil {
			continue // the former keeper ended just before it gave it
		}
		is, err := sys.IdentifyFile(file)
		if err != nil {
			u.complain(err)
		}
		u.held[n.Name] = held{n.FD, is}
		had = append(had, left{n, file})
	}
	for number, file := range files {
		u.last = max(u.last, number)
		u.discard(fdPrefix, number, file)
	}
	return had
}

// numbered reads a name at the manager.
func numbered(name, prefix string) (number uint64, ok bool) {
	text, ok := strings.CutPrefix(name, prefix)
	number, err := strconv.ParseUint(text, 10, 64)
	return number, ok && err == nil
}

func (u *unit) discard(prefix string, number uint64, file *os.File) {
	if file != nil {
		file.Close()
		u.say(-1, "FDSTOREREMOVE=1", fmt.Sprintf("FDNAME=%s%d", prefix, number))
	}
}

func (n notes) read() []byte {
	if n.file == nil {
		return nil
	}
	text, err := io.ReadAll(io.NewSectionReader(n.file, 0, 1<<40))
	if err != nil {
		return nil
	}
	return text[:whole(text)]
}

// maxNotes is how long notes become before they are written anew.
const maxNotes = 1 << 20

// renew begins new notes with text, and has the manager forget the old ones.
func (u *unit) renew(text []byte) {
	old := u.notes
	file, err := sys.Memory("tend notes", 0)
	if err == nil {
		_, err = file.Write(text)
	}
	if err != nil {
		u.complain(fmt.Errorf("what the keeper holds dies with it: %w", err))
		return
	}
	u.notes = notes{file: file, number: old.number + 1, size: int64(len(text)), fresh: int64(len(text))}
	u.give(file, notesPrefix, u.notes.number)
	u.discard(notesPrefix, old.number, old.file)
}

// note notes a message about an entry: what replay makes of all of them is what is held.
func (u *unit) note(m Message) { u.write(note{Message: m}) }

func (u *unit) write(n note) {
	if u == nil || u.notes.file == nil {
		return
	}
	line, err := json.Marshal(n)
	if err == nil {
		line = append(line, '\n')
		_, err = u.notes.file.WriteAt(line, u.notes.size)
	}
	if err != nil {
		u.complain(err)
		return
	}
	if u.notes.size += int64(len(line)); u.notes.size > max(maxNotes, 2*u.notes.fresh) {
		u.renew(written(replay(u.notes.read())))
	}
}

// keep gives the manager a copy of fd under m's name, in place of what has the name.
func (u *unit) keep(m Message, fd int) {
	if u == nil || u.notes.file == nil {
		return
	}
	m.Type = MsgStore
	is, err := sys.Identify(fd)
	if err != nil {
		u.complain(err)
		return
	}
	old, had := u.held[m.Name]
	if had && old.is == is { // it has that one; a manager takes none twice
		u.write(note{m, old.number})
		return
	}
	u.last++
	u.held[m.Name] = held{u.last, is}
	u.write(note{m, u.last})
	u.say(fd, "FDSTORE=1", fmt.Sprintf("FDNAME=%s%d", fdPrefix, u.last), "FDPOLL=0")
	if had {
		u.say(-1, "FDSTOREREMOVE=1", fmt.Sprintf("FDNAME=%s%d", fdPrefix, old.number))
	}
}

// give is keep for a file.
func (u *unit) give(f *os.File, prefix string, number uint64) {
	raw, err := f.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			u.say(int(fd), "FDSTORE=1", fmt.Sprintf("FDNAME=%s%d", prefix, number), "FDPOLL=0")
		})
	}
	if err != nil {
		u.complain(err)
	}
}

func (u *unit) keepFile(name string, f *os.File) {
	if u == nil {
		return
	}
	raw, err := f.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { u.keep(Message{Name: name}, int(fd)) })
	}
	if err != nil {
		u.complain(err)
	}
}

// drop has the manager let go of what has the name, if anything has.
func (u *unit) drop(names ...string) {
	if u == nil {
		return
	}
	for _, name := range names {
		if old, ok := u.held[name]; ok {
			delete(u.held, name)
			u.note(Message{Type: MsgDelete, Name: name})
			u.say(-1, "FDSTOREREMOVE=1", fmt.Sprintf("FDNAME=%s%d", fdPrefix, old.number))
		}
	}
}

// guards says that daemon runs, with its control socket.
func (u *unit) guards(daemon *sys.PartProcess, control *os.File) {
	if u == nil || daemon.FD() < 0 {
		return
	}
	u.keepFile(ownControl, control)
	u.keep(Message{Name: ownDaemon, PID: daemon.PID}, daemon.FD())
}

// guarded says that it has ended.
func (u *unit) guarded() { u.drop(ownDaemon, ownControl) }

func (u *unit) ready(daemon int) {
	u.say(-1, "READY=1", fmt.Sprintf("MAINPID=%d", os.Getpid()), fmt.Sprintf("STATUS=daemon %d serves", daemon))
}

func (u *unit) stopping() { u.say(-1, "STOPPING=1", "STATUS=stopping the apps") }

func (u *unit) alive() { u.say(-1, "WATCHDOG=1") }

// due is when the next sign of life is.
func (u *unit) due() <-chan time.Time {
	if u == nil || u.ticks == nil {
		return nil
	}
	return u.ticks.C
}

func (u *unit) say(fd int, lines ...string) {
	if u == nil {
		return
	}
	if err := u.Say(fd, lines...); err != nil {
		u.complain(err)
	}
}

func (u *unit) complain(err error) { u.log.Printf("service manager: %v", err) }

// forsake has the manager let go of everything.
func (u *unit) forsake() error {
	if u == nil {
		return nil
	}
	u.drop(slices.Collect(maps.Keys(u.held))...)
	return u.close()
}

// close gives up what is the keeper's own. What is stored stays with the manager,
// for as long as that has the unit.
func (u *unit) close() error {
	if u == nil {
		return nil
	}
	u.drop(ownDaemon, ownControl, ownListener, ownLock)
	if u.ticks != nil {
		u.ticks.Stop()
	}
	if u.notes.file == nil {
		return nil
	}
	return u.notes.file.Close()
}
