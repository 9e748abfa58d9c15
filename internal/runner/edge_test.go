package runner

import (
	"errors"
	"os"
	"os/user"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/fault"
)

// holder keeps what a Hold is given.
type holder struct {
	mu      sync.Mutex // guards all below
	stored  map[string]bool
	deleted []Key
	refuse  string
}

func (h *holder) Store(k Key, name string, f *os.File) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if name == h.refuse {
		return errors.New("no room")
	}
	if _, err := f.Stat(); err != nil {
		return err
	}
	h.stored[name] = true
	return nil
}

func (h *holder) Delete(k Key) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deleted = append(h.deleted, k)
}

func TestAHolderIsToldBeforeTheFork(t *testing.T) {
	for _, refuse := range []string{"", "channel", "out", "err"} {
		g := newRig(t)
		h := &holder{stored: map[string]bool{}, refuse: refuse}
		g.r.options.Hold = h
		k := g.spawn(g.spec("exit=0"))
		if refuse == "" {
			await[Gone](g, k)
			if want := map[string]bool{"channel": true, "out": true, "err": true}; !cmp.Equal(h.stored, want) {
				t.Errorf("stored %v", h.stored)
			}
		} else {
			await[SpawnFailed](g, k)
		}
		if !slices.Equal(h.deleted, []Key{k}) {
			t.Errorf("refusing %q, deleted %v", refuse, h.deleted)
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
