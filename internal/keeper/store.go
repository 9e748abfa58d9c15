package keeper

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/tendproc/tend/internal/sys"
)

// entry is a descriptor that outlives the daemon.
type entry struct {
	fd     int // owned
	age    uint64
	pid    int // whose exit is kept; 0 for none
	meta   json.RawMessage
	exited bool
	status status
}

// store holds the entries. It knows nothing of what they are.
type store struct {
	entries map[string]*entry
	pids    map[int]string // of entries that wait for an exit
	age     uint64
}

func newStore() store { return store{entries: map[string]*entry{}, pids: map[int]string{}} }

// put takes fd, unless there is an error.
func (s *store) put(m Message, fd int) error {
	switch {
	case fd < 0:
		return fmt.Errorf("store %q: no descriptor came with it", m.Name)
	case m.Name == "" || len(m.Name) > maxName || len(m.Meta) > MaxMeta:
		return fmt.Errorf("store %.80q: a name has 1 to %d bytes, its meta at most %d", m.Name, maxName, MaxMeta)
	}
	s.age++
	e := &entry{fd: fd, age: s.age, pid: m.PID, meta: m.Meta}
	if old := s.entries[m.Name]; old != nil {
		e.age = old.age
		if old.pid == m.PID { // the same process: what is known of it stays known
			e.exited, e.status = old.exited, old.status
		}
		s.drop(m.Name)
	}
	s.entries[m.Name] = e
	if e.pid != 0 && !e.exited {
		s.pids[e.pid] = m.Name
	}
	return nil
}

func (s *store) update(m Message) error {
	e := s.entries[m.Name]
	if e == nil || len(m.Meta) > MaxMeta {
		return fmt.Errorf("update %.80q: no such entry, or more than %d bytes", m.Name, MaxMeta)
	}
	e.meta = m.Meta
	return nil
}

// drop closes an entry, if there is one.
func (s *store) drop(name string) {
	e := s.entries[name]
	if e == nil {
		return
	}
	delete(s.entries, name)
	if s.pids[e.pid] == name {
		delete(s.pids, e.pid)
	}
	_ = sys.Close(e.fd)
}

func (s *store) clear() {
	for name := range s.entries {
		s.drop(name)
	}
}

// exited notes how a process ended, and returns the message that tells it, if any
// entry is about it.
func (s *store) exited(pid int, st status) (m Message, ok bool) {
	name, ok := s.pids[pid]
	if !ok {
		return m, false
	}
	delete(s.pids, pid)
	e := s.entries[name]
	e.exited, e.status = true, st
	return Message{Type: MsgExited, Name: name, PID: pid, Exited: true, Status: uint32(st)}, true
}

// each calls fn with every entry, the oldest first, until it returns an error.
func (s *store) each(fn func(m Message, fd int) error) error {
	names := slices.SortedFunc(maps.Keys(s.entries), func(a, b string) int {
		return cmp.Compare(s.entries[a].age, s.entries[b].age)
	})
	for _, name := range names {
		e := s.entries[name]
		m := Message{Type: MsgEntry, Name: name, PID: e.pid, Meta: e.meta, Exited: e.exited, Status: uint32(e.status)}
		if err := fn(m, e.fd); err != nil {
			return err
		}
	}
	return nil
}
