package pm2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/tendproc/tend/internal/jsontext"
)

// Object is an object whose keys have an order, as JavaScript's have.
type Object struct {
	fields []field
	index  map[string]int // of fields by key, once there are many
}

type field struct {
	key   string
	value any
}

// newObject is an object of fields with different keys.
func newObject(fields []field) *Object {
	o := &Object{fields: fields}
	if len(fields) > fewFields {
		o.count()
	}
	return o
}

// fewFields are looked through faster than a map is made of them.
const fewFields = 200

// find is where key is, -1 for nowhere.
func (o *Object) find(key string) int {
	if o.index != nil {
		if i, ok := o.index[key]; ok {
			return i
		}
		return -1
	}
	for i := range o.fields {
		if o.fields[i].key == key {
			return i
		}
	}
	return -1
}

// Set gives key a value: a new key at the end, an old one in its place.
func (o *Object) Set(key string, value any) {
	if i := o.find(key); i >= 0 {
		o.fields[i].value = value
		return
	}
	o.fields = append(o.fields, field{key, value})
	switch {
	case o.index != nil:
		o.index[key] = len(o.fields) - 1
	case len(o.fields) > fewFields:
		o.count()
	}
}

// count makes the index.
func (o *Object) count() {
	o.index = make(map[string]int, 2*len(o.fields))
	for i, f := range o.fields {
		o.index[f.key] = i
	}
}

// Get returns the value of key, nil for none.
func (o *Object) Get(key string) any {
	if i := o.find(key); i >= 0 {
		return o.fields[i].value
	}
	return nil
}

// Keys are the keys in order.
func (o *Object) Keys() []string {
	keys := make([]string, len(o.fields))
	for i, f := range o.fields {
		keys[i] = f.key
	}
	return keys
}

// Delete takes key away.
func (o *Object) Delete(key string) {
	i := o.find(key)
	if i < 0 {
		return
	}
	o.fields = slices.Delete(o.fields, i, i+1)
	if o.index != nil {
		o.count()
	}
}

// MarshalJSON keeps the order. Like JSON.stringify, it escapes no HTML.
func (o *Object) MarshalJSON() ([]byte, error) { return appendObject(nil, o) }

// line is about n objects as one line of JSON, as [Object.MarshalJSON] has them.
func line(list iter.Seq[*Object], n int) ([]byte, error) {
	b := []byte{'['}
	var err error
	for o := range list {
		first := len(b) == 1
		if !first {
			b = append(b, ',')
		}
		if b, err = appendObject(b, o); err != nil {
			return nil, err
		}
		if first { // the others are as long
			b = slices.Grow(b, (n-1)*(len(b)+len(b)/16)+2)
		}
	}
	return append(b, "]\n"...), nil
}

func appendObject(b []byte, o *Object) (_ []byte, err error) {
	b = append(b, '{')
	for i := range o.fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(jsontext.AppendString(b, o.fields[i].key), ':')
		if b, err = appendJSON(b, o.fields[i].value); err != nil {
			return nil, fmt.Errorf("%s: %w", o.fields[i].key, err)
		}
	}
	return append(b, '}'), nil
}

// appendJSON knows what records are made of. An encoder would read each object
// again that marshals itself, and takes ten times as long for the rest.
func appendJSON(b []byte, v any) (_ []byte, err error) {
	switch v := v.(type) {
	case string:
		return jsontext.AppendString(b, v), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case uint64:
		return strconv.AppendUint(b, v, 10), nil
	case float64:
		if v == 0 || v >= 1e-6 && v < 1e21 { // others have an exponent, or a sign
			return strconv.AppendFloat(b, v, 'f', -1, 64), nil
		}
	case *Object:
		if v != nil {
			return appendObject(b, v)
		}
	case []any:
		if v != nil {
			return appendList(b, v, appendJSON)
		}
	case []string:
		if v != nil {
			return appendList(b, v, appendText)
		}
	}
	return appendOther(b, v)
}

func appendList[T any](b []byte, list []T, one func([]byte, T) ([]byte, error)) (_ []byte, err error) {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = one(b, v); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendText(b []byte, text string) ([]byte, error) { return jsontext.AppendString(b, text), nil }

// appendOther is for whatever needs thought.
func appendOther(b []byte, v any) ([]byte, error) {
	buf := bytes.NewBuffer(b)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return buf.Bytes()[:buf.Len()-1], nil // without its newline
}

// UnmarshalJSON keeps the order. Numbers are [json.Number].
func (o *Object) UnmarshalJSON(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, err := decode(dec)
	if err != nil {
		return err
	}
	got, ok := v.(*Object)
	if !ok {
		return fmt.Errorf("not an object: %.40s", text)
	}
	*o = *got
	return nil
}

// Decode reads a JSON text: objects as *Object, arrays as []any.
func Decode(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return decode(dec)
}

func decode(dec *json.Decoder) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := decode(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	case json.Delim('{'):
		o := &Object{}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			v, err := decode(dec)
			if err != nil {
				return nil, err
			}
			o.Set(key.(string), v)
		}
		_, err := dec.Token()
		return o, err
	}
	return tok, nil
}
