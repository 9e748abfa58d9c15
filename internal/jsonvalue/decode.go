package jsonvalue

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/tendproc/tend/internal/jsontext"
)

// decoder reads a JSON text, and checks what it reads.
type decoder struct {
	text  []byte
	at    int
	depth int // how much deeper values may nest
	block strings.Builder
}

// valid tells that the text is valid, without reading it.
func (d *decoder) valid() bool {
	end := jsontext.Check(d.text, jsontext.Space(d.text, 0), d.depth)
	return end >= 0 && jsontext.Space(d.text, end) == len(d.text)
}

// peek skips white space and returns what follows, 0 at the end.
func (d *decoder) peek() byte {
	for ; d.at < len(d.text); d.at++ {
		if c := d.text[d.at]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
	}
	return 0
}

// word skips want, if that is what follows.
func (d *decoder) word(want string) bool {
	if !bytes.HasPrefix(d.text[d.at:], []byte(want)) {
		return false
	}
	d.at += len(want)
	return true
}

// enter begins an object or array. It is empty if its end follows.
func (d *decoder) enter(first, last byte) (empty, ok bool) {
	if d.peek() != first || d.depth == 0 {
		return false, false
	}
	d.depth--
	d.at++
	if d.peek() == last {
		return true, d.leave()
	}
	return false, true
}

// leave ends it.
func (d *decoder) leave() bool {
	d.depth++
	d.at++
	return true
}

// more is false at the end of an object or array, else another element follows.
func (d *decoder) more(last byte) (more, ok bool) {
	switch d.peek() {
	case ',':
		d.at++
		return true, true
	case last:
		return false, d.leave()
	}
	return false, false
}

// colon skips what stands between a name and its value.
func (d *decoder) colon() bool {
	if d.peek() != ':' {
		return false
	}
	d.at++
	return true
}

// raw returns the text of the next value, or string or number: what skip skips.
func (d *decoder) raw(end int) (text []byte, ok bool) {
	if end < 0 {
		return nil, false
	}
	text = d.text[d.at:end]
	d.at = end
	return text, true
}

func (d *decoder) skip() (text []byte, ok bool) {
	d.peek()
	return d.raw(jsontext.Check(d.text, d.at, d.depth))
}

func (d *decoder) number() (text []byte, ok bool) {
	d.peek()
	return d.raw(jsontext.Number(d.text, d.at))
}

func (d *decoder) string() (s string, ok bool) {
	d.peek()
	end, plain := jsontext.String(d.text, d.at)
	text, ok := d.raw(end)
	switch {
	case !ok:
		return "", false
	case plain:
		return d.keep(text[1 : len(text)-1]), true
	}
	return unquote(text[1 : len(text)-1]), true
}

// How strings are kept: one that is most of a long text shares its memory, and short
// ones share a block, which each of them keeps.
const (
	longString  = 1 << 10
	shortString = 64
	blockSize   = 512
)

func (d *decoder) keep(text []byte) string {
	switch {
	case len(text) > longString && len(text) > len(d.text)/2:
		return unsafe.String(&text[0], len(text))
	case len(text) > shortString:
		return string(text)
	}
	if d.block.Cap()-d.block.Len() < len(text) {
		d.block.Reset()
		d.block.Grow(min(blockSize, len(text)+len(d.text)-d.at))
	}
	start := d.block.Len()
	d.block.Write(text)
	return d.block.String()[start:]
}

// unquote gives what a valid string means.
func unquote(text []byte) string {
	var s strings.Builder
	s.Grow(len(text))
	for len(text) > 0 {
		n := bytes.IndexByte(text, '\\')
		if n < 0 {
			n = len(text)
		}
		if utf8.Valid(text[:n]) {
			s.Write(text[:n])
		} else {
			for _, r := range string(text[:n]) { // U+FFFD for each byte that is wrong
				s.WriteRune(r)
			}
		}
		if text = text[n:]; len(text) > 0 {
			r, size := escaped(text[1:])
			s.WriteRune(r)
			text = text[1+size:]
		}
	}
	return s.String()
}

// escaped returns what stands after a backslash, and how long that is.
func escaped(text []byte) (r rune, size int) {
	switch c := text[0]; c {
	case 'b':
		return '\b', 1
	case 'f':
		return '\f', 1
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'u':
		r = hex4(text[1:5])
		if !utf16.IsSurrogate(r) {
			return r, 5
		}
		if len(text) >= 11 && text[5] == '\\' && text[6] == 'u' {
			if both := utf16.DecodeRune(r, hex4(text[7:11])); both != utf8.RuneError {
				return both, 11
			}
		}
		return utf8.RuneError, 5
	default:
		return rune(c), 1
	}
}

func hex4(text []byte) rune {
	n, _ := strconv.ParseUint(string(text), 16, 16) // it was checked
	return rune(n)
}

// null skips null, if that is what follows: then there is nothing to store.
func (d *decoder) null() bool { return d.peek() == 'n' && d.word("null") }

func decodeStd(d *decoder, v reflect.Value) bool {
	text, ok := d.skip()
	if !ok {
		return false
	}
	if u, ok := v.Addr().Interface().(json.Unmarshaler); ok {
		return u.UnmarshalJSON(text) == nil
	}
	return json.Unmarshal(text, v.Addr().Interface()) == nil
}

func decodeBool(d *decoder, v reflect.Value) bool {
	switch d.peek() {
	case 't':
		v.SetBool(true)
		return d.word("true")
	case 'f':
		v.SetBool(false)
		return d.word("false")
	}
	return d.null()
}

