package jsonvalue

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Types, values and texts made at random are encoded and decoded as encoding/json has it.
func TestRandom(t *testing.T) {
	for seed := range uint64(400) {
		r := random{rand.New(rand.NewPCG(seed, 0))}
		typ := r.typ(4)
		for range 6 {
			value, filled := r.Uint64(), r.IntN(3) > 0
			target := func() reflect.Value {
				v := reflect.New(typ)
				if filled {
					random{rand.New(rand.NewPCG(value, 0))}.fill(v.Elem(), 4)
				}
				return v
			}
			sameEncoding(t, target().Interface())
			sameEncoding(t, target().Elem().Interface())
			text := r.spoil(r.text(typ, 5))
			got, want := target(), target()
			err, wantErr := Decode([]byte(text), got.Interface()), json.Unmarshal([]byte(text), want.Interface())
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Errorf("seed %d: %q into %v: %v, want %v", seed, text, typ, err, wantErr)
			}
			if !reflect.DeepEqual(got.Interface(), want.Interface()) {
				t.Errorf("seed %d: %q into %v: %+v, want %+v", seed, text, typ, got.Elem(), want.Elem())
			}
		}
		if t.Failed() {
			return
		}
	}
}

type random struct{ *rand.Rand }

func of[T any](r random, list ...T) T { return list[r.IntN(len(list))] }

// leaves are what random types are made of; those decoded by methods are few, for each
// leaves a whole type to encoding/json.
var leaves = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint64](), reflect.TypeFor[float32](), reflect.TypeFor[float64](),
	reflect.TypeFor[string](), reflect.TypeFor[string](), reflect.TypeFor[any](), reflect.TypeFor[any](), reflect.TypeFor[word](), reflect.TypeFor[inner](), reflect.TypeFor[[]byte](),
	reflect.TypeFor[json.Number](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[time.Time](), reflect.TypeFor[embedding](), reflect.TypeFor[quoted](), reflect.TypeFor[all](),
	reflect.TypeFor[seen](), reflect.TypeFor[chan int](),
}

func (r random) typ(depth int) reflect.Type {
	if depth == 0 {
		return of(r, leaves...)
	}
	switch r.IntN(8) {
	case 0:
		return of(r, leaves...)
	case 1:
		return reflect.PointerTo(r.typ(depth - 1))
	case 2:
		return reflect.SliceOf(r.typ(depth - 1))
	case 3:
		return reflect.ArrayOf(r.IntN(3), r.typ(depth-1))
	case 4:
		return reflect.MapOf(of(r, reflect.TypeFor[string](), reflect.TypeFor[word](), reflect.TypeFor[int](), reflect.TypeFor[json.Number]()), r.typ(depth-1))
	}
	var fields []reflect.StructField
	for _, name := range []string{"A", "Aa", "AA", "K", "É", "x"}[r.IntN(6):] {
		f := reflect.StructField{Name: name, Type: r.typ(depth - 1)}
		f.Tag = of(r, "", reflect.StructTag(`json:"`+of(r, "", "a", "A", "aA", "-", "k", "a b", "ſ")+of(r, "", ",omitempty", ",omitzero", ",string", ",other")+`"`))
		if name == "x" {
			f.PkgPath = "jsonvalue"
		}
		fields = append(fields, f)
	}
	return reflect.StructOf(fields)
}

// fill stores something in most of v.
func (r random) fill(v reflect.Value, depth int) {
	if !v.CanSet() || depth == 0 || r.IntN(4) == 0 {
		return
	}
	switch t := v.Type(); t.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8:
		v.SetInt(int64(r.Uint64()) >> r.IntN(64))
	case reflect.Uint8, reflect.Uint16, reflect.Uint64:
		v.SetUint(r.Uint64() >> r.IntN(64))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(of(r, 1.5, 1e21, 1e-7, 1e-10, 9.99e-7, math.MaxFloat32, math.SmallestNonzeroFloat32, float64(r.IntN(1e6))/100))
	case reflect.String:
		v.SetString(of(r, "1", "a", "é€😀", "<&>\u2028\x7f", "\x00\x1f", "line\n\"q\\", strings.Repeat("x", 65)))
	case reflect.Interface:
		if in := reflect.New(r.typ(depth - 1)); t.NumMethod() == 0 {
			r.fill(in.Elem(), depth-1)
			v.Set(of(r, in, in.Elem()))
		}
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		r.fill(v.Elem(), depth-1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(t, 3, 4))
		for i := range 3 {
			r.fill(v.Index(i), depth-1)
		}
		v.SetLen(r.IntN(4))
	case reflect.Map:
		v.Set(reflect.MakeMap(t))
		for range r.IntN(4) {
			key, elem := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
			r.fill(key, 1)
			r.fill(elem, depth-1)
			v.SetMapIndex(key, elem)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			r.fill(v.Field(i), depth-1)
		}
	}
}

// text is JSON that fits t, but for some of its values.
func (r random) text(t reflect.Type, depth int) string {
	if depth == 0 || r.IntN(8) == 0 {
		return of(r, "null", "true", "0", "-0", "-1", "128", "65536", "9223372036854775808", "1.5", "1e3", "1e400", `""`, `"5"`, `"aGVsbG8="`, `"\u00e9\ud83d\ude00\ud800x"`, "\"\xff\"", `"2026-11-27T10:00:00Z"`, ` "x" `)
	}
	var parts []string
	switch t.Kind() {
	case reflect.Pointer:
		return r.text(t.Elem(), depth)
	case reflect.Slice, reflect.Array:
		for range r.IntN(5) {
			parts = append(parts, r.text(t.Elem(), depth-1))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case reflect.Map:
		for range r.IntN(4) {
			parts = append(parts, of(r, `"a"`, `"5"`, `"\u0061"`, ` "é" `)+":"+r.text(t.Elem(), depth-1))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case reflect.Struct:
		for range r.IntN(2 * (t.NumField() + 1)) {
			f := t.Field(r.IntN(t.NumField()))
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			name = of(r, name, f.Name, strings.ToLower(f.Name), strings.ToUpper(name), "unknown")
			parts = append(parts, strconv.Quote(name)+":"+r.text(f.Type, depth-1))
		}
		return "{" + strings.Join(parts, ",\n") + "}"
	case reflect.String:
		return of(r, `"text"`, `"line\n"`, `"`+strings.Repeat("y", 2000)+`"`)
	case reflect.Interface:
		return r.text(reflect.TypeFor[map[string][]string](), depth-1)
	default:
		return strconv.Itoa(r.IntN(150))
	}
}

// spoil makes some texts invalid.
func (r random) spoil(text string) string {
	at := r.IntN(len(text) + 1)
	switch r.IntN(12) {
	case 0:
		return text[:at]
	case 1:
		return text[:at] + of(r, "{", "}", "[", "]", `"`, ",", ":", `\`, "0", "\x00", "\xff") + text[at:]
	case 2:
		return text + of(r, " ", "x", "]", ",", "\n")
	}
	return text
}
