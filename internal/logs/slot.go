package logs

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

// Output that was read from a pipe and is not on file yet lies in a slot. With
// [Options.Buffer] the slots are in memory that outlives the daemon, and each step
// is noted there first, in one word, so that the next daemon knows what became of
// every byte, wherever this one was killed:
//
//	word       the data area                   died there: what the next one does
//	free       –                               nothing
//	holding    [off,end) is read               goes on with it
//	reading    and want bytes more, or none    none if the mark before which the read
//	                                           stood is still there, else want
//	writing    [off,off+lines) is on its way   the file's size tells how much of it
//	           to the file                     is there; writes the rest
//
// Beside it the word says whether the file ends within a line of this pipe, which
// the pipe may continue then.
//
// A read never takes more than want, which is what the pipe was known to hold, so
// it takes exactly that: nobody else reads. Its pages are touched before, so that
// the kernel copies without a fault and all at once.
type slot struct {
	data     []byte
	head     []byte         // nil in memory that dies with the daemon
	word     *atomic.Uint64 // in head
	off, end int            // what is read and not on file
	begun    bool           // the last that was written is no whole line
	touched  int            // how much of data has pages
}

// A slot in the shared memory is its head, and the data.
const (
	headSize  = 4 << 10
	slotSize  = headSize + bufferSize
	slotCount = 64
)

// Fields of a head, by their place in it. All are noted before the word.
const (
	atWord   = 0
	atPipe   = 8  // inode of the pipe
	atWant   = 16 // of reading
	atMark   = 24 // of reading, markSize bytes
	atTime   = 40 // of writing: what its stamps say
	atBefore = 48 // of writing: size of the file
	atOut    = 56 // of writing: bytes that the file gets
	atFile   = 64 // of writing: inode of the file
	atHow    = 72 // of writing: 1 a newline comes first, 2 it continues a line
	atStamp  = 80 // length and text
	atPath   = 80 + 2 + maxStamp
	maxStamp = 256
	maxPath  = headSize - atPath - 2
	markSize = 16
)

// minRoom is what must be free behind the held for the next read.
const minRoom = 32 << 10

// reached is called at each step, with the file and what is being written to it.
// Tests die there.
var reached = func(step string, fd int, out []byte) {}

// wordState is what a slot's word says.
type wordState uint64

const (
	stateFree wordState = iota
	stateHolding
	stateReading
	stateWriting
)

// begunBit beside a state: the last that was written is no whole line.
const begunBit = 1 << 63

// Places in the data need 18 bits.
const placeBits = 18

func pack(s wordState, off, end, lines int) uint64 {
	return uint64(s)<<(3*placeBits) | uint64(off)<<(2*placeBits) | uint64(end)<<placeBits | uint64(lines)
}

func unpack(w uint64) (s wordState, off, end, lines int) {
	const mask = 1<<placeBits - 1
	w &^= begunBit
	return wordState(w >> (3 * placeBits)), int(w >> (2 * placeBits) & mask), int(w >> placeBits & mask), int(w & mask)
}

func (s *slot) shared() bool { return s.word != nil }

// held is what is read and not on file.
func (s *slot) held() []byte { return s.data[s.off:s.end] }

// idle says that nothing must be remembered.
func (s *slot) idle() bool { return s.off == s.end && !s.begun }

// note sets the word to what is held.
func (s *slot) note() {
	if !s.shared() {
		return
	}
	if s.idle() {
		s.word.Store(0)
	} else {
		s.set(stateHolding, 0)
	}
}

func (s *slot) set(state wordState, lines int) {
	w := pack(state, s.off, s.end, lines)
	if s.begun {
		w |= begunBit
	}
	s.word.Store(w)
}

// room makes room for a read. It is false when what is held is too long to be moved.
func (s *slot) room() bool {
	if len(s.data)-s.end >= minRoom {
		return true
	}
	n := s.end - s.off
	if n > s.off {
		return false
	}
	// The two do not overlap: until the word says so, the old one is whole.
	copy(s.data, s.held())
	s.off, s.end = 0, n
	s.note()
	return true
}

// fill reads once what is there.
func (s *slot) fill(fd int) (n int, err error) {
	to := s.data[s.end:]
	if !s.shared() {
		n, err = sys.ReadOnce(fd, to)
		s.end += n
		return n, err
	}
	want, err := sys.Buffered(fd)
	if err != nil {
		return 0, err
	}
	if want == 0 {
		over, err := sys.Over(fd)
		if err == nil && !over {
			err = syscall.EAGAIN // what came just now is told of again
		}
		return 0, err
	}
	want = min(want, len(to))
	s.mark(want)
	s.set(stateReading, 0)
	reached("to read", -1, nil)
	n, err = sys.ReadOnce(fd, to[:want])
	reached("read", -1, nil)
	s.end += n
	s.note()
	reached("held", -1, nil)
	return n, err
}

// mark prepares the place of a read.
func (s *slot) mark(want int) {
	for ; s.touched < s.end+want; s.touched += 4 << 10 {
		s.data[s.touched] = 0
	}
	s.put(atMark, rand.Uint64())
	s.put(atMark+8, rand.Uint64())
	copy(s.data[s.end:s.end+want], s.head[atMark:atMark+markSize])
	s.put(atWant, uint64(want))
}

