//go:build !linux

package sys

import (
	"os"
	"sync/atomic"
)

// MaxPassedFDs is how many descriptors one Recv takes.
const MaxPassedFDs = 64

func Socketpair(string) (ours, theirs *os.File, err error) { return nil, nil, ErrUnsupported }
func Peek(int, []byte) (int, bool, error)                  { return 0, false, ErrUnsupported }
func Recv(int, []byte) (int, []int, bool, error)           { return 0, nil, false, ErrUnsupported }
func Send(int, []byte, int) (int, error)                   { return 0, ErrUnsupported }
func Accept(int) (int, error)                              { return -1, ErrUnsupported }
func Close(int) error                                      { return ErrUnsupported }
func Dup(int) (int, error)                                 { return -1, ErrUnsupported }
func Preallocate(*os.File, int64) error                    { return ErrUnsupported }
func DupFile(*os.File) (*os.File, error)                   { return nil, ErrUnsupported }
func Identify(int) (FileID, error)                         { return FileID{}, ErrUnsupported }
func SelfPidFD() (*os.File, error)                         { return nil, ErrUnsupported }
func SetNonblock(int) error                                { return ErrUnsupported }
func PeerUID(int) (int, error)                             { return -1, ErrUnsupported }

// FileID tells open files apart.
type FileID struct{ Dev, Ino uint64 }

// Interest is what a Poller watches a descriptor for.
type Interest uint32

const (
	Readable Interest = 1
	Writable Interest = 2
)

// Ready is one event of a Poller.
type Ready struct {
	Token    uint64
	Readable bool
	Writable bool
}

// Poller is not there on this system.
type Poller struct{}

func NewPoller() (*Poller, error)                  { return nil, ErrUnsupported }
func (*Poller) Add(int, Interest, uint64) error    { return ErrUnsupported }
func (*Poller) Modify(int, Interest, uint64) error { return ErrUnsupported }
func (*Poller) Remove(int) error                   { return ErrUnsupported }
func (*Poller) Wake()                              {}
func (*Poller) Wait([]Ready) (int, error)          { return 0, ErrUnsupported }
func (*Poller) Close() error                       { return nil }

func SetBlocking(int) error        { return ErrUnsupported }
func PassCredentials(int) error    { return ErrUnsupported }
func SenderUID([]byte) (int, bool) { return 0, false }

func Memory(string, int64) (*os.File, error)  { return nil, ErrUnsupported }
func MapShared(*os.File, int) ([]byte, error) { return nil, ErrUnsupported }
func Unmap([]byte) error                      { return ErrUnsupported }
func AtomicWord([]byte) *atomic.Uint64        { return nil }
func DropPages([]byte) error                  { return ErrUnsupported }
func Buffered(int) (int, error)               { return 0, ErrUnsupported }
func Over(int) (bool, error)                  { return false, ErrUnsupported }
func AwaitWritable(int) error                 { return ErrUnsupported }
func IdentifyFile(*os.File) (FileID, error)   { return FileID{}, ErrUnsupported }
func StopListening(int)                       {}
