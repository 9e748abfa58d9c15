package thread

import (
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// plan makes a shallow copy deep: v is settable and holds what was assigned from
// the original. The plan of a type that refers to no memory is nil: assigning it
// is copying it.
type plan func(c *cloning, v reflect.Value) error

var plans sync.Map // reflect.Type → plan

func planOf(t reflect.Type) plan {
	if p, ok := plans.Load(t); ok {
		return p.(plan)
	}
	p := makePlan(t)
	plans.Store(t, p)
	return p
}

// lazily is planOf at the time it is needed: types may contain themselves.
func lazily(t reflect.Type) func() plan {
	return sync.OnceValue(func() plan { return planOf(t) })
}

var (
	asIs = map[reflect.Type]bool{
		reflect.TypeFor[time.Time](): true, reflect.TypeFor[*time.Location](): true, reflect.TypeFor[*regexp.Regexp](): true,
		reflect.TypeFor[netip.Addr](): true, reflect.TypeFor[netip.AddrPort](): true, reflect.TypeFor[netip.Prefix](): true,
	}
	// special are copied by value instead.
	special = map[reflect.Type]bool{
		reflect.TypeFor[*Port](): true, reflect.TypeFor[*Buffer](): true, reflect.TypeFor[*big.Int](): true,
	}
	errorType  = reflect.TypeFor[error]()
	sharedType = reflect.TypeFor[interface{ shared() }]()
	typeType   = reflect.TypeFor[reflect.Type]()
	lockType   = reflect.TypeFor[sync.Locker]()
)

func makePlan(t reflect.Type) plan {
	switch kind := t.Kind(); {
	case kind == reflect.Interface:
		return dynamic
	case asIs[t], t.Implements(errorType), t.Implements(sharedType), t.Implements(typeType):
		return nil
	case special[t]:
		return dynamic
	case t == reflect.TypeFor[big.Int]():
		return func(_ *cloning, v reflect.Value) error { return renew(v.Addr().Interface().(*big.Int)) }
	case t == reflect.TypeFor[big.Float]():
		return func(_ *cloning, v reflect.Value) error { return renew(v.Addr().Interface().(*big.Float)) }
	case t == reflect.TypeFor[big.Rat]():
		return func(_ *cloning, v reflect.Value) error { return renew(v.Addr().Interface().(*big.Rat)) }
	case isLock(t):
		return refuse(noLock)
	case kind == reflect.Struct:
		return structPlan(t)
	case kind == reflect.Pointer:
		return pointerPlan(t)
	case kind == reflect.Slice:
		return slicePlan(t)
	case kind == reflect.Array:
		return arrayPlan(t)
	case kind == reflect.Map:
		return mapPlan(t)
	case kind == reflect.Func, kind == reflect.Chan, kind == reflect.UnsafePointer:
		return refuse("functions, channels and unsafe pointers cannot be copied")
	}
	return nil // numbers, strings, booleans
}

const noLock = "a lock or an atomic: Share it, or leave it out"

func isLock(t reflect.Type) bool {
	return t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(lockType)
}

// refuse is for what has no copy; nothing at all has.
func refuse(reason string) plan {
	return func(_ *cloning, v reflect.Value) error {
		if v.IsZero() {
			return nil
		}
		return &CloneError{Type: v.Type(), Reason: reason}
	}
}

// dynamic is for what an interface holds, and for what [cloning.value] knows.
func dynamic(c *cloning, v reflect.Value) error {
	if v.IsNil() {
		return nil
	}
	to, err := c.value(v.Interface())
	if err == nil {
		v.Set(reflect.ValueOf(to))
	}
	return err
}

// renew gives a number memory of its own.
func renew[T any, N interface {
	*T
	Set(N) N
}](n N,
) error {
	var to N = new(T)
	to.Set(n)
	*n = *to
	return nil
}

func structPlan(t reflect.Type) plan {
	type field struct {
		index int
		name  string
		plan  plan
	}
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		p := planOf(f.Type)
		switch {
		case p == nil:
			continue
		case isLock(f.Type) && f.Type.Size() == 0:
			return refuse(noLock) // a mark, as in sync/atomic
		}
		if !f.IsExported() && (!f.Anonymous || f.Type.Kind() != reflect.Struct) {
			p = refuse("an unexported field that refers to memory: only its package could copy it")
		}
		fields = append(fields, field{i, "." + f.Name, p})
	}
	if fields == nil {
		return nil
	}
	return func(c *cloning, v reflect.Value) error {
		for _, f := range fields {
			if err := f.plan(c, v.Field(f.index)); err != nil {
				return within(err, f.name)
			}
		}
		return nil
	}
}

