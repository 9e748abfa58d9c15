package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"
)

// V8's structured clone, as Node's channel uses it with serialization
// "advanced". JavaScript values are these in Go:
//
//	null                nil                   undefined      Undefined{}
//	boolean             bool                  string         string (a lone surrogate becomes U+FFFD)
//	integer of 32 bits  int                   other number   float64
//	BigInt              *big.Int              Date           time.Time, InvalidDate{}
//	object              map[string]any        array          []any, *Array (with holes or members)
//	Map                 *Map                  Set            *Set
//	RegExp              RegExp                Error          *Error
//	Boolean, Number, String, BigInt object    Boxed
//	Buffer              []byte                ArrayBuffer    ArrayBuffer
//	typed array         View
//
// An object that occurs more than once, or in itself, is the same map, *Array,
// *Map, *Set or *Error each time; a []any shares its elements.
type (
	// Undefined is JavaScript's undefined.
	Undefined struct{}
	// InvalidDate is a Date that holds no time.
	InvalidDate struct{}
	// ArrayBuffer is a raw buffer.
	ArrayBuffer []byte
	// RegExp is a regular expression. Flags are the letters after the slash.
	RegExp struct{ Source, Flags string }
	// Boxed is an object around a primitive, as new Number(1) makes it.
	Boxed struct{ Value any }
	// Map is a JavaScript Map, in order of insertion.
	Map struct{ Entries []MapEntry }
	// MapEntry is one entry of a [Map].
	MapEntry struct{ Key, Value any }
	// Set is a JavaScript Set, in order of insertion.
	Set struct{ Values []any }
	// Array is an array that has holes, or members besides its elements.
	Array struct {
		Length  uint32
		Items   map[uint32]any // a missing one is a hole
		Members map[string]any
	}
	// Error is a JavaScript error.
	Error struct {
		Name    string // "Error", "TypeError", …
		Message string
		Stack   string
		Cause   any // nil if none; one that leads back to the error ends Node 18 and 20, and is not written
	}
	// View is a typed array or DataView that is no Buffer.
	View struct {
		Kind  ViewKind
		Bytes []byte // in the machine's order, little-endian
	}
)

// Error makes an *Error usable as a Go error.
func (e *Error) Error() string { return e.Name + ": " + e.Message }

// ViewKind tells typed arrays apart.
type ViewKind int

// The numbers are those of Node's channel.
const (
	Int8Array ViewKind = iota
	Uint8Array
	Uint8ClampedArray
	Int16Array
	Uint16Array
	Int32Array
	Uint32Array
	Float32Array
	Float64Array
	DataView
	bufferView // Node's Buffer: []byte
	BigInt64Array
	BigUint64Array
	Float16Array // Node 24 and later; earlier ones end of it
)

var viewSizes = [...]int{1, 1, 1, 2, 2, 4, 4, 4, 8, 1, 1, 8, 8, 2}

const (
	cloneVersion = 15
	cloneDepth   = 512 // how deep values may be nested, both ways
)

// ErrClone says that bytes are no structured clone, or that a Go value has none.
var ErrClone = errors.New("not a structured clone")

// NextAdvanced returns the first frame in buf, without its length, and what
// follows it. ErrShort and ErrTooLong are as with [NextLine].
func NextAdvanced(buf []byte, limit int) (frame, rest []byte, err error) {
	if len(buf) < 4 {
		return nil, buf, ErrShort
	}
	size := uint64(binary.BigEndian.Uint32(buf))
	switch {
	case size > uint64(limit):
		return nil, buf, ErrTooLong
	case uint64(len(buf)) < 4+size:
		return nil, buf, ErrShort
	}
	return buf[4 : 4+size], buf[4+size:], nil
}

// AdvancedMissing returns how many bytes the frame that begins with held still
// lacks; of its length while that is not whole.
func AdvancedMissing(held []byte) int {
	if len(held) < 4 {
		return 4 - len(held)
	}
	return max(0, 4+int(binary.BigEndian.Uint32(held))-len(held))
}

// AppendAdvanced appends v as a frame, length and structured clone, that each
// Node can read.
func AppendAdvanced(dst []byte, v any) ([]byte, error) { return AppendAdvancedFor(dst, v, false) }

// AppendAdvancedFor is [AppendAdvanced] for a reader that may know Float16Array.
func AppendAdvancedFor(dst []byte, v any, float16 bool) ([]byte, error) {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	w := cloneWriter{buf: dst, base: len(dst), ids: map[any]uint32{}, float16: float16}
	w.buf = append(w.buf, 0xff, cloneVersion)
	if err := w.value(v, 0); err != nil {
		return dst[:start], err
	}
	size := len(w.buf) - start - 4
	if size > math.MaxInt32 { // Node 18 and 20 read the length as signed
		return dst[:start], ErrTooLong
	}
	binary.BigEndian.PutUint32(w.buf[start:], uint32(size))
	return w.buf, nil
}

// ParseAdvanced reads the frame that [NextAdvanced] gave. It shares no memory with it.
func ParseAdvanced(frame []byte) (any, error) {
	r := cloneReader{data: frame}
	if len(frame) < 2 || frame[0] != 0xff {
		return nil, fmt.Errorf("%w: no version", ErrClone)
	}
	r.pos = 1
	if v, err := r.varint(); err != nil || v < 13 || v > cloneVersion {
		return nil, fmt.Errorf("%w: version %d", ErrClone, v)
	}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if r.pos != len(frame) {
		return nil, fmt.Errorf("%w: %d bytes follow the value", ErrClone, len(frame)-r.pos)
	}
	return v, nil
}

const maxDate = 8.64e15 // milliseconds, JavaScript's limit

func dateOf(ms float64) any {
	if math.IsNaN(ms) || math.Abs(ms) > maxDate {
		return InvalidDate{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}

// bigOf makes an integer of V8's digits, little-endian.
func bigOf(digits []byte, negative bool) *big.Int {
	turned := make([]byte, len(digits))
	for i, d := range digits {
		turned[len(digits)-1-i] = d
	}
	n := new(big.Int).SetBytes(turned)
	if negative {
		n.Neg(n)
	}
	return n
}

// The letters of V8's flag bits, in its order of bits.
const regExpFlags = "gimyusldv"

func flagsOf(bits uint64) (flags string) {
	for i, letter := range regExpFlags {
		if bits&(1<<i) != 0 {
			flags += string(letter)
		}
	}
	return flags
}

// The letters by which an error says what it is.
var errorNames = map[byte]string{
	'E': "EvalError", 'R': "RangeError", 'F': "ReferenceError",
	'S': "SyntaxError", 'T': "TypeError", 'U': "URIError",
}
