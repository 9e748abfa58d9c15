// Package jsonvalue turns Go values into JSON and back as encoding/json does, in a
// fraction of the time for the types that messages are made of. It does by itself
// what is common, and gives encoding/json the rest: types with methods of their own
// for it, embedded fields, unusual tags, and everything that ends in an error, so
// that the errors are the same. What has a method that decodes anywhere in it is
// decoded by encoding/json alone; one that encodes may be called once more if the
// value cannot be encoded, or nests very deep. Other differences are bugs; fuzzing
// looks for them.
package jsonvalue

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tendproc/tend/internal/jsontext"
)

// Append appends v as an [json.Encoder] that does not escape HTML writes it, without
// the newline. On error dst is returned as it was.
func Append(dst []byte, v any) ([]byte, error) {
	if out, ok := appendAny(dst, v, jsontext.MaxDepth); ok {
		return out, nil
	}
	return appendStd(dst, v)
}

func appendStd(dst []byte, v any) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return dst, err
	}
	return buf.Bytes()[:buf.Len()-1], nil
}

// Decode is [json.Unmarshal], but a string in v that is most of a long text may share
// its memory: then text must not be changed any more.
func Decode(text []byte, v any) error {
	if decode(text, v) {
		return nil
	}
	return json.Unmarshal(text, v)
}

// decode is false where it is json.Unmarshal's turn, with v as it was, or else as
// json.Unmarshal is going to leave it.
func decode(text []byte, v any) bool {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return false
	}
	p = p.Elem()
	c := codecOf(p.Type())
	if c.std || c.methods {
		return false
	}
	d := decoder{text: text, depth: jsontext.MaxDepth}
	empty := !c.hides && p.IsZero()
	if !empty && (c.parts || !d.valid()) { // then nothing of it may be stored
		return false
	}
	if c.decode(&d, p) && d.peek() == 0 && d.at == len(text) {
		return true
	}
	if empty {
		p.SetZero()
	}
	return false
}

// codec is how values of a type are read and written. Each of its functions is false
// where it cannot do it.
type codec struct {
	decode func(d *decoder, v reflect.Value) bool
	append func(dst []byte, v reflect.Value, depth int) ([]byte, bool)
	std    bool // it is encoding/json's to do
}

// whole is the codec of a type that is given, and what is anywhere in that.
type whole struct {
	*codec
	methods bool // those that decode: what they do cannot be undone, nor done twice
	hides   bool // fields that are not exported: not to be looked at, nor to be emptied
	parts   bool // those that are encoding/json's, with an any that may point to what has methods
}

var codecs sync.Map // reflect.Type → *whole

func codecOf(t reflect.Type) *whole {
	if c, ok := codecs.Load(t); ok {
		return c.(*whole)
	}
	b := builder{codecs: map[reflect.Type]*codec{}}
	b.codec = b.of(t)
	found := b.whole
	found.parts = b.parts && b.anys
	c, _ := codecs.LoadOrStore(t, &found)
	return c.(*whole)
}

// builder has the codecs of the types that one type is made of, which may contain it.
type builder struct {
	whole
	codecs map[reflect.Type]*codec
	anys   bool // there is an any among them
}

func (b *builder) of(t reflect.Type) *codec {
	if c := b.codecs[t]; c != nil {
		return c
	}
	c := &codec{}
	b.codecs[t] = c
	if t.Kind() != reflect.Pointer && hasMethods(t) { // a pointer has its element's
		b.methods = b.methods || implements(t, decoders) && !slices.Contains(simple, t)
	} else {
		b.build(c, t)
	}
	if c.decode == nil {
		*c = codec{decodeStd, appendValueStd, true}
		b.parts = b.parts || !slices.Contains(simple, t)
	}
	return c
}

// build leaves c as it is if t is encoding/json's.
func (b *builder) build(c *codec, t reflect.Type) {
	switch t.Kind() {
	case reflect.Bool:
		c.decode, c.append = decodeBool, appendBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		c.decode, c.append = decodeInt, appendInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		c.decode, c.append = decodeUint, appendUint
	case reflect.Float32, reflect.Float64:
		c.decode, c.append = decodeFloat, appendFloat
	case reflect.String:
		c.decode, c.append = decodeString, appendString
	case reflect.Interface:
		if t.NumMethod() == 0 {
			c.decode, c.append = decodeInterface, appendInterface
			b.anys = true
		} else { // what it holds may have those that decode
			b.methods = true
		}
	case reflect.Pointer:
		p := pointer{b.of(t.Elem())}
		c.decode, c.append = p.decode, p.append
	case reflect.Array:
		b.of(t.Elem())
	case reflect.Slice:
		s := sliceOf{b.of(t.Elem())}
		if t.Elem().Kind() != reflect.Uint8 { // else it is in base64
			c.decode, c.append = s.decode, s.append
		}
	case reflect.Map:
		m := mapOf{b.of(t.Elem()), t}
		if k := b.of(t.Key()); !k.std && t.Key().Kind() == reflect.String {
			c.decode, c.append = m.decode, m.append
		}
	case reflect.Struct:
		if fields, ok := b.fields(t); ok {
			c.decode, c.append = fields.decode, fields.append
		}
	default:
	}
}

var (
	number   = reflect.TypeFor[json.Number]()
	encoders = []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()}
	decoders = []reflect.Type{reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[encoding.TextUnmarshaler]()}
	// simple are encoding/json's, but only store a value, each time the same.
	simple = []reflect.Type{number, reflect.TypeFor[json.RawMessage](), reflect.TypeFor[[]byte](), reflect.TypeFor[time.Time]()}
)

// hasMethods tells that encoding/json treats the type in a way of its own.
func hasMethods(t reflect.Type) bool {
	return t == number || implements(t, encoders) || implements(t, decoders)
}

func implements(t reflect.Type, any []reflect.Type) bool {
	for _, i := range any {
		if t.Implements(i) || reflect.PointerTo(t).Implements(i) {
			return true
		}
	}
	return false
}

// field is a field of a struct.
type field struct {
	*codec
	name      []byte
	quoted    string // the name
	index     int
	omitEmpty bool
	omitZero  bool
}

type structOf []field

// fields is not ok for a struct that is encoding/json's to understand.
func (b *builder) fields(t reflect.Type) (list structOf, ok bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		b.hides = b.hides || !f.IsExported()
		if f.IsExported() || f.Anonymous {
			b.of(f.Type)
		}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		switch {
		case f.Anonymous:
			return nil, false
		case !f.IsExported() || tag == "-":
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" {
			name = f.Name
		}
		if !isWord(name) {
			return nil, false
		}
		one := field{name: []byte(name), quoted: `"` + name + `"`, index: i}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "omitempty":
				one.omitEmpty = true
			case "omitzero":
				one.omitZero = true
			case "":
			default:
				return nil, false
			}
		}
		if one.omitZero && saysZero(f.Type) {
			return nil, false
		}
		for _, other := range list {
			if other.quoted == one.quoted {
				return nil, false
			}
		}
		one.codec = b.of(f.Type)
		list = append(list, one)
	}
	return list, true
}

// isWord tells that a name has nothing in it that would need a thought.
func isWord(name string) bool {
	for i := range len(name) {
		if c := name[i]; c != '_' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

func saysZero(t reflect.Type) bool {
	return implements(t, []reflect.Type{reflect.TypeFor[interface{ IsZero() bool }]()})
}
