package thread_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"math/big"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/tendproc/tend/thread"
)

type (
	flat   struct{ A, b int }
	named  []string
	inner  struct{ List []int }
	holder struct {
		inner
		Any  any
		Ptr  *flat
		Map  map[string]*flat
		Arr  [2][]byte
		priv func() // fine while nil
	}
	guarded struct {
		Name string
		mu   sync.Mutex // fine while unlocked
	}
	ring struct {
		Next *ring
		N    int
	}
	cause struct{ Err error }
	fn    func()
)

func TestCloneKeepsTypesAndValues(t *testing.T) {
	u, _ := url.Parse("http://me:pass@example.org/a?b=c#d")
	for _, v := range []any{
		nil, true, 1, int8(-1), uint64(math.MaxUint64), 1.5, float32(2), complex(1, 2), "text", 'r', time.Hour, fs.ModeDir,
		time.Now(), time.Date(2020, 1, 2, 3, 4, 5, 6, time.UTC), netip.MustParseAddrPort("[::1%lo]:80"),
		[]byte("bytes"), []byte(nil),
		[]byte{},
		[]any{1, "x", nil, []any{}},
		[]any(nil),
		map[string]any{"a": []any{1}, "b": nil},
		map[string]any(nil),
		named{"a"},
		[2]flat{{1, 2}, {3, 4}},
		flat{1, 2},
		&flat{1, 2}, (*flat)(nil),
		[]flat{{1, 2}},
		[]*flat{{1, 2}, nil},
		map[flat][]int{{1, 2}: {3}},
		map[any]any{1: "a", "b": 2, flat{1, 2}: nil},
		map[*int]int(nil),
		map[string]bool{"a": true},
		holder{inner: inner{[]int{1}}, Any: &flat{1, 2}, Ptr: &flat{3, 4}, Map: map[string]*flat{"x": {5, 6}}, Arr: [2][]byte{[]byte("a"), nil}},
		big.NewInt(-7), new(big.Int).Lsh(big.NewInt(1), 200), *big.NewInt(5), big.NewFloat(1.25), big.NewRat(1, 3), (*big.Int)(nil),
		http.Header{"A": {"b", "c"}},
		u,
		struct{}{},
		&struct{}{}, fn(nil), (chan int)(nil),
		cause{io.EOF},
		&guarded{Name: "g"},
		[]error{io.EOF, nil},
		&fs.PathError{Op: "open", Path: "/x", Err: os.ErrNotExist}, reflect.TypeFor[int](),
		map[string]any{"t": time.Unix(1, 2)},
	} {
		got, err := thread.Clone(v)
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%T %#v became %#v, %v", v, v, got, err)
		}
	}
	if got, err := thread.Clone(holder{Any: 1}); err != nil || got.Any != 1 {
		t.Error(got, err)
	}
	if got, err := thread.Clone[fmt.Stringer](nil); got != nil || err != nil {
		t.Error(got, err)
	}
	re := regexp.MustCompile("a|b")
	if got, err := thread.Clone(map[string]any{"re": re}); err != nil || got["re"] != re {
		t.Error(got, err)
	}
	if got, err := thread.Clone(map[float64]int{math.NaN(): 1}); err != nil || len(got) != 1 {
		t.Error(got, err)
	}
}

