package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// cloneReader reads one structured clone. Whatever the bytes, it ends, allocates
// in proportion to them, and does not panic.
type cloneReader struct {
	data []byte
	pos  int
	refs []any // by object number, in the order met

	elements int // of all arrays: each takes a byte, so there are no more than those
}

func (r *cloneReader) bad(format string, args ...any) error {
	return fmt.Errorf("%w: at byte %d: %s", ErrClone, r.pos, fmt.Sprintf(format, args...))
}

// tag reads the next tag; zero bytes before it are padding.
func (r *cloneReader) tag() (byte, error) {
	for r.pos < len(r.data) {
		t := r.data[r.pos]
		r.pos++
		if t != 0 {
			return t, nil
		}
	}
	return 0, r.bad("ends early")
}

// at tells whether the next tag is t, and if so takes it.
func (r *cloneReader) at(t byte) bool {
	i := r.pos
	for i < len(r.data) && r.data[i] == 0 {
		i++
	}
	if i < len(r.data) && r.data[i] == t {
		r.pos = i + 1
		return true
	}
	return false
}

func (r *cloneReader) varint() (uint64, error) {
	var n uint64
	for shift := 0; shift < 64 && r.pos < len(r.data); shift += 7 {
		b := r.data[r.pos]
		r.pos++
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n, nil
		}
	}
	return 0, r.bad("no varint")
}

// count reads the varint number of things that take at least a byte each.
func (r *cloneReader) count() (int, error) {
	n, err := r.varint()
	if err == nil && n > uint64(len(r.data)-r.pos) {
		return 0, r.bad("%d of something in %d bytes", n, len(r.data)-r.pos)
	}
	return int(n), err
}

func (r *cloneReader) bytes() ([]byte, error) {
	n, err := r.count()
	if err != nil {
		return nil, err
	}
	return r.take(n)
}

func (r *cloneReader) take(n int) ([]byte, error) {
	if n > len(r.data)-r.pos {
		return nil, r.bad("ends early")
	}
	b := r.data[r.pos : r.pos+n]
	r.pos += n
	return b, nil
}

func (r *cloneReader) double() (float64, error) {
	b, err := r.take(8)
	if err != nil {
		return 0, err
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b)), nil
}

// add numbers an object; its place may be filled later with set.
func (r *cloneReader) add(v any) (id int) {
	r.refs = append(r.refs, v)
	return len(r.refs) - 1
}

func (r *cloneReader) value(depth int) (any, error) {
	if depth > cloneDepth {
		return nil, r.bad("nested deeper than %d", cloneDepth)
	}
	t, err := r.tag()
	if err != nil {
		return nil, err
	}
	switch t {
	case '0':
		return nil, nil
	case '_', '-': // the latter is a hole, of a dense array only
		return Undefined{}, nil
	case 'T':
		return true, nil
	case 'F':
		return false, nil
	case 'I', 'U', 'N':
		return r.number(t)
	case 'Z':
		return r.bigInt()
	case '"', 'c', 'S':
		return r.str(t)
	case 'o':
		m := map[string]any{}
		r.add(m)
		return m, r.members(m, '{', depth)
	case 'A':
		return r.dense(depth)
	case 'a':
		return r.sparse(depth)
	case ';':
		return r.mapValue(depth)
	case '\'':
		return r.set(depth)
	case '^':
		n, err := r.varint()
		if err != nil || n >= uint64(len(r.refs)) {
			return nil, r.bad("back reference to object %d of %d", n, len(r.refs))
		}
		return r.refs[n], nil
	case 'r':
		return r.errorValue(depth)
	case 'B', '~':
		return r.arrayBuffer(t)
	case '\\':
		return r.hostObject(depth)
	}
	return r.small(t)
}

// small reads the objects that contain no others.
func (r *cloneReader) small(t byte) (v any, err error) {
	id := r.add(nil)
	switch t {
	case 'D':
		var ms float64
		ms, err = r.double()
		v = dateOf(ms)
	case 'y', 'x':
		v = Boxed{t == 'y'}
	case 'n':
		var f float64
		f, err = r.double()
		v = Boxed{f}
	case 'z':
		var n any
		n, err = r.bigInt()
		v = Boxed{n}
	case 's':
		var s string
		s, err = r.stringValue()
		v = Boxed{s}
	case 'R':
		var re RegExp
		var bits uint64
		if re.Source, err = r.stringValue(); err == nil {
			bits, err = r.varint()
		}
		re.Flags = flagsOf(bits)
		v = re
	default:
		return nil, r.bad("unknown tag %#x", t)
	}
	r.refs[id] = v
	return v, err
}

