package wire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
)

type cloneWriter struct {
	buf  []byte
	base int            // where the clone begins in buf
	ids  map[any]uint32 // object number by identity
	next uint32
	keep []any // what was made on the way, so that no address in ids is used again

	open    []*Error // those being written
	float16 bool     // the reader knows Float16Array
}

// identity of the objects that may occur more than once.
type (
	mapID   uintptr
	sliceID struct {
		data uintptr
		len  int
	}
)

func (w *cloneWriter) byte(b byte)     { w.buf = append(w.buf, b) }
func (w *cloneWriter) varint(n uint64) { w.buf = binary.AppendUvarint(w.buf, n) }

// begin numbers the object that id identifies, or writes a reference to it. A nil
// id is of an object that nothing refers to.
func (w *cloneWriter) begin(id any, tag byte) (again bool) {
	if id != nil {
		if n, ok := w.ids[id]; ok {
			w.byte('^')
			w.varint(uint64(n))
			return true
		}
		w.ids[id] = w.next
	}
	w.next++
	w.byte(tag)
	return false
}

func (w *cloneWriter) value(v any, depth int) error {
	if depth > cloneDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrClone, cloneDepth)
	}
	switch v := v.(type) {
	case nil:
		w.byte('0')
	case Undefined:
		w.byte('_')
	case bool:
		w.byte(map[bool]byte{true: 'T', false: 'F'}[v])
	case int:
		w.integer(int64(v))
	case float64:
		w.number(v)
	case string:
		w.str(v)
	case *big.Int:
		if v == nil {
			w.byte('0')
			return nil
		}
		w.byte('Z')
		w.big(v)
	case map[string]any:
		return w.object(v, depth)
	case []any:
		return w.dense(v, depth)
	case *Array:
		return w.array(v, depth)
	case *Map:
		return w.mapValue(v, depth)
	case *Set:
		return w.set(v, depth)
	case *Error:
		return w.errorValue(v, depth)
	case []byte:
		w.view(bufferView, v)
	case View:
		return w.checkedView(v)
	case ArrayBuffer:
		w.begin(nil, 'B')
		w.varint(uint64(len(v)))
		w.buf = append(w.buf, v...)
	case Boxed:
		return w.boxed(v)
	case RegExp:
		w.regExp(v)
	case InvalidDate:
		w.begin(nil, 'D')
		w.double(math.NaN())
	case time.Time:
		w.begin(nil, 'D')
		w.double(float64(v.UnixMilli()))
	default:
		return w.other(reflect.ValueOf(v), depth)
	}
	return nil
}

// other writes what is no JavaScript value by itself: numbers and containers of
// Go's own types, and the rest as encoding/json sees it.
func (w *cloneWriter) other(v reflect.Value, depth int) error {
	if _, ok := v.Interface().(json.Marshaler); !ok {
		switch v.Kind() {
		case reflect.Bool:
			return w.value(v.Bool(), depth)
		case reflect.String:
			return w.value(v.String(), depth)
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
			w.integer(v.Int())
			return nil
		case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
			w.number(float64(v.Uint()))
			return nil
		case reflect.Float32:
			w.number(v.Float())
			return nil
		case reflect.Slice, reflect.Array:
			if v.Kind() == reflect.Slice && v.IsNil() {
				return w.value(nil, depth)
			}
			items := make([]any, v.Len())
			for i := range items {
				items[i] = v.Index(i).Interface()
			}
			w.keep = append(w.keep, items)
			return w.dense(items, depth)
		case reflect.Map:
			if v.Type().Key().Kind() == reflect.String && !v.IsNil() {
				m := make(map[string]any, v.Len())
				for it := v.MapRange(); it.Next(); {
					m[it.Key().String()] = it.Value().Interface()
				}
				w.keep = append(w.keep, m)
				return w.object(m, depth)
			}
		default:
		}
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrClone, err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		return fmt.Errorf("%w: %w", ErrClone, err)
	}
	w.keep = append(w.keep, plain)
	return w.value(plain, depth)
}

