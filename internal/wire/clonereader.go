package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
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