// resolve finds out whether a read that was under way has happened. left is how much
// the pipe holds now, -1 if it is gone.
func (s *slot) resolve(left int) {
	want := int(s.get(atWant))
	n := min(want, markSize)
	happened := !bytes.Equal(s.data[s.end:s.end+n], s.head[atMark:atMark+n])
	if left >= 0 && left < want {
		happened = true
	}
	if happened {
		s.end += want
	}
	s.note()
}

// piece is output on its way to a file.
type piece struct {
	lines     int // of the slot's data
	out       int // bytes for the file
	at        time.Time
	before    int64 // size of the file
	inode     uint64
	newline   bool // comes first
	continues bool
}

const (
	howNewline = 1 << iota
	howContinues
)

// writing notes w, before its first byte is written.
func (s *slot) writing(w piece) {
	if !s.shared() {
		return
	}
	how := uint64(0)
	if w.newline {
		how |= howNewline
	}
	if w.continues {
		how |= howContinues
	}
	s.put(atTime, uint64(w.at.UnixNano()))
	s.put(atBefore, uint64(w.before))
	s.put(atOut, uint64(w.out))
	s.put(atFile, w.inode)
	s.put(atHow, how)
	s.set(stateWriting, w.lines)
}

// written says that n bytes of what was held are on file, or lost.
func (s *slot) written(n int) {
	s.begun = n > 0 && s.data[s.off+n-1] != '\n'
	s.off += n
	if s.off == s.end {
		s.off, s.end = 0, 0
	}
	s.note()
}

func (s *slot) put(at int, v uint64) { binary.LittleEndian.PutUint64(s.head[at:], v) }

func (s *slot) get(at int) uint64 { return binary.LittleEndian.Uint64(s.head[at:]) }

func (s *slot) putText(at int, text string) {
	binary.LittleEndian.PutUint16(s.head[at:], uint16(len(text)))
	copy(s.head[at+2:], text)
}

func (s *slot) text(at, most int) string {
	n := min(int(binary.LittleEndian.Uint16(s.head[at:])), most)
	return string(s.head[at+2 : at+2+n])
}

// slots are all there are. Its methods may be called from any goroutine.
type slots struct {
	heap sync.Pool // of *slot, for when there are no more

	mu   sync.Mutex       // guards what follows
	free []*slot          // shared ones, the last used last
	left map[uint64]*slot // of a former daemon, by the pipe's inode
}

// newSlots maps buffer, which may be nil.
func newSlots(buffer *os.File) (*slots, error) {
	all := &slots{heap: sync.Pool{New: func() any { return &slot{data: make([]byte, bufferSize)} }}, left: map[uint64]*slot{}}
	if buffer == nil {
		return all, nil
	}
	mem, err := sys.MapShared(buffer, slotCount*slotSize)
	if err != nil {
		return all, err
	}
	for i := slotCount - 1; i >= 0; i-- {
		one := mem[i*slotSize : (i+1)*slotSize : (i+1)*slotSize]
		s := &slot{head: one[:headSize], data: one[headSize:], word: sys.AtomicWord(one[atWord:])}
		if state, _, _, _ := unpack(s.word.Load()); state == stateFree {
			all.free = append(all.free, s)
			continue
		}
		all.left[s.get(atPipe)] = s
	}
	return all, nil
}

// NewBuffer returns memory for [Options.Buffer].
func NewBuffer() (*os.File, error) { return sys.Memory("tend logs", slotCount*slotSize) }

// take returns a slot for a pipe. It is the caller's until give.
func (all *slots) take(pipe uint64, t Target) *slot {
	if len(t.Path) <= maxPath && len(t.Stamp) <= maxStamp {
		all.mu.Lock()
		n := len(all.free)
		if n > 0 {
			s := all.free[n-1]
			all.free = all.free[:n-1]
			all.mu.Unlock()
			s.put(atPipe, pipe)
			s.putText(atStamp, t.Stamp)
			s.putText(atPath, t.Path)
			return s
		}
		all.mu.Unlock()
	}
	return all.heap.Get().(*slot)
}

// give takes a slot back in which nothing must be remembered.
func (all *slots) give(s *slot) {
	s.off, s.end, s.begun = 0, 0, false
	s.note()
	if !s.shared() {
		all.heap.Put(s)
		return
	}
	if s.touched > minRoom { // a burst is over: its pages are wanted elsewhere
		if sys.DropPages(s.data) == nil {
			s.touched = 0
		}
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.free = append(all.free, s)
}

// claim returns what a former daemon had of a pipe, nil for nothing.
func (all *slots) claim(pipe uint64) *slot {
	all.mu.Lock()
	defer all.mu.Unlock()
	s := all.left[pipe]
	delete(all.left, pipe)
	return s
}

// unclaimed returns what is left of all pipes that nobody claimed.
func (all *slots) unclaimed() (list []*slot) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for pipe, s := range all.left {
		list = append(list, s)
		delete(all.left, pipe)
	}
	return list
}