func (w *cloneWriter) integer(n int64) {
	if n < math.MinInt32 || n > math.MaxInt32 {
		w.byte('N')
		w.double(float64(n))
		return
	}
	w.byte('I')
	w.varint(uint64(uint32(n)<<1 ^ uint32(int32(n)>>31)))
}

func (w *cloneWriter) number(f float64) {
	if n, ok := normal(f).(int); ok {
		w.integer(int64(n))
		return
	}
	w.byte('N')
	w.double(f)
}

func (w *cloneWriter) double(f float64) {
	bits := math.Float64bits(f)
	if math.IsNaN(f) {
		bits = 0x7ff8 << 48 // the one NaN that V8 writes
	}
	w.buf = binary.LittleEndian.AppendUint64(w.buf, bits)
}

// str writes s in Latin-1 if it can, else in UTF-16 at an even place.
func (w *cloneWriter) str(s string) {
	runes := []rune(s)
	if slices.IndexFunc(runes, func(r rune) bool { return r > 0xff }) < 0 {
		w.byte('"')
		w.varint(uint64(len(runes)))
		for _, r := range runes {
			w.byte(byte(r))
		}
		return
	}
	units := utf16.Encode(runes)
	size := uint64(2 * len(units))
	if (len(w.buf)-w.base+1+len(binary.AppendUvarint(nil, size)))%2 != 0 {
		w.byte(0)
	}
	w.byte('c')
	w.varint(size)
	for _, u := range units {
		w.buf = binary.LittleEndian.AppendUint16(w.buf, u)
	}
}

func (w *cloneWriter) big(n *big.Int) {
	digits := n.Bytes()
	slices.Reverse(digits)
	for len(digits)%8 != 0 { // V8 counts in words of 64 bits
		digits = append(digits, 0)
	}
	bits := uint64(len(digits)) << 1
	if n.Sign() < 0 {
		bits |= 1
	}
	w.varint(bits)
	w.buf = append(w.buf, digits...)
}

func (w *cloneWriter) object(m map[string]any, depth int) error {
	if m == nil {
		w.byte('0')
		return nil
	}
	if w.begin(mapID(reflect.ValueOf(m).Pointer()), 'o') {
		return nil
	}
	if err := w.members(m, depth); err != nil {
		return err
	}
	w.byte('{')
	w.varint(uint64(len(m)))
	return nil
}

