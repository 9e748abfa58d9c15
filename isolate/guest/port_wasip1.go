package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
	"unsafe"
)

//go:wasmimport tend post
func hostPost(port, kind uint32, at unsafe.Pointer, size uint32) int32

//go:wasmimport tend attach
func hostAttach(port, other uint32) int32

//go:wasmimport tend next
func hostNext(port uint32, timeout int64, out unsafe.Pointer) int32

//go:wasmimport tend take
func hostTake(port uint32, at, ports unsafe.Pointer) int32

//go:wasmimport tend channel
func hostChannel(out unsafe.Pointer) int32

//go:wasmimport tend close
func hostClose(port uint32) int32

var (
	ErrPort    = errors.New("no such port: closed here, or passed on")
	ErrMessage = errors.New("bad message") // of ours; from Receive: one came that has no JSON
	ErrTimeout = errors.New("no message in time")
	ErrTooMuch = errors.New("message too long, or too many ports")
)

func errorOf(status int32) error {
	switch status {
	case 0:
		return nil
	case -1:
		return io.EOF
	case -2:
		return ErrPort
	case -4:
		return ErrTimeout
	case -5:
		return ErrTooMuch
	}
	return ErrMessage
}

// Port is one end of a channel. The zero value is [Parent].
type Port struct{ number uint32 }

// Parent is the port to the thread that started this isolate.
var Parent Port

// Forever is a timeout that never comes.
const Forever time.Duration = -1

// Message is what arrived.
type Message struct {
	JSON  []byte // nil if it is bytes
	Bytes []byte
	Ports []Port // came with it; they are this program's now
}

// Decode stores a JSON message in what v points to.
func (m Message) Decode(v any) error {
	if m.JSON == nil {
		return errors.New("message: bytes, not JSON")
	}
	return json.Unmarshal(m.JSON, v)
}

// Post sends v as JSON. The ports move with it: they are unusable here afterwards.
// It waits while the receiver's queue is full. io.EOF: the channel is closed.
func (p Port) Post(v any, ports ...Port) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("post: %w", err)
	}
	return p.post(0, text, ports)
}

// PostBytes sends b as it is.
func (p Port) PostBytes(b []byte, ports ...Port) error { return p.post(1, b, ports) }

func (p Port) post(kind uint32, b []byte, ports []Port) error {
	for _, q := range ports {
		if err := errorOf(hostAttach(p.number, q.number)); err != nil {
			return err
		}
	}
	return errorOf(hostPost(p.number, kind, unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))))
}

// Receive returns the next message, waiting for it up to timeout: 0 is not to wait.
// io.EOF: the channel is closed, and nothing is left in it.
func (p Port) Receive(timeout time.Duration) (Message, error) {
	ms := timeout.Milliseconds()
	if timeout < 0 {
		ms = -1
	}
	var head struct{ size, kind, ports uint32 }
	if err := errorOf(hostNext(p.number, ms, unsafe.Pointer(&head))); err != nil {
		return Message{}, err
	}
	b, m := make([]byte, head.size), Message{Ports: make([]Port, head.ports)}
	if head.kind == 0 {
		m.JSON = b
	} else {
		m.Bytes = b
	}
	return m, errorOf(hostTake(p.number, unsafe.Pointer(unsafe.SliceData(b)), unsafe.Pointer(unsafe.SliceData(m.Ports))))
}

// Close closes the channel for both ends.
func (p Port) Close() error { return errorOf(hostClose(p.number)) }

// NewChannel makes a channel, to pass on one of its ends.
func NewChannel() (a, b Port, err error) {
	var ports [2]Port
	err = errorOf(hostChannel(unsafe.Pointer(&ports)))
	return ports[0], ports[1], err
}

// WorkerData stores what the isolate was started with in what v points to.
func WorkerData(v any) error {
	text, ok := os.LookupEnv("TEND_WORKER_DATA")
	if !ok {
		return errors.New("worker data: none was given")
	}
	return json.Unmarshal([]byte(text), v)
}

// ThreadID is the isolate's ID among the threads of its process.
func ThreadID() int {
	id, _ := strconv.Atoi(os.Getenv("TEND_THREAD_ID"))
	return id
}