// Nothing of the original is reachable from the copy.
func TestCloneSharesNothing(t *testing.T) {
	n := big.NewInt(5)
	rat := big.NewRat(1, 3)
	v := holder{
		inner: inner{[]int{1}}, Any: map[string]any{"l": []any{1}, "n": n, "r": rat}, Ptr: &flat{1, 2},
		Map: map[string]*flat{"x": {3, 4}}, Arr: [2][]byte{[]byte("a"), []byte("b")},
	}
	got, err := thread.Clone(&v)
	if err != nil {
		t.Fatal(err)
	}
	n.Add(n, n)
	rat.Num().SetInt64(9)
	v.List[0], v.Any.(map[string]any)["l"].([]any)[0], v.Ptr.A, v.Map["x"].b, v.Arr[1][0] = 0, 0, 0, 0, 0
	v.Map["y"] = nil
	delete(v.Any.(map[string]any), "l")
	want := holder{
		inner: inner{[]int{1}}, Any: map[string]any{"l": []any{1}, "n": big.NewInt(5), "r": big.NewRat(1, 3)}, Ptr: &flat{1, 2},
		Map: map[string]*flat{"x": {3, 4}}, Arr: [2][]byte{[]byte("a"), []byte("b")},
	}
	if !reflect.DeepEqual(got, &want) {
		t.Errorf("%#v", got)
	}
	grown := make([]int, 1, 10)
	if got, err := thread.Clone(grown); err != nil || cap(got) != 1 {
		t.Error(cap(got), err)
	}
	if got, err := thread.Clone(append(make([]byte, 0, 10), 1)); err != nil || cap(got) == 10 {
		t.Error(cap(got), err)
	}
}

func TestCloneKeepsIdentityAndCycles(t *testing.T) {
	a := &ring{N: 1}
	a.Next = &ring{a, 2}
	got, err := thread.Clone(a)
	if err != nil || got == a || got.Next.Next != got || got.Next.N != 2 {
		t.Fatal(err)
	}
	m := map[string]any{}
	list := []any{m, nil}
	list[1] = list
	m["self"], m["list"], m["b"], m["b2"] = m, list, []byte("b"), nil
	m["b2"] = m["b"]
	typed := map[string]*ring{"a": a, "b": a}
	all, err := thread.Clone([]any{m, typed, typed, a, list})
	if err != nil {
		t.Fatal(err)
	}
	cm, ct, cl := all[0].(map[string]any), all[1].(map[string]*ring), all[4].([]any)
	cm["mark"] = 1
	cl[0].(map[string]any)["mark2"] = 1
	if cm["self"].(map[string]any)["mark"] != 1 || cm["mark2"] != 1 || m["mark"] != nil {
		t.Error("the map in itself is another one")
	}
	if cl[1] = "x"; cm["list"].([]any)[1] != "x" || list[1] == "x" {
		t.Error("the list in itself is another one")
	}
	if cm["b"].([]byte)[0] = 'x'; cm["b2"].([]byte)[0] != 'x' || string(m["b"].([]byte)) != "b" {
		t.Error("the bytes that occur twice are two")
	}
	if ct["a"] != ct["b"] || all[3] != any(ct["a"]) || ct["a"] == a {
		t.Error("one ring became several")
	}
	if reflect.ValueOf(all[1]).Pointer() != reflect.ValueOf(all[2]).Pointer() {
		t.Error("one typed map became two")
	}
	many := make([]*int, 100)
	for i := range many {
		many[i] = new(int)
	}
	twice, err := thread.Clone([][]*int{many, slices.Clone(many)})
	if err != nil || !reflect.DeepEqual(twice[0], twice[1]) {
		t.Fatal(err)
	}
	for i := range many {
		if twice[0][i] != twice[1][i] || twice[0][i] == many[i] {
			t.Fatal("a pointer that occurs twice became two", i)
		}
	}
}

func TestCloneRefuses(t *testing.T) {
	var locked sync.Mutex
	locked.Lock()
	held := &guarded{}
	held.mu.Lock()
	var counter atomic.Int64
	counter.Store(1)
	var builder strings.Builder
	builder.WriteString("x")
	for _, tt := range []struct {
		v    any
		path string
		typ  string
	}{
		{func() {}, "", "func()"},
		{make(chan int), "", "chan int"},
		{[]any{1, map[string]any{"f": func() {}}}, `[1]["f"]`, "func()"},
		{holder{Any: &holder{Map: map[string]*flat{}, Any: fn(func() {})}}, ".Any.Any", "thread_test.fn"},
		{map[string]holder{"k": {priv: func() {}}}, `["k"].priv`, "func()"},
		{held, ".mu", "sync.Mutex"},
		{&locked, "", "sync.Mutex"},
		{&counter, "", "atomic.Int64"},
		{[]*atomic.Int64{&counter}, "[0]", "atomic.Int64"},
		{&builder, ".addr", "*strings.Builder"},
		{bytes.NewBufferString("x"), ".buf", "[]uint8"},
		{os.Stdout, ".file", "*os.file"},
		{[1]any{make(chan int)}, "[0]", "chan int"},
		{map[int]any{-1: make(chan int)}, "[-1]", "chan int"},
		{unsafe.Pointer(&locked), "", "unsafe.Pointer"},
	} {
		_, err := thread.Clone(tt.v)
		e, ok := errors.AsType[*thread.CloneError](err)
		if !ok || e.Type.String() != tt.typ || e.Path != tt.path {
			t.Errorf("%T: %v", tt.v, err)
		}
	}
}

