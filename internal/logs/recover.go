package logs

import (
	"errors"
	"os"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

// recover finishes the writes that a former daemon died in. It comes before
// anything else is written: the sizes of the files tell how far they were.
func (s *Store) recover() {
	s.slots.mu.Lock()
	defer s.slots.mu.Unlock()
	for _, sl := range s.slots.left {
		state, off, end, lines := unpack(sl.word.Load())
		if end > len(sl.data) || off > end || off+lines > end {
			off, end, lines = 0, 0, 0
			state = stateHolding
		}
		sl.off, sl.end, sl.touched = off, end, len(sl.data)
		sl.begun = sl.word.Load()&begunBit != 0
		switch state {
		case stateWriting:
			s.report(sl.finish(lines))
			sl.written(lines)
		case stateFree, stateHolding, stateReading: // see Stream.Adopt and Settle
		}
	}
}

// reading says that the daemon died in a read, or just before or after it.
func (s *slot) reading() bool {
	state, _, _, _ := unpack(s.word.Load())
	return state == stateReading
}

// finish writes what is missing of a write.
func (s *slot) finish(lines int) error {
	f, err := openAppend(s.text(atPath, maxPath), false)
	if err != nil {
		return err
	}
	defer f.Close()
	id, err := sys.IdentifyFile(f)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	out := s.formatted(lines)
	done := info.Size() - int64(s.get(atBefore))
	if id.Ino != s.get(atFile) || done < 0 {
		done = 0 // another file has the name now
	}
	if len(out) != int(s.get(atOut)) && done > 0 {
		return nil // a note of lost lines stood before it: what there is, is there
	}
	if done >= int64(len(out)) {
		return nil
	}
	_, err = f.Write(out[done:])
	return err
}

// formatted is what a write was to put into the file.
func (s *slot) formatted(lines int) []byte {
	how := s.get(atHow)
	var out []byte
	if how&howNewline != 0 {
		out = append(out, '\n')
	}
	text := s.data[s.off : s.off+lines]
	if format := s.text(atStamp, maxStamp); format != "" {
		at := time.Unix(0, int64(s.get(atTime)))
		return newStamper(format).lines(out, text, at, how&howContinues != 0)
	}
	return append(out, text...)
}

// Settle writes what a former daemon had read of pipes that nobody adopted. Call it
// when all are adopted that will be.
func (s *Store) Settle() {
	for _, sl := range s.slots.unclaimed() {
		if sl.reading() {
			sl.resolve(-1)
		}
		if sl.off < sl.end {
			s.report(sl.flush())
		}
		s.slots.give(sl)
	}
}

// flush appends what is held, as whole lines.
func (s *slot) flush() error {
	path := s.text(atPath, maxPath)
	if path == Null {
		return nil
	}
	f, err := openAppend(path, false)
	if err != nil {
		return err
	}
	defer f.Close()
	text := s.held()
	if text[len(text)-1] != '\n' {
		text = append(text[:len(text):len(text)], '\n')
	}
	if format := s.text(atStamp, maxStamp); format != "" {
		text = newStamper(format).lines(nil, text, time.Now(), false)
	}
	_, err = f.Write(text)
	return err
}

// inherit gives p what a former daemon had of its pipe. It needs p.mu held.
func (p *Pipe) inherit() error {
	sl := p.stream.store.slots.claim(p.inode)
	if sl == nil {
		return nil
	}
	if sl.reading() {
		left, err := sys.Buffered(p.fd)
		if err != nil {
			left = -1
		}
		sl.resolve(left)
	}
	if sl.begun {
		sl.begun = false
		if size, err := sizeOf(p.stream.target.Path); err == nil && size == int64(sl.get(atBefore)+sl.get(atOut)) {
			sl.begun = true
			p.stream.file.resume(p)
		}
	}
	p.slot = sl
	return nil
}

func sizeOf(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
