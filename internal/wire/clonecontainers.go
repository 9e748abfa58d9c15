package wire

import (
	"math"
	"slices"
	"strconv"
)

// The objects that contain others.

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