func decodeInt(d *decoder, v reflect.Value) bool {
	text, ok := d.number()
	if !ok {
		return d.null()
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || v.OverflowInt(n) {
		return false
	}
	v.SetInt(n)
	return true
}

func decodeUint(d *decoder, v reflect.Value) bool {
	text, ok := d.number()
	if !ok {
		return d.null()
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || v.OverflowUint(n) {
		return false
	}
	v.SetUint(n)
	return true
}

func decodeFloat(d *decoder, v reflect.Value) bool {
	text, ok := d.number()
	if !ok {
		return d.null()
	}
	f, err := strconv.ParseFloat(string(text), v.Type().Bits())
	if err != nil || v.OverflowFloat(f) {
		return false
	}
	v.SetFloat(f)
	return true
}

func decodeString(d *decoder, v reflect.Value) bool {
	s, ok := d.string()
	if !ok {
		return d.null()
	}
	v.SetString(s)
	return true
}

// decodeInterface is of an any.
func decodeInterface(d *decoder, v reflect.Value) bool {
	if !v.IsNil() && v.Elem().Kind() == reflect.Pointer {
		return false // what that points to may be meant
	}
	x, ok := d.any()
	if ok && x == nil {
		v.SetZero()
	} else if ok {
		v.Set(reflect.ValueOf(x))
	}
	return ok
}

// any reads a value as encoding/json stores it in an any.
func (d *decoder) any() (x any, ok bool) {
	switch d.peek() {
	case '{':
		m := map[string]any{}
		return m, d.object(m)
	case '[':
		return d.array()
	case '"':
		return d.string()
	case 't':
		return true, d.word("true")
	case 'f':
		return false, d.word("false")
	case 'n':
		return nil, d.word("null")
	}
	text, ok := d.number()
	if !ok {
		return nil, false
	}
	f, err := strconv.ParseFloat(string(text), 64)
	return f, err == nil
}

func (d *decoder) object(m map[string]any) bool {
	empty, ok := d.enter('{', '}')
	for more := !empty; ok && more; more, ok = d.more('}') {
		var name string
		if name, ok = d.string(); !ok || !d.colon() {
			return false
		}
		if m[name], ok = d.any(); !ok {
			return false
		}
	}
	return ok
}

func (d *decoder) array() (list []any, ok bool) {
	list = []any{}
	empty, ok := d.enter('[', ']')
	for more := !empty; ok && more; more, ok = d.more(']') {
		x, ok := d.any()
		if !ok {
			return nil, false
		}
		list = append(list, x)
	}
	return list, ok
}

type pointer struct{ elem *codec }

func (p pointer) decode(d *decoder, v reflect.Value) bool {
	if d.null() {
		v.SetZero()
		return true
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return p.elem.decode(d, v.Elem())
}

type sliceOf struct{ elem *codec }

// decode stores in what there is, as encoding/json does.
func (s sliceOf) decode(d *decoder, v reflect.Value) bool {
	if d.null() {
		v.SetZero()
		return true
	}
	empty, ok := d.enter('[', ']')
	if !ok {
		return false
	}
	n := 0
	for more := !empty; more; n++ {
		if n >= v.Cap() {
			v.Grow(max(1, 4-n))
		}
		if n >= v.Len() {
			v.SetLen(n + 1)
		}
		if !s.elem.decode(d, v.Index(n)) {
			return false
		}
		if more, ok = d.more(']'); !ok {
			return false
		}
	}
	if n == 0 {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	}
	v.SetLen(n)
	return true
}

type mapOf struct {
	elem *codec
	typ  reflect.Type
}

func (m mapOf) decode(d *decoder, v reflect.Value) bool {
	if d.null() {
		v.SetZero()
		return true
	}
	if d.peek() != '{' { // which changes nothing
		return false
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(m.typ))
	}
	if p, ok := v.Addr().Interface().(*map[string]any); ok {
		return d.object(*p)
	}
	empty, ok := d.enter('{', '}')
	key, elem := reflect.New(m.typ.Key()).Elem(), reflect.New(m.typ.Elem()).Elem()
	for more := !empty; ok && more; more, ok = d.more('}') {
		name, ok := d.string()
		elem.SetZero()
		if !ok || !d.colon() || !m.elem.decode(d, elem) {
			return false
		}
		key.SetString(name)
		v.SetMapIndex(key, elem)
	}
	return ok
}

func (s structOf) decode(d *decoder, v reflect.Value) bool {
	if d.null() {
		return true
	}
	empty, ok := d.enter('{', '}')
	next := 0
	for more := !empty; ok && more; more, ok = d.more('}') {
		f, ok := s.name(d, next)
		if !ok || !d.colon() {
			return false
		}
		if f < 0 {
			if _, ok := d.skip(); !ok {
				return false
			}
			continue
		}
		if !s[f].decode(d, v.Field(s[f].index)) {
			return false
		}
		next = f + 1
	}
	return ok
}

// name reads a name and returns whose it is, -1 if no field's. It looks at next first.
func (s structOf) name(d *decoder, next int) (f int, ok bool) {
	d.peek()
	for i := range s {
		if i += next; i >= len(s) {
			i -= len(s)
		}
		if d.word(s[i].quoted) {
			return i, true
		}
	}
	end, plain := jsontext.String(d.text, d.at)
	text, ok := d.raw(end)
	if !ok || !plain {
		return -1, false
	}
	for i := range s {
		if bytes.EqualFold(s[i].name, text[1:len(text)-1]) {
			return i, true
		}
	}
	return -1, true
}