func TestCloneDepth(t *testing.T) {
	var long *ring
	deep := any(nil)
	for i := range 9_000 {
		long = &ring{long, i}
		deep = []any{deep}
	}
	for _, v := range []any{long, deep} {
		if _, err := thread.Clone(v); err != nil {
			t.Error(err)
		}
	}
	for i := range 2_000 {
		long = &ring{long, i}
		deep = map[string]any{"a": deep}
	}
	for _, v := range []any{long, deep} {
		if _, err := thread.Clone(v); err == nil || !strings.Contains(err.Error(), "nested deeper") || len(err.Error()) > 400 {
			t.Error("no limit")
		}
	}
}

// anything draws values of many shapes.
func anything(depth int) *rapid.Generator[any] {
	leaf := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int().AsAny(), rapid.String().AsAny(), rapid.Float64Range(-1e9, 1e9).AsAny(),
		rapid.SliceOf(rapid.Byte()).AsAny(), rapid.SliceOf(rapid.String()).AsAny(), rapid.MapOf(rapid.Int16(), rapid.String()).AsAny(),
		rapid.Make[flatOut]().AsAny(), rapid.Ptr(rapid.Int(), true).AsAny(),
	}
	if depth == 0 {
		return rapid.OneOf(leaf...)
	}
	sub := rapid.Deferred(func() *rapid.Generator[any] { return anything(depth - 1) })
	return rapid.OneOf(append(leaf,
		rapid.SliceOfN(sub, 0, 5).AsAny(), rapid.MapOfN(rapid.String(), sub, 0, 5).AsAny(),
		rapid.Custom(func(t *rapid.T) any {
			return &holder{Any: sub.Draw(t, "any"), inner: inner{rapid.SliceOf(rapid.Int()).Draw(t, "list")}}
		}),
		rapid.Custom(func(t *rapid.T) any { return map[string]holder{"h": {Any: sub.Draw(t, "any")}} }),
	)...)
}

type flatOut struct {
	A int
	B string
	C [3]uint8
	D time.Duration
}

// A copy equals its original, and a copy of the copy survives the end of both.
func TestCloneOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anything(3).Draw(t, "v")
		got, err := thread.Clone(v)
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Fatalf("%#v became %#v: %v", v, got, err)
		}
		keep, err := thread.Clone(got)
		if err != nil {
			t.Fatal(err)
		}
		spoil(v)
		if !reflect.DeepEqual(got, keep) {
			t.Fatalf("the copy changed with its original: %#v", got)
		}
	})
}

// spoil overwrites all the memory of v that it can reach.
func spoil(v any) {
	switch v := v.(type) {
	case []byte:
		clear(v)
	case []string:
		clear(v)
	case *int:
		if v != nil {
			*v++
		}
	case []any:
		for _, e := range v {
			spoil(e)
		}
		clear(v)
	case map[string]any:
		for _, e := range v {
			spoil(e)
		}
		clear(v)
	case map[int16]string:
		clear(v)
	case *holder:
		spoil(v.Any)
		clear(v.List)
		v.Any = nil
	case map[string]holder:
		for h := range maps.Values(v) {
			spoil(h.Any)
		}
		clear(v)
	}
}
