package pm2

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Object is an object whose keys have an order, as JavaScript's have.
type Object struct {
	keys   []string
	values map[string]any
}

// Set gives key a value: a new key at the end, an old one in its place.
func (o *Object) Set(key string, value any) {
	if o.values == nil {
		o.values = map[string]any{}
	}
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
}

// Get returns the value of key, nil for none.
func (o *Object) Get(key string) any { return o.values[key] }

// Keys are the keys in order.
func (o *Object) Keys() []string { return o.keys }

// Delete takes key away.
func (o *Object) Delete(key string) {
	if _, ok := o.values[key]; !ok {
		return
	}
	delete(o.values, key)
	for i, k := range o.keys {
		if k == key {
			o.keys = append(o.keys[:i:i], o.keys[i+1:]...)
			return
		}
	}
}

// MarshalJSON keeps the order. Like JSON.stringify, it escapes no HTML.
func (o *Object) MarshalJSON() ([]byte, error) {
	w := newJSONWriter()
	err := w.object(o)
	return w.b.Bytes(), err
}

// JSON is list as one line of JSON, as [Object.MarshalJSON] has it, in one go: an
// encoder would read each object again that marshals itself.
func JSON(list []*Object) ([]byte, error) {
	w := newJSONWriter()
	w.b.WriteByte('[')
	for i, o := range list {
		if i > 0 {
			w.b.WriteByte(',')
		}
		if err := w.object(o); err != nil {
			return nil, err
		}
	}
	w.b.WriteString("]\n")
	return w.b.Bytes(), nil
}

type jsonWriter struct {
	b   *bytes.Buffer
	enc *json.Encoder
}

func newJSONWriter() jsonWriter {
	b := new(bytes.Buffer)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	return jsonWriter{b, enc}
}

func (w jsonWriter) object(o *Object) error {
	w.b.WriteByte('{')
	for i, key := range o.keys {
		if i > 0 {
			w.b.WriteByte(',')
		}
		if err := w.value(key); err != nil {
			return err
		}
		w.b.WriteByte(':')
		if err := w.value(o.values[key]); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	w.b.WriteByte('}')
	return nil
}

func (w jsonWriter) value(v any) error {
	if o, ok := v.(*Object); ok && o != nil {
		return w.object(o)
	}
	if err := w.enc.Encode(v); err != nil {
		return err
	}
	w.b.Truncate(w.b.Len() - 1) // its newline
	return nil
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
