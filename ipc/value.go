package ipc

import "github.com/tendproc/tend/internal/wire"

// JavaScript's values in [Advanced] serialization, as [Message.Value] has them and
// [Channel.Send] takes them:
//
//	JavaScript                     Go
//	null, undefined                nil, Undefined{}
//	boolean                        bool
//	number                         int when it is whole and has 32 bits, else float64
//	string                         string; half a surrogate pair becomes U+FFFD
//	BigInt                         *big.Int
//	Date                           time.Time, InvalidDate{}
//	object                         map[string]any, without the order of its members
//	array                          []any; *Array when it has holes or members
//	Map, Set                       *Map, *Set
//	RegExp                         RegExp
//	Error, TypeError, …            *Error
//	new Number(1), …               Boxed
//	Buffer                         []byte
//	ArrayBuffer                    ArrayBuffer
//	other typed arrays, DataView   View
//
// What occurs more than once in a message, or in itself, is the same map, *Array,
// *Map, *Set or *Error each time, both ways; a []any shares its elements. Send
// takes Go's other types too: numbers of any size, slices and string-keyed maps
// of anything, and the rest, structs for one, as encoding/json sees it.
type (
	// Undefined is JavaScript's undefined.
	Undefined = wire.Undefined

	// InvalidDate is a Date that holds no time.
	InvalidDate = wire.InvalidDate

	// Map is a Map. Its field Entries []MapEntry is in order of insertion.
	Map = wire.Map

	// MapEntry is one entry of a Map: the fields Key and Value, of any kind.
	MapEntry = wire.MapEntry

	// Set is a Set. Its field Values []any is in order of insertion.
	Set = wire.Set

	// Array is an array with holes, or with members besides its elements. Length
	// uint32 is its length, Items map[uint32]any has the elements that are no
	// holes, and Members map[string]any the members.
	Array = wire.Array

	// RegExp is a regular expression: Source string is the text between the
	// slashes, Flags string the letters after them.
	RegExp = wire.RegExp

	// Error is an Error, and a Go error. Name string is "Error" or one of
	// JavaScript's own ("TypeError", …), Message and Stack are strings, and Cause
	// is a value, nil if none. One in its own cause is not sent: Nodes before 22
	// die of it.
	Error = wire.Error

	// Boxed is the object around its field Value: a bool, float64, string or *big.Int.
	Boxed = wire.Boxed

	// ArrayBuffer is the bytes of an ArrayBuffer.
	ArrayBuffer = wire.ArrayBuffer

	// View is a typed array or DataView. Kind ViewKind says which, and Bytes
	// []byte are its elements, little-endian.
	View = wire.View

	// ViewKind tells typed arrays apart: Int8Array and the other constants.
	ViewKind = wire.ViewKind
)

// The kinds of a [View]. Float16Array is sent to who is said to know it: see [ConnOptions].
const (
	Int8Array         = wire.Int8Array
	Uint8Array        = wire.Uint8Array
	Uint8ClampedArray = wire.Uint8ClampedArray
	Int16Array        = wire.Int16Array
	Uint16Array       = wire.Uint16Array
	Int32Array        = wire.Int32Array
	Uint32Array       = wire.Uint32Array
	Float16Array      = wire.Float16Array
	Float32Array      = wire.Float32Array
	Float64Array      = wire.Float64Array
	BigInt64Array     = wire.BigInt64Array
	BigUint64Array    = wire.BigUint64Array
	DataView          = wire.DataView
)

// ErrValue says that a value has no form in [Advanced] serialization.
var ErrValue = wire.ErrClone
