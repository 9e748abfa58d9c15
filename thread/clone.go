package thread

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"time"
)

// cloneDepth is how deep a value may be nested: a list of that many links, too.
const cloneDepth = 10_000

// Clone returns a copy of v that shares no memory with it: Node's structuredClone
// for Go values. The copy has the same types.
//
//   - Numbers, strings, arrays, slices, maps, pointers, structs and what interfaces
//     hold are copied, all the way down. nil stays nil.
//   - Something that v contains twice, or that contains itself (a pointer, a map, a
//     slice with the same start and length), is one thing in the copy, too. Slices
//     that merely overlap, and pointers into the middle of something, become separate.
//   - A slice's copy has no room to grow into beyond its length.
//   - Passed as they are, for nobody changes them: values that are errors, time.Time,
//     *time.Location, *regexp.Regexp, netip addresses, reflect.Type.
//   - *big.Int, *big.Float and *big.Rat are copied as numbers.
//   - A [*Buffer] is copied; a [*Shared] stays shared; a [*Port] can only move.
//   - Functions, channels and unsafe pointers, locks and atomics, and unexported fields
//     that refer to memory are a [*CloneError], unless nil or zero. A package's private
//     memory cannot be copied without knowing what it means (think of os.File).
//
// What is nested deeper than 10 000 levels is a CloneError, too. v must not change
// while it is copied.
func Clone[T any](v T) (T, error) {
	var c cloning
	out, err := c.value(v)
	if err != nil || out == nil {
		var none T
		return none, err
	}
	return out.(T), nil
}

// cloning is the state of one copy.
type cloning struct {
	moved []moved // what is transferred
	depth int
	few   []copied // what was copied so far, while that is little
	many  map[identity]any
}

// identity tells apart the things that may occur more than once. What it names
// lives as long as the copying does.
type identity struct {
	at  uintptr
	len int
	typ reflect.Type
}

type copied struct {
	id identity
	is any
}

// seen returns the copy that was made of id.
func (c *cloning) seen(id identity) (any, bool) {
	if c.many != nil {
		v, ok := c.many[id]
		return v, ok
	}
	for i := range c.few {
		if c.few[i].id == id {
			return c.few[i].is, true
		}
	}
	return nil, false
}

// note remembers the copy of id, before what is inside is copied.
func (c *cloning) note(id identity, v any) {
	const few = 8
	switch {
	case c.many != nil:
		c.many[id] = v
	case len(c.few) < few:
		c.few = append(c.few, copied{id, v})
	default:
		c.many = make(map[identity]any, 4*few)
		for _, e := range c.few {
			c.many[e.id] = e.is
		}
		c.many[id] = v
	}
}

// down goes one level deeper, if that is not too deep; up comes back.
func (c *cloning) down(t reflect.Type) error {
	if c.depth++; c.depth > cloneDepth {
		return &CloneError{Type: t, Reason: fmt.Sprintf("nested deeper than %d levels", cloneDepth)}
	}
	return nil
}

func (c *cloning) up() { c.depth-- }

// value copies v: what messages are mostly made of here, the rest by its plan.
func (c *cloning) value(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, string, int, int64, float64, time.Time, error:
		return v, nil
	case []byte:
		if v == nil {
			return v, nil
		}
		return once(c, idOfSlice(v), func() (any, error) { return append(make([]byte, 0, len(v)), v...), nil })
	case []any:
		return c.list(v)
	case map[string]any:
		return c.object(v)
	case *Buffer:
		if v == nil {
			return v, nil
		}
		return c.buffer(v)
	case *Port:
		if v == nil {
			return v, nil
		}
		return c.port(v)
	case *big.Int:
		if v == nil {
			return v, nil
		}
		return once(c, idOfPointer(v), func() (any, error) { return new(big.Int).Set(v), nil })
	}
	return c.planned(reflect.ValueOf(v))
}

// planned copies v by the plan of its type.
func (c *cloning) planned(v reflect.Value) (any, error) {
	p := planOf(v.Type())
	if p == nil {
		return v.Interface(), nil
	}
	to := reflect.New(v.Type()).Elem()
	to.Set(v)
	if err := p(c, to); err != nil {
		return nil, err
	}
	return to.Interface(), nil
}

// once copies what has an identity and contains nothing that has.
func once(c *cloning, id identity, copy func() (any, error)) (any, error) {
	if v, ok := c.seen(id); ok {
		return v, nil
	}
	v, err := copy()
	if err == nil {
		c.note(id, v)
	}
	return v, err
}

func idOfSlice[T any](s []T) identity {
	v := reflect.ValueOf(s)
	return identity{v.Pointer(), len(s), v.Type()}
}

func idOfPointer[T any](p *T) identity {
	v := reflect.ValueOf(p)
	return identity{v.Pointer(), 0, v.Type()}
}

func (c *cloning) list(v []any) (any, error) {
	if v == nil {
		return v, nil
	}
	id := idOfSlice(v)
	if to, ok := c.seen(id); ok {
		return to, nil
	}
	if err := c.down(id.typ); err != nil {
		return nil, err
	}
	defer c.up()
	to := make([]any, len(v))
	var boxed any = to
	c.note(id, boxed)
	for i, e := range v {
		var err error
		if to[i], err = c.value(e); err != nil {
			return nil, within(err, "["+strconv.Itoa(i)+"]")
		}
	}
	return boxed, nil
}

func (c *cloning) object(v map[string]any) (any, error) {
	if v == nil {
		return v, nil
	}
	at := reflect.ValueOf(v)
	id := identity{at.Pointer(), 0, at.Type()}
	if to, ok := c.seen(id); ok {
		return to, nil
	}
	if err := c.down(id.typ); err != nil {
		return nil, err
	}
	defer c.up()
	to := make(map[string]any, len(v))
	c.note(id, to)
	for k, e := range v {
		var err error
		if to[k], err = c.value(e); err != nil {
			return nil, within(err, "["+strconv.Quote(k)+"]")
		}
	}
	return to, nil
}

// twin returns what takes the place of t, if that is transferred.
func (c *cloning) twin(t Transferable) (Transferable, bool) {
	for _, m := range c.moved {
		if m.from == t {
			return m.to, true
		}
	}
	return nil, false
}

func (c *cloning) port(p *Port) (any, error) {
	if to, ok := c.twin(p); ok {
		return to, nil
	}
	return nil, &CloneError{Type: reflect.TypeOf(p), Reason: "a port cannot be copied: put it into the transfer list"}
}

func (c *cloning) buffer(b *Buffer) (any, error) {
	if to, ok := c.twin(b); ok {
		return to, nil
	}
	return once(c, idOfPointer(b), func() (any, error) {
		data, err := b.Bytes()
		if err != nil {
			return nil, &CloneError{Type: reflect.TypeOf(b), Reason: "it was transferred before"}
		}
		return NewBuffer(append([]byte(nil), data...)), nil
	})
}

// within says that err is about something at a place inside what is copied.
func within(err error, place string) error {
	if e, ok := errors.AsType[*CloneError](err); ok {
		e.Path = place + e.Path
	}
	return err
}
