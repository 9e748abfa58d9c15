package pool

import (
	"errors"
	"os"
	"sync/atomic"

	"github.com/tendproc/tend/internal/sys"
)

// board is memory that a pool shares with a worker of its own program. Its one word
// is the number of the task that the worker began last, and whether the pool has
// condemned it: then it begins no more. So whoever ends a worker for one task's sake
// ends no other task with it, and of a worker that died it is known which it had begun.
type board struct {
	file *os.File // what the worker is given; nil in the worker
	mem  []byte
	word *atomic.Uint64
}

const (
	boardSize = 4096
	condemned = 1 << 63
)

func newBoard() (*board, error) {
	f, err := sys.Memory("pool board", boardSize)
	if err != nil {
		return nil, err
	}
	mem, err := sys.MapShared(f, boardSize)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &board{file: f, mem: mem, word: sys.AtomicWord(mem)}, nil
}

// openBoard takes the board that this worker was given as descriptor fd.
func openBoard(fd int) (*board, error) {
	f := os.NewFile(uintptr(fd), "pool board")
	defer f.Close() // the map stays
	mem, err := sys.MapShared(f, boardSize)
	if err != nil {
		return nil, err
	}
	return &board{mem: mem, word: sys.AtomicWord(mem)}, nil
}

// close may be called once, when nobody looks at the board any more.
func (b *board) close() {
	_ = sys.Unmap(b.mem) // there is nothing to do about it
	b.file.Close()
}

// begin notes that the worker goes from the task last to the next. It returns false
// if the worker is condemned.
func (b *board) begin(last, next uint64) bool { return b.word.CompareAndSwap(last, next) }

// begun is the task that was begun last.
func (b *board) begun() uint64 { return b.word.Load() &^ condemned }

// condemn keeps the worker from what comes after id, unless it has begun that
// already: then id is done, and its answer on the way.
func (b *board) condemn(id uint64) bool {
	for {
		last := b.word.Load()
		if last&^condemned > id {
			return false
		}
		if b.word.CompareAndSwap(last, last|condemned) {
			return true
		}
	}
}
