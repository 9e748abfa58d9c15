package wire

import (
	"encoding/hex"
	"errors"
	"math"
	"math/big"
	"reflect"
	"testing"
	"time"
)

func TestCloneRoundTrip(t *testing.T) {
	big1, _ := new(big.Int).SetString("-123456789012345678901234567890", 10)
	for _, v := range []any{
		nil,
		Undefined{},
		true, false, 0, -1, math.MaxInt32, math.MinInt32, 2147483648.0, 1.5, math.Inf(-1), math.Copysign(0, -1),
		"", "abc", "é", "€", "a€😀", big1, big.NewInt(0), time.UnixMilli(1700000000123).UTC(),
		InvalidDate{},
		[]any{},
		[]any{1, "x", nil, []any{2}},
		map[string]any{},
		map[string]any{"a": 1, "é": "€", "7": []any{}, "4294967295": 1},
		&Map{[]MapEntry{{"k", 1}, {map[string]any{"o": 1}, nil}}}, &Set{[]any{1, "1"}},
		RegExp{"a|b", "gi"},
		RegExp{"a", "dv"},
		&Error{Name: "TypeError", Message: "m", Stack: "s"}, &Error{Name: "Error", Message: "m", Cause: &Error{Name: "RangeError"}},
		[]any{&Error{Name: "Error", Stack: "s", Cause: []any{"c"}}, 1},
		[]byte("hi"),
		[]byte{},
		ArrayBuffer{1, 2},
		View{Float64Array, make([]byte, 16)},
		View{DataView, []byte{1}},
		Boxed{true},
		Boxed{false},
		Boxed{1.5},
		Boxed{"s"},
		Boxed{big.NewInt(5)},
		&Array{Length: 5, Items: map[uint32]any{3: "x"}, Members: map[string]any{"m": true}},
	} {
		frame, err := AppendAdvanced([]byte("before"), v)
		if err != nil {
			t.Errorf("%#v: %v", v, err)
			continue
		}
		body, rest, err := NextAdvanced(frame[len("before"):], 1<<20)
		if err != nil || len(rest) > 0 {
			t.Fatal(err)
		}
		got, err := ParseAdvanced(body)
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%#v became %#v, %v", v, got, err)
		}
	}
}

func TestCloneOfGoTypes(t *testing.T) {
	type point struct{ X, Y int }
	for _, c := range []struct{ in, want any }{
		{int64(7), 7},
		{uint32(math.MaxUint32), float64(math.MaxUint32)},
		{float32(1.5), 1.5},
		{3.0, 3},
		{[]int{1, 2}, []any{1, 2}},
		{[]string(nil), nil},
		{map[string]int{"a": 1}, map[string]any{"a": 1}},
		{map[string]any(nil), nil},
		{point{1, 2}, map[string]any{"X": 1, "Y": 2}},
		{&point{1, 2}, map[string]any{"X": 1, "Y": 2}},
		{[]point{{1, 2}, {1, 2}}, []any{map[string]any{"X": 1, "Y": 2}, map[string]any{"X": 1, "Y": 2}}},
		{(*Map)(nil), nil},
	} {
		frame, err := AppendAdvanced(nil, c.in)
		if err != nil {
			t.Errorf("%#v: %v", c.in, err)
			continue
		}
		if got, err := ParseAdvanced(frame[4:]); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%#v became %#v, %v", c.in, got, err)
		}
	}
	for _, bad := range []any{make(chan int), func() {}, Boxed{1}, View{Int16Array, []byte{1}}, View{Float16Array, []byte{1, 2}}, &Array{Length: 1, Items: map[uint32]any{1: 1}}} {
		if out, err := AppendAdvanced(nil, bad); !errors.Is(err, ErrClone) || len(out) > 0 {
			t.Errorf("%T: %v", bad, err)
		}
	}
}

func TestCloneCycles(t *testing.T) {
	m := map[string]any{}
	list := []any{m, nil}
	list[1] = list
	m["self"], m["list"], m["set"] = m, list, &Set{[]any{m}}
	frame, err := AppendAdvanced(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ParseAdvanced(frame[4:])
	if err != nil {
		t.Fatal(err)
	}
	got := v.(map[string]any)
	got["mark"] = 1
	if got["self"].(map[string]any)["mark"] != 1 {
		t.Error("self is another object")
	}
	if got["list"].([]any)[0].(map[string]any)["mark"] != 1 {
		t.Error("the list's first is another object")
	}
	if got["list"].([]any)[1].([]any)[0].(map[string]any)["mark"] != 1 {
		t.Error("the list in itself is another one")
	}
	if _, err := AppendJSON(nil, v); !errors.Is(err, ErrClone) {
		t.Errorf("a cycle as JSON: %v", err)
	}
	loop := &Error{Name: "Error"}
	loop.Cause = []any{loop}
	if _, err := AppendAdvanced(nil, loop); !errors.Is(err, ErrClone) {
		t.Errorf("an error in its cause: %v", err)
	}
	deep := any(nil)
	for range cloneDepth + 2 {
		deep = []any{deep}
	}
	if _, err := AppendAdvanced(nil, deep); !errors.Is(err, ErrClone) {
		t.Errorf("too deep: %v", err)
	}
}

func TestCloneRefusesBadBytes(t *testing.T) {
	for _, in := range []string{
		"", "ff", "ff0f", "ff1030", "fe0f30", "ff0f3030", "ff0f4f", "ff0f22ff", "ff0f6303aaaaaa", "ff0f5e00",
		"ff0f6f7b01", "ff0f6f2201617b00", "ff0f41ffffffff0f", "ff0f410130240001ff", "ff0f4130", "ff0f5c0000", "ff0f5c000399",
		"ff0f5c0008030102", "ff0f5affffffffffffffffff01", "ff0f4e00", "ff0f723f2e", "ff0f3b3a02", "ff0f272c01",
		"ff0f61ffffffffff0f", "ff0f49ffffffffffffffffffff01", "ff0f5c02", "ff0f00",
		// Two arrays that each claim all the bytes there are.
		"ff0f41044104303030302400042400",
	} {
		data, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := ParseAdvanced(data); !errors.Is(err, ErrClone) {
			t.Errorf("%s: %#v %v", in, v, err)
		}
	}
}

func TestAppendJSON(t *testing.T) {
	v := map[string]any{
		"u": Undefined{}, "d": time.UnixMilli(0), "b": []byte("hi"), "n": math.NaN(), "m": &Map{}, "l": []any{Undefined{}, 1},
		"a": &Array{Length: 2, Items: map[uint32]any{1: "x"}}, "s": Boxed{"s"},
	}
	want := `{"a":[null,"x"],"b":{"data":[104,105],"type":"Buffer"},"d":"1970-01-01T00:00:00.000Z","l":[null,1],"m":{},"n":null,"s":"s"}`
	if got, err := AppendJSON(nil, v); string(got) != want || err != nil {
		t.Errorf("%s %v", got, err)
	}
}
