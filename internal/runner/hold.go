package runner

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/logs"
)

// Hold keeps duplicates of descriptors over this process's death. Its methods
// may be called from any goroutine.
type Hold interface {
	// Store keeps what fd is under name, before anybody else has the other end.
	// With a pid, how that process ends is kept, too. fd stays the caller's.
	Store(name string, fd, pid int, meta []byte) error
	Update(name string, meta []byte) error
	// Delete is called before the descriptor is closed.
	Delete(name string) error
}

// Held is what a [Hold] gives back.
type Held struct {
	Name string
	PID  int
	Meta []byte
	File *os.File
}

// What is held of a life, under "life/ID/GEN/" and one of these.
const (
	heldPrefix  = "life/"
	heldOut     = "out"
	heldErr     = "err"
	heldChannel = "channel"
	heldInput   = "stdin"
	heldProcess = "process"
	heldNotify  = "notify"
	heldUnsent  = "unsent"
	heldUnread  = "unread"
)

// Takes tells whether what is held under name is a Runner's.
func Takes(name string) bool {
	return strings.HasPrefix(name, heldPrefix) || strings.HasPrefix(name, socketPrefix)
}

// ProcessOf returns whose process is held under name.
func ProcessOf(name string) (k Key, ok bool) {
	k, what, ok := parseName(name)
	return k, ok && what == heldProcess
}

func (k Key) heldName(what string) string {
	return heldPrefix + strconv.Itoa(k.ID) + "/" + strconv.FormatUint(k.Gen, 10) + "/" + what
}

func parseName(name string) (k Key, what string, ok bool) {
	rest, ok := strings.CutPrefix(name, heldPrefix)
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 3 {
		return k, "", false
	}
	id, err := strconv.Atoi(parts[0])
	gen, gerr := strconv.ParseUint(parts[1], 10, 64)
	return Key{id, gen}, parts[2], errors.Join(err, gerr) == nil
}

// channelMeta is kept beside the channel, so before there is a process.
type channelMeta struct {
	Worker uint64 `json:"worker,omitempty"`
	Tree   string `json:"tree"`
	Ready  bool   `json:"ready,omitempty"` // it is
	Said   bool   `json:"said,omitempty"`  // that it is ready, and is yet to be probed
	Drains bool   `json:"drains,omitempty"`
	Tells  bool   `json:"tells,omitempty"` // it was started with the metrics
}

func (l *life) channelMeta() any {
	return channelMeta{Worker: l.worker, Tree: l.tree, Ready: l.ready.Load(), Said: l.said.Load(), Drains: l.drains.Load(), Tells: l.tells}
}

func newTree() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (l *life) hold(what string, f *os.File, meta any) error {
	if l.r.options.Hold == nil || f == nil {
		return nil
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var herr error
	err = raw.Control(func(fd uintptr) { herr = l.holdFD(what, int(fd), 0, meta) })
	return errors.Join(err, herr)
}

// holdOutput keeps a pipe of the process's output and, when the logs are frozen,
// the line that it is within.
func (l *life) holdOutput(what string, p *logs.Pipe) error {
	if l.r.options.Hold != nil {
		p.OnFreeze(func(u logs.Unfinished) {
			if text, err := json.Marshal(u); err == nil {
				_ = l.r.options.Hold.Update(l.spawn.Key.heldName(what), text)
			}
		})
	}
	return l.hold(what, p.ReadEnd(), nil)
}

func (l *life) holdFD(what string, fd, pid int, meta any) error {
	if l.r.options.Hold == nil {
		return nil
	}
	text, err := json.Marshal(meta)
	if err == nil {
		err = l.r.options.Hold.Store(l.spawn.Key.heldName(what), fd, pid, text)
	}
	if err != nil {
		return fmt.Errorf("keep %s of %s: %w", what, l.spawn.App.Name, err)
	}
	return nil
}

// holdProcess keeps the process itself. Where that fails it can still be found
// by its tree's marker.
func (l *life) holdProcess(proc *child.Process) {
	if l.r.options.Hold == nil {
		return
	}
	_ = proc.Control(func(pidfd int) { _ = l.holdFD(heldProcess, pidfd, proc.PID(), proc.Identity()) })
}

// noteSaid keeps what the process said of itself.
func (l *life) noteSaid() {
	if l.r.options.Hold == nil {
		return
	}
	if text, err := json.Marshal(l.channelMeta()); err == nil {
		_ = l.r.options.Hold.Update(l.spawn.Key.heldName(heldChannel), text)
	}
}

// spool keeps the long message that is being sent to a process, or received from it.
type spool struct {
	*life
	what string
}

func (s spool) Keep(f *os.File) error { return s.hold(s.what, f, nil) }

func (s spool) Drop() { s.unholdOne(s.what) }

func (l *life) unholdOne(what string) {
	if l.r.options.Hold != nil {
		_ = l.r.options.Hold.Delete(l.spawn.Key.heldName(what))
	}
}

// unhold says that nothing of this life is needed any more.
func (l *life) unhold() {
	for _, what := range []string{heldProcess, heldChannel, heldOut, heldErr, heldInput, heldNotify, heldUnsent, heldUnread} {
		l.unholdOne(what)
	}
}

// heldLife is what a former runner left of a life.
type heldLife struct {
	meta  channelMeta
	id    child.Identity // of the process; PID 0 if it is not known
	files map[string]*os.File
	stray bool // nothing is held of it, but it runs

	unfinished map[string]logs.Unfinished // by what is held
}

func (h *heldLife) close() {
	for _, f := range h.files {
		f.Close()
	}
}

// take gives a file to the caller.
func (h *heldLife) take(what string) *os.File {
	f := h.files[what]
	delete(h.files, what)
	return f
}

// heldLives puts what was held together again. What cannot be read is closed.
func heldLives(list []Held) map[Key]*heldLife {
	lives := make(map[Key]*heldLife)
	for _, e := range list {
		k, what, ok := parseName(e.Name)
		h := lives[k]
		if ok && h == nil {
			h = &heldLife{files: make(map[string]*os.File), unfinished: make(map[string]logs.Unfinished)}
			lives[k] = h
		}
		var err error
		switch {
		case !ok:
			err = os.ErrInvalid
		case what == heldChannel:
			err = json.Unmarshal(e.Meta, &h.meta)
		case what == heldProcess:
			err = json.Unmarshal(e.Meta, &h.id)
		case what == heldOut || what == heldErr:
			var u logs.Unfinished
			if json.Unmarshal(e.Meta, &u) == nil { // else that of a version that has none
				h.unfinished[what] = u
			}
		}
		if err != nil {
			e.File.Close()
			continue
		}
		h.files[what] = e.File
	}
	return lives
}
