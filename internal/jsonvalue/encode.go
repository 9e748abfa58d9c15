package jsonvalue

import (
	"math"
	"reflect"
	"slices"
	"strconv"

	"github.com/tendproc/tend/internal/jsontext"
)

// appendAny appends the values that an any most often holds, and others by their type.
func appendAny(dst []byte, x any, depth int) ([]byte, bool) {
	switch x := x.(type) {
	case nil:
		return append(dst, "null"...), true
	case string:
		return jsontext.AppendString(dst, x), true
	case float64:
		return appendFloat64(dst, x, 64)
	case int:
		return strconv.AppendInt(dst, int64(x), 10), true
	case bool:
		return strconv.AppendBool(dst, x), true
	case map[string]any:
		return appendObject(dst, x, depth)
	case []any:
		return appendArray(dst, x, depth)
	}
	v := reflect.ValueOf(x)
	return codecOf(v.Type()).append(dst, v, depth)
}

func appendObject(dst []byte, m map[string]any, depth int) ([]byte, bool) {
	if m == nil {
		return append(dst, "null"...), true
	}
	if len(m) == 0 {
		return append(dst, '{', '}'), true
	}
	names := make([]string, 0, 16)
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	ok := depth > 0
	for i, name := range names {
		if !ok {
			return dst, false
		}
		dst = append(jsontext.AppendString(append(dst, mark(i, '{')), name), ':')
		dst, ok = appendAny(dst, m[name], depth-1)
	}
	return append(dst, '}'), ok
}

func appendArray(dst []byte, list []any, depth int) ([]byte, bool) {
	if list == nil {
		return append(dst, "null"...), true
	}
	if len(list) == 0 {
		return append(dst, '[', ']'), true
	}
	ok := depth > 0
	for i, x := range list {
		if !ok {
			return dst, false
		}
		dst, ok = appendAny(append(dst, mark(i, '[')), x, depth-1)
	}
	return append(dst, ']'), ok
}

// mark stands before the element i of a list.
func mark(i int, first byte) byte {
	if i == 0 {
		return first
	}
	return ','
}

func appendValueStd(dst []byte, v reflect.Value, _ int) ([]byte, bool) {
	if v.CanAddr() { // its methods may want the address
		v = v.Addr()
	}
	out, err := appendStd(dst, v.Interface())
	return out, err == nil
}

func appendBool(dst []byte, v reflect.Value, _ int) ([]byte, bool) {
	return strconv.AppendBool(dst, v.Bool()), true
}

func appendInt(dst []byte, v reflect.Value, _ int) ([]byte, bool) {
	return strconv.AppendInt(dst, v.Int(), 10), true
}

func appendUint(dst []byte, v reflect.Value, _ int) ([]byte, bool) {
	return strconv.AppendUint(dst, v.Uint(), 10), true
}

func appendString(dst []byte, v reflect.Value, _ int) ([]byte, bool) {
	return jsontext.AppendString(dst, v.String()), true
}

func appendFloat(dst []byte, v reflect.Value, _ int) ([]byte, bool) {
	return appendFloat64(dst, v.Float(), v.Type().Bits())
}

// appendFloat64 writes numbers as JavaScript does.
func appendFloat64(dst []byte, f float64, bits int) ([]byte, bool) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return dst, false
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 {
		if bits == 64 && (abs < 1e-6 || abs >= 1e21) || bits == 32 && (float32(abs) < 1e-6 || float32(abs) >= 1e21) {
			format = 'e'
		}
	}
	dst = strconv.AppendFloat(dst, f, format, -1, bits)
	if n := len(dst); format == 'e' && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' { // e-07
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst, true
}

func appendInterface(dst []byte, v reflect.Value, depth int) ([]byte, bool) {
	if v.IsNil() {
		return append(dst, "null"...), true
	}
	if depth == 0 {
		return dst, false
	}
	return appendAny(dst, v.Interface(), depth-1)
}

func (p pointer) append(dst []byte, v reflect.Value, depth int) ([]byte, bool) {
	if v.IsNil() {
		return append(dst, "null"...), true
	}
	if depth == 0 {
		return dst, false
	}
	return p.elem.append(dst, v.Elem(), depth-1)
}

func (s sliceOf) append(dst []byte, v reflect.Value, depth int) ([]byte, bool) {
	if v.IsNil() {
		return append(dst, "null"...), true
	}
	if v.Len() == 0 {
		return append(dst, '[', ']'), true
	}
	ok := depth > 0
	for i := range v.Len() {
		if !ok {
			return dst, false
		}
		dst, ok = s.elem.append(append(dst, mark(i, '[')), v.Index(i), depth-1)
	}
	return append(dst, ']'), ok
}

func (m mapOf) append(dst []byte, v reflect.Value, depth int) ([]byte, bool) {
	if v.IsNil() {
		return append(dst, "null"...), true
	}
	if v.Len() == 0 {
		return append(dst, '{', '}'), true
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		switch a, b := a.String(), b.String(); {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	ok := depth > 0
	for i, key := range keys {
		if !ok {
			return dst, false
		}
		dst = append(jsontext.AppendString(append(dst, mark(i, '{')), key.String()), ':')
		dst, ok = m.elem.append(dst, v.MapIndex(key), depth-1)
	}
	return append(dst, '}'), ok
}

func (s structOf) append(dst []byte, v reflect.Value, depth int) ([]byte, bool) {
	if depth == 0 {
		return dst, false
	}
	next := byte('{')
	for i := range s {
		f := &s[i]
		value := v.Field(f.index)
		if f.omitEmpty && isEmpty(value) || f.omitZero && value.IsZero() {
			continue
		}
		dst = append(append(append(dst, next), f.quoted...), ':')
		next = ','
		var ok bool
		if dst, ok = f.append(dst, value, depth-1); !ok {
			return dst, false
		}
	}
	if next == '{' {
		dst = append(dst, '{')
	}
	return append(dst, '}'), true
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct, reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return false
	default:
		return v.IsZero()
	}
}
