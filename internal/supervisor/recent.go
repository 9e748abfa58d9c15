package supervisor

import (
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/sys"
)

// The memory of [Recent]: a head of one page, and a ring of records. A position
// counts all bytes ever written, so it never comes again; a record lies at its
// position modulo the ring's size.
const (
	recentHead = 4 << 10
	recentRing = 1 << 20
	recentSize = recentHead + recentRing

	// recentMost is the longest message that is kept: others go before it.
	recentMost = recentRing / 4

	atBirth  = 0  // when the memory was made: a cursor of another one is of no use
	atOldest = 8  // position of the first record that is whole
	atEnd    = 16 // position after the last
)

// A record is its head, the message, and zeros up to a multiple of 8. The
// position in the head tells a record from what else lies there.
const (
	recordAt   = 0  // its position
	recordTime = 8  // nanoseconds since 1970
	recordID   = 16 // of the instance
	recordSize = 20 // of the message
	recordHead = 24
)

// Recent keeps the last messages that processes sent, for observers that come
// back: in memory that the next daemon maps too, and written before a message is
// gone from its channel. So what an observer misses while it has no daemon is
// there when it has one again.
//
// A record is whole when the end in the head has moved past it, and what is
// overwritten is given up there before: wherever the writer dies, the ring is sound.
type Recent struct {
	mu          sync.Mutex // guards mem: one writer
	mem         []byte     // the ring
	birth       uint64
	oldest, end *atomic.Uint64
}

// NewRecent returns the memory of a Recent: 1 MiB, of which only what is written costs.
func NewRecent() (*os.File, error) { return sys.Memory("tend-messages", recentSize) }

// OpenRecent takes over what is in f, which it does not need to stay open.
func OpenRecent(f *os.File) (*Recent, error) {
	mem, err := sys.MapShared(f, recentSize)
	if err != nil {
		return nil, err
	}
	birth := sys.AtomicWord(mem[atBirth:])
	birth.CompareAndSwap(0, uint64(time.Now().UnixMicro()))
	r := &Recent{
		mem: mem[recentHead:], birth: birth.Load(),
		oldest: sys.AtomicWord(mem[atOldest:]), end: sys.AtomicWord(mem[atEnd:]),
	}
	if end, oldest := r.end.Load(), r.oldest.Load(); oldest > end || end-oldest > recentRing {
		return nil, errors.New("the kept messages are damaged")
	}
	return r, nil
}

// kept is a record.
type kept struct {
	id   int
	at   time.Time
	data []byte
	end  uint64 // the position after it
}

// put keeps a message, and calls then with the position after it before anybody
// else can put one. A nil Recent keeps nothing.
func (r *Recent) put(k runner.Key, data []byte, then func(end uint64)) {
	if r == nil {
		then(0)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	end := r.end.Load()
	if len(data) <= recentMost {
		end = r.write(end, k.ID, data)
	}
	then(end)
}

func (r *Recent) write(at uint64, id int, data []byte) (end uint64) {
	end = at + recordLen(len(data))
	for oldest := r.oldest.Load(); end-oldest > recentRing; {
		if rec, _, ok := r.head(oldest, at); ok {
			oldest = rec.end
		} else {
			oldest = at // it was damaged: give up all
		}
		r.oldest.Store(oldest)
	}
	var head [recordHead]byte
	binary.NativeEndian.PutUint64(head[recordAt:], at)
	binary.NativeEndian.PutUint64(head[recordTime:], uint64(time.Now().UnixNano()))
	binary.NativeEndian.PutUint32(head[recordID:], uint32(id))
	binary.NativeEndian.PutUint32(head[recordSize:], uint32(len(data)))
	r.copyIn(at, head[:])
	r.copyIn(at+recordHead, data)
	r.end.Store(end)
	return end
}

// since calls fn with the records that end after the position, up to until. It
// returns whether those are all there were. The data is fn's.
func (r *Recent) since(after, until uint64, fn func(kept)) (all bool) {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := r.oldest.Load()
	all = after >= oldest && after <= until
	for at := max(after, oldest); at < until; {
		rec, ok := r.read(at, until)
		if !ok {
			return false
		}
		fn(rec)
		at = rec.end
	}
	return all
}

// head reads the head of the record at a position, if one is there that ends by end.
func (r *Recent) head(at, end uint64) (rec kept, size int, ok bool) {
	if end-at < recordHead {
		return rec, 0, false
	}
	var head [recordHead]byte
	r.copyOut(head[:], at)
	size = int(binary.NativeEndian.Uint32(head[recordSize:]))
	if binary.NativeEndian.Uint64(head[recordAt:]) != at || size > recentMost || recordLen(size) > end-at {
		return rec, 0, false
	}
	rec.id = int(binary.NativeEndian.Uint32(head[recordID:]))
	rec.at = time.Unix(0, int64(binary.NativeEndian.Uint64(head[recordTime:])))
	rec.end = at + recordLen(size)
	return rec, size, true
}

func (r *Recent) read(at, end uint64) (kept, bool) {
	rec, size, ok := r.head(at, end)
	if ok {
		rec.data = make([]byte, size)
		r.copyOut(rec.data, at+recordHead)
	}
	return rec, ok
}

func recordLen(size int) uint64 { return uint64(recordHead+size+7) &^ 7 }

func (r *Recent) copyIn(at uint64, data []byte) {
	n := copy(r.mem[at%recentRing:], data)
	copy(r.mem, data[n:])
}

func (r *Recent) copyOut(dst []byte, at uint64) {
	n := copy(dst, r.mem[at%recentRing:])
	copy(dst[n:], r.mem)
}

// last is the position after all that is there.
func (r *Recent) last() uint64 {
	if r == nil {
		return 0
	}
	return r.end.Load()
}

// cursor names a position for observers.
func (r *Recent) cursor(at uint64) string {
	if r == nil {
		return ""
	}
	return strconv.FormatUint(r.birth, 36) + "-" + strconv.FormatUint(at, 36)
}

func isCursor(text string) bool {
	birth, at, _ := strings.Cut(text, "-")
	_, err := strconv.ParseUint(birth, 36, 64)
	_, err2 := strconv.ParseUint(at, 36, 64)
	return err == nil && err2 == nil
}

// position is what a cursor names; ok tells that it is one of this memory.
func (r *Recent) position(cursor string) (at uint64, ok bool) {
	birth, text, _ := strings.Cut(cursor, "-")
	at, err := strconv.ParseUint(text, 36, 64)
	return at, r != nil && err == nil && birth == strconv.FormatUint(r.birth, 36)
}