func pointerPlan(t reflect.Type) plan {
	elem := lazily(t.Elem())
	return func(c *cloning, v reflect.Value) error {
		if v.IsNil() {
			return nil
		}
		id := identity{v.Pointer(), 0, t}
		if to, ok := c.seen(id); ok {
			v.Set(reflect.ValueOf(to))
			return nil
		}
		if err := c.down(t); err != nil {
			return err
		}
		defer c.up()
		to := reflect.New(t.Elem())
		to.Elem().Set(v.Elem())
		v.Set(to.Convert(t))
		c.note(id, v.Interface())
		if p := elem(); p != nil {
			return p(c, to.Elem())
		}
		return nil
	}
}

func slicePlan(t reflect.Type) plan {
	elem := lazily(t.Elem())
	return func(c *cloning, v reflect.Value) error {
		if v.IsNil() {
			return nil
		}
		id := identity{v.Pointer(), v.Len(), t}
		if to, ok := c.seen(id); ok {
			v.Set(reflect.ValueOf(to))
			return nil
		}
		if err := c.down(t); err != nil {
			return err
		}
		defer c.up()
		to := reflect.MakeSlice(t, v.Len(), v.Len())
		reflect.Copy(to, v)
		v.Set(to)
		c.note(id, v.Interface())
		return each(c, elem(), to)
	}
}

func arrayPlan(t reflect.Type) plan {
	elem := planOf(t.Elem())
	if elem == nil {
		return nil
	}
	return func(c *cloning, v reflect.Value) error { return each(c, elem, v) }
}

func each(c *cloning, p plan, v reflect.Value) error {
	if p == nil {
		return nil
	}
	for i := range v.Len() {
		if err := p(c, v.Index(i)); err != nil {
			return within(err, "["+strconv.Itoa(i)+"]")
		}
	}
	return nil
}

func mapPlan(t reflect.Type) plan {
	key, elem := lazily(t.Key()), lazily(t.Elem())
	return func(c *cloning, v reflect.Value) error {
		if v.IsNil() {
			return nil
		}
		id := identity{v.Pointer(), 0, t}
		if to, ok := c.seen(id); ok {
			v.Set(reflect.ValueOf(to))
			return nil
		}
		if err := c.down(t); err != nil {
			return err
		}
		defer c.up()
		to := reflect.MakeMapWithSize(t, v.Len())
		c.note(id, to.Interface())
		if err := entries(c, to, v, [2]plan{key(), elem()}); err != nil {
			return err
		}
		v.Set(to)
		return nil
	}
}

// entries copies those of from into to, by the plans of keys and elements.
func entries(c *cloning, to, from reflect.Value, plans [2]plan) error {
	key, elem := reflect.New(from.Type().Key()).Elem(), reflect.New(from.Type().Elem()).Elem()
	for it := from.MapRange(); it.Next(); {
		key.SetIterKey(it)
		elem.SetIterValue(it)
		for i, v := range []reflect.Value{key, elem} {
			if plans[i] == nil {
				continue
			}
			if err := plans[i](c, v); err != nil {
				return within(err, fmt.Sprintf("[%#v]", it.Key()))
			}
		}
		to.SetMapIndex(key, elem)
	}
	return nil
}