func (r *cloneReader) number(t byte) (any, error) {
	if t == 'N' {
		f, err := r.double()
		return f, err
	}
	n, err := r.varint()
	if err != nil {
		return nil, err
	}
	if t == 'U' {
		return normal(float64(uint32(n))), nil
	}
	u := uint32(n)
	return int(int32(u>>1) ^ -int32(u&1)), nil
}

// normal gives whole numbers of 32 bits as int, as the tag I does.
func normal(f float64) any {
	if f == math.Trunc(f) && f >= math.MinInt32 && f <= math.MaxInt32 && (f != 0 || !math.Signbit(f)) {
		return int(f)
	}
	return f
}

func (r *cloneReader) bigInt() (any, error) {
	bits, err := r.varint()
	if err != nil {
		return nil, err
	}
	if bits>>1 > uint64(len(r.data)) {
		return nil, r.bad("ends early")
	}
	digits, err := r.take(int(bits >> 1))
	if err != nil {
		return nil, err
	}
	return bigOf(digits, bits&1 != 0), nil
}

func (r *cloneReader) stringValue() (string, error) {
	t, err := r.tag()
	if err != nil {
		return "", err
	}
	if t != '"' && t != 'c' && t != 'S' {
		return "", r.bad("tag %#x is no string", t)
	}
	return r.str(t)
}

func (r *cloneReader) str(t byte) (string, error) {
	b, err := r.bytes()
	if err != nil {
		return "", err
	}
	switch t {
	case 'S': // UTF-8
		return string([]rune(string(b))), nil
	case 'c':
		if len(b)%2 != 0 {
			return "", r.bad("half a character")
		}
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = binary.LittleEndian.Uint16(b[2*i:])
		}
		return string(utf16.Decode(units)), nil
	}
	if i := slices.IndexFunc(b, func(c byte) bool { return c >= utf8.RuneSelf }); i < 0 {
		return string(b), nil
	}
	s := make([]rune, len(b)) // Latin-1
	for i, c := range b {
		s[i] = rune(c)
	}
	return string(s), nil
}

// members reads (key, value)* up to end and the count after it.
func (r *cloneReader) members(m map[string]any, end byte, depth int) error {
	var got uint64
	for ; !r.at(end); got++ {
		key, err := r.key()
		if err != nil {
			return err
		}
		if m[key], err = r.value(depth + 1); err != nil {
			return err
		}
	}
	if n, err := r.varint(); err != nil || n != got {
		return r.bad("%d members, %d announced", got, n)
	}
	return nil
}

func (r *cloneReader) key() (string, error) {
	t, err := r.tag()
	if err != nil {
		return "", err
	}
	switch t {
	case '"', 'c', 'S':
		return r.str(t)
	case 'I', 'U', 'N':
		n, err := r.number(t)
		switch n := n.(type) {
		case int:
			return strconv.Itoa(n), err
		case float64:
			return strconv.FormatFloat(n, 'f', -1, 64), err
		}
		return "", err
	}
	return "", r.bad("tag %#x is no key", t)
}

