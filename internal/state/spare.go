package state

import (
	"io"
	"os"

	"github.com/tendproc/tend/internal/sys"
)

// NewSpare makes the memory for Options.Spare.
func NewSpare() (*os.File, error) { return sys.Memory("tend-state", 0) }

// spareLocked puts all into the spare, for lack of a journal. What a Together is
// within is put there at its end.
func (s *Store) spareLocked() {
	if s.o.Spare == nil || s.batch != nil {
		return
	}
	text, err := encodeSnapshot(s.number, s.values)
	if err != nil {
		return
	}
	_ = s.o.Spare.Truncate(0)
	_, _ = s.o.Spare.WriteAt(text, 0) // memory; a part of it counts as nothing
}

// emptySpareLocked says that the files have all again.
func (s *Store) emptySpareLocked() {
	if s.o.Spare != nil {
		_ = s.o.Spare.Truncate(0)
	}
}

// loadSpare takes what a former process could not bring to the disk, if the files
// are those that it had.
func (s *Store) loadSpare() {
	if s.o.Spare == nil {
		return
	}
	text, err := io.ReadAll(io.NewSectionReader(s.o.Spare, 0, 1<<62))
	if err != nil || len(text) == 0 {
		return
	}
	if number, m, err := decodeSnapshot(text); err == nil && number == s.number {
		s.values = m
		s.note("the disk of %s refused the last changes; they are taken from memory", s.dir)
	}
}