// members writes keys and values: the integer keys first, as V8 orders them.
func (w *cloneWriter) members(m map[string]any, depth int) error {
	indices := map[uint32]any{}
	var names []string
	for key, v := range m {
		if i, ok := arrayIndex(key, math.MaxInt32); ok {
			indices[i] = v
		} else {
			names = append(names, key)
		}
	}
	if err := w.items(indices, depth); err != nil {
		return err
	}
	slices.Sort(names)
	for _, key := range names {
		w.str(key)
		if err := w.value(m[key], depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *cloneWriter) items(items map[uint32]any, depth int) error {
	for _, i := range slices.Sorted(maps.Keys(items)) {
		w.number(float64(i))
		if err := w.value(items[i], depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *cloneWriter) dense(items []any, depth int) error {
	var id any
	if items == nil {
		w.byte('0')
		return nil
	}
	if len(items) > 0 {
		id = sliceID{reflect.ValueOf(items).Pointer(), len(items)}
	}
	if w.begin(id, 'A') {
		return nil
	}
	w.varint(uint64(len(items)))
	for _, v := range items {
		if err := w.value(v, depth+1); err != nil {
			return err
		}
	}
	w.byte('$')
	w.varint(0)
	w.varint(uint64(len(items)))
	return nil
}

func (w *cloneWriter) array(a *Array, depth int) error {
	if a == nil {
		w.byte('0')
		return nil
	}
	if w.begin(a, 'a') {
		return nil
	}
	w.varint(uint64(a.Length))
	for i := range a.Items {
		if i >= a.Length {
			return fmt.Errorf("%w: item %d of an array of %d", ErrClone, i, a.Length)
		}
	}
	if err := w.items(a.Items, depth); err != nil {
		return err
	}
	if err := w.members(a.Members, depth); err != nil {
		return err
	}
	w.byte('@')
	w.varint(uint64(len(a.Items) + len(a.Members)))
	w.varint(uint64(a.Length))
	return nil
}

func (w *cloneWriter) mapValue(m *Map, depth int) error {
	if m == nil {
		w.byte('0')
		return nil
	}
	if w.begin(m, ';') {
		return nil
	}
	for _, e := range m.Entries {
		if err := w.value(e.Key, depth+1); err != nil {
			return err
		}
		if err := w.value(e.Value, depth+1); err != nil {
			return err
		}
	}
	w.byte(':')
	w.varint(2 * uint64(len(m.Entries)))
	return nil
}

func (w *cloneWriter) set(s *Set, depth int) error {
	if s == nil {
		w.byte('0')
		return nil
	}
	if w.begin(s, '\'') {
		return nil
	}
	for _, v := range s.Values {
		if err := w.value(v, depth+1); err != nil {
			return err
		}
	}
	w.byte(',')
	w.varint(uint64(len(s.Values)))
	return nil
}

func (w *cloneWriter) errorValue(e *Error, depth int) error {
	if e == nil {
		w.byte('0')
		return nil
	}
	if slices.Contains(w.open, e) {
		return fmt.Errorf("%w: an error whose cause leads back to it", ErrClone)
	}
	if w.begin(e, 'r') {
		return nil
	}
	w.open = append(w.open, e)
	defer func() { w.open = w.open[:len(w.open)-1] }()
	for tag, name := range errorNames {
		if name == e.Name {
			w.byte(tag)
		}
	}
	w.byte('m')
	w.str(e.Message)
	if e.Stack != "" { // Node 22 and later want it before the cause; earlier ones take either
		w.byte('s')
		w.str(e.Stack)
	}
	if e.Cause != nil {
		w.byte('c')
		if err := w.value(e.Cause, depth+1); err != nil {
			return err
		}
	}
	w.byte('.')
	return nil
}

func (w *cloneWriter) checkedView(v View) error {
	if v.Kind < 0 || int(v.Kind) >= len(viewSizes) || len(v.Bytes)%viewSizes[v.Kind] != 0 {
		return fmt.Errorf("%w: view of kind %d with %d bytes", ErrClone, v.Kind, len(v.Bytes))
	}
	if v.Kind == Float16Array && !w.float16 {
		return fmt.Errorf("%w: a Node before 24 would end of a Float16Array", ErrClone)
	}
	w.view(v.Kind, v.Bytes)
	return nil
}

func (w *cloneWriter) view(kind ViewKind, b []byte) {
	w.begin(nil, '\\')
	w.varint(0)
	w.varint(uint64(kind))
	w.varint(uint64(len(b)))
	w.buf = append(w.buf, b...)
}

func (w *cloneWriter) boxed(b Boxed) error {
	switch v := b.Value.(type) {
	case bool:
		w.begin(nil, map[bool]byte{true: 'y', false: 'x'}[v])
	case float64:
		w.begin(nil, 'n')
		w.double(v)
	case *big.Int:
		w.begin(nil, 'z')
		w.big(v)
	case string:
		w.begin(nil, 's')
		w.str(v)
	default:
		return fmt.Errorf("%w: an object around a %T", ErrClone, b.Value)
	}
	return nil
}

func (w *cloneWriter) regExp(re RegExp) {
	w.begin(nil, 'R')
	w.str(re.Source)
	var bits uint64
	for i, letter := range regExpFlags {
		if strings.ContainsRune(re.Flags, letter) {
			bits |= 1 << i
		}
	}
	w.varint(bits)
}