func (r *cloneReader) dense(depth int) (any, error) {
	n, err := r.count()
	if err != nil {
		return nil, err
	}
	if r.elements += n; r.elements > len(r.data) {
		return nil, r.bad("arrays of %d elements in %d bytes", r.elements, len(r.data))
	}
	items := make([]any, n)
	id := r.add(items)
	var holes []int
	for i := range items {
		if r.at('-') {
			holes = append(holes, i)
			items[i] = Undefined{}
			continue
		}
		if items[i], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
	extra := map[string]any{}
	var got uint64
	for ; !r.at('$'); got++ {
		key, err := r.key()
		if err != nil {
			return nil, err
		}
		if extra[key], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
	members, err := r.varint()
	if err != nil {
		return nil, err
	}
	length, err := r.varint()
	if err != nil || members != got || length != uint64(n) {
		return nil, r.bad("array of %d and %d members, %d and %d announced", n, got, length, members)
	}
	if len(holes) == 0 && len(extra) == 0 {
		return items, nil
	}
	a := &Array{Length: uint32(n), Items: map[uint32]any{}, Members: extra}
	for i, v := range items {
		if len(holes) > 0 && holes[0] == i {
			holes = holes[1:]
			continue
		}
		a.Items[uint32(i)] = v
	}
	r.refs[id] = a
	return a, nil
}

// hole marks an element that was not there.
type hole struct{}

// sparse reads an array that V8 wrote member by member. It may be a plain one all
// the same: V8 writes each array so that it has itself received.
func (r *cloneReader) sparse(depth int) (any, error) {
	n, err := r.varint()
	if err != nil || n > math.MaxUint32 {
		return nil, r.bad("array of %d", n)
	}
	a := &Array{Length: uint32(n), Items: map[uint32]any{}, Members: map[string]any{}}
	var items []any
	id := r.add(a)
	if n <= uint64(len(r.data)-r.pos) && r.elements+int(n) <= len(r.data) {
		r.elements += int(n)
		items = slices.Repeat([]any{hole{}}, int(n))
		r.refs[id] = items
	}
	var got uint64
	for ; !r.at('@'); got++ {
		key, err := r.key()
		if err != nil {
			return nil, err
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		i, ok := arrayIndex(key, a.Length)
		switch {
		case ok && items != nil:
			items[i] = v
			a.Items[i] = v
		case ok:
			a.Items[i] = v
		default:
			a.Members[key] = v
		}
	}
	members, err := r.varint()
	if err != nil {
		return nil, err
	}
	length, err := r.varint()
	if err != nil || members != got || length != n {
		return nil, r.bad("sparse array of %d and %d members, %d and %d announced", n, got, length, members)
	}
	if items != nil && len(a.Items) == len(items) && len(a.Members) == 0 {
		return items, nil
	}
	for i := range items {
		if _, ok := items[i].(hole); ok {
			items[i] = Undefined{} // seen by what refers to the array from inside
		}
	}
	r.refs[id] = a
	return a, nil
}

// arrayIndex tells whether key is the index of an element below length.
func arrayIndex(key string, length uint32) (uint32, bool) {
	n, err := strconv.ParseUint(key, 10, 32)
	if err != nil || n >= uint64(length) || strconv.FormatUint(n, 10) != key {
		return 0, false
	}
	return uint32(n), true
}

func (r *cloneReader) mapValue(depth int) (any, error) {
	m := &Map{}
	r.add(m)
	for !r.at(':') {
		key, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		m.Entries = append(m.Entries, MapEntry{key, v})
	}
	if n, err := r.varint(); err != nil || n != 2*uint64(len(m.Entries)) {
		return nil, r.bad("map of %d", len(m.Entries))
	}
	return m, nil
}

func (r *cloneReader) set(depth int) (any, error) {
	s := &Set{}
	r.add(s)
	for !r.at(',') {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		s.Values = append(s.Values, v)
	}
	if n, err := r.varint(); err != nil || n != uint64(len(s.Values)) {
		return nil, r.bad("set of %d", len(s.Values))
	}
	return s, nil
}

func (r *cloneReader) errorValue(depth int) (any, error) {
	e := &Error{Name: "Error"}
	r.add(e)
	for {
		t, err := r.tag()
		if err != nil {
			return nil, err
		}
		switch t {
		case '.':
			return e, nil
		case 'm':
			e.Message, err = r.stringValue()
		case 's':
			e.Stack, err = r.stringValue()
		case 'c':
			e.Cause, err = r.value(depth + 1)
		default:
			if errorNames[t] == "" {
				return nil, r.bad("unknown tag %#x in an error", t)
			}
			e.Name = errorNames[t]
		}
		if err != nil {
			return nil, err
		}
	}
}

// arrayBuffer reads a buffer, and the view of it that may follow.
func (r *cloneReader) arrayBuffer(t byte) (any, error) {
	n, err := r.count()
	if err != nil {
		return nil, err
	}
	if t == '~' { // resizable: the most it may grow to
		if _, err := r.varint(); err != nil {
			return nil, err
		}
	}
	b, err := r.take(n)
	if err != nil {
		return nil, err
	}
	buffer := ArrayBuffer(slices.Clone(b))
	r.add(buffer)
	return buffer, nil
}

// hostObject reads Node's extension: a view, or a plain object for a native one.
func (r *cloneReader) hostObject(depth int) (any, error) {
	id := r.add(nil)
	native, err := r.varint()
	if err != nil {
		return nil, err
	}
	var v any
	switch native {
	case 0:
		v, err = r.view()
	case 1:
		v, err = r.value(depth + 1)
	default:
		err = r.bad("host object of kind %d", native)
	}
	r.refs[id] = v
	return v, err
}

func (r *cloneReader) view() (any, error) {
	kind, err := r.varint()
	if err != nil {
		return nil, err
	}
	b, err := r.bytes()
	if err != nil {
		return nil, err
	}
	if kind >= uint64(len(viewSizes)) || len(b)%viewSizes[kind] != 0 {
		return nil, r.bad("view of kind %d with %d bytes", kind, len(b))
	}
	if ViewKind(kind) == bufferView {
		return slices.Clone(b), nil
	}
	return View{ViewKind(kind), slices.Clone(b)}, nil
}
