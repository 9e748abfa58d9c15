package runner

import (
	"errors"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/sys"
)

// holder keeps what a Hold is given.
type holder struct {
	mu     sync.Mutex // guards what follows
	stored []string
	held   map[string]Held
	refuse string
}

func (h *holder) Store(name string, fd, pid int, meta []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	what := name[strings.LastIndexByte(name, '/')+1:]
	if what == h.refuse {
		return errors.New("no room")
	}
	dup, err := sys.Dup(fd)
	if err != nil {
		return err
	}
	if old, ok := h.held[name]; ok {
		old.File.Close()
	} else {
		h.stored = append(h.stored, what)
	}
	if h.held == nil {
		h.held = map[string]Held{}
	}
	h.held[name] = Held{Name: name, PID: pid, Meta: slices.Clone(meta), File: os.NewFile(uintptr(dup), name)}
	return nil
}

func (h *holder) Update(name string, meta []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.held[name]
	if !ok {
		return errors.New("update of nothing")
	}
	e.Meta = slices.Clone(meta)
	h.held[name] = e
	return nil
}

func (h *holder) Delete(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e, ok := h.held[name]; ok {
		e.File.Close()
		delete(h.held, name)
	}
	return nil
}

// names lists what is held.
func (h *holder) names() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.held))
}

// give hands over copies of all that is held.
func (h *holder) give(t *testing.T) (list []Held) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.held {
		f, err := sys.DupFile(e.File)
		if err != nil {
			t.Fatal(err)
		}
		e.File = f
		list = append(list, e)
	}
	return list
}

func TestAHolderIsToldBeforeTheFork(t *testing.T) {
	for _, refuse := range []string{"", "channel", "out", "err", "stdin"} {
		g := newRig(t)
		h := &holder{refuse: refuse}
		g.r.options.Hold = h
		k := g.spawn(g.spec("exit=0"))
		if refuse == "" {
			await[Gone](g, k)
			if want := []string{"out", "err", "channel", "stdin", "process"}; !slices.Equal(h.stored, want) {
				t.Errorf("stored %v", h.stored)
			}
		} else {
			await[SpawnFailed](g, k)
		}
		if left := h.names(); len(left) > 0 {
			t.Errorf("refusing %q, %v is left", refuse, left)
		}
	}
}

func TestAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can start a process as another user")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	g := newRig(t)
	uid := 65534
	a := g.spec()
	a.Script, a.Shell, a.Interpreter, a.UID, a.Cwd = "id -u; echo $HOME $USER", true, "/bin/sh", &uid, "/"
	log := await[Gone](g, g.spawn(a)).Log
	if nobody.Uid != "65534" || !cmp.Equal(log, []string{"65534", nobody.HomeDir + " nobody"}) {
		t.Errorf("log %q", log)
	}
}

func TestWhatTheSystemRefuses(t *testing.T) {
	g := newRig(t)
	for _, err := range []error{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE} {
		f, ok := errors.AsType[*fault.Error](systemFault(g.spec(), os.NewSyscallError("fork", err)))
		if !ok || f.Code != fault.StartFailed || f.Remedy == "" || !errors.Is(f, err) || !strings.HasPrefix(f.Error(), "spawn a: ") {
			t.Errorf("%v: %#v", err, f)
		}
	}
	own := &fault.Error{Code: fault.Denied}
	if got := systemFault(g.spec(), own); got != error(own) {
		t.Errorf("a coded error became %v", got)
	}
}

func TestManyLivesAtOnceLeaveNothing(t *testing.T) {
	g := newRig(t)
	const n = 40
	for i := range n {
		a := g.spec("out=x", "say=\"ready\"", "wait")
		a.Name = "many"
		g.r.Spawn(Spawn{Key: Key{ID: i}, App: a, Index: i})
	}
	for i := range n {
		await[Ready](g, Key{ID: i})
	}
	for i := range n {
		if i%2 == 0 {
			g.r.Terminate(Key{ID: i})
		} else {
			g.r.Kill(Key{ID: i})
		}
	}
	for i := range n {
		await[Gone](g, Key{ID: i})
	}
	g.r.mu.Lock()
	defer g.r.mu.Unlock()
	if len(g.r.lives) != 0 || len(g.r.workers) != 0 || len(g.r.channels.open) != 0 {
		t.Errorf("left: %d lives, %d workers, %d channels", len(g.r.lives), len(g.r.workers), len(g.r.channels.open))
	}
}
