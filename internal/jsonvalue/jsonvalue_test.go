package jsonvalue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// all has a field of each kind that is decoded here.
type all struct {
	Data     string `json:"data,omitempty"`
	Int      int
	Small    int8             `json:"small"`
	Unsigned uint16           `json:"unsigned,omitempty"`
	Float    float64          `json:"float"`
	Half     float32          `json:"half,omitzero"`
	Bool     bool             `json:"bool"`
	Any      any              `json:"any"`
	Texts    []string         `json:"texts,omitempty"`
	Inner    inner            `json:"inner"`
	List     []inner          `json:"list"`
	Grid     [][]int          `json:"grid,omitempty"`
	Pointer  *int             `json:"pointer"`
	Next     *all             `json:"next,omitempty"`
	Twice    **inner          `json:"twice,omitempty"`
	Map      map[string]int   `json:"map,omitempty"`
	Deep     map[word][]inner `json:"deep,omitzero"`
	Anything map[string]any   `json:"anything"`
	Word     word             `json:"word,omitempty"`
	Raw      json.RawMessage  `json:"raw,omitempty"`
	Bytes    []byte           `json:"bytes,omitempty"`
	Time     time.Time        `json:"time"`
	Number   json.Number      `json:"number,omitempty"`
	Hidden   string           `json:"-"`
	Kk       string           `json:"kk,omitempty"`
}

// methods decodes by methods, and so is encoding/json's alone.
type methods struct {
	Data    string             `json:"data"`
	Address netip.Addr         `json:"address"`
	Error   error              `json:"error,omitempty"`
	Loud    loud               `json:"loud"`
	Louds   []loud             `json:"louds,omitempty"`
	Texting map[netip.Addr]int `json:"texting,omitempty"`
	Seen    [1]seen            `json:"seen,omitempty"`
}

// parts has those that are encoding/json's, and an any that may hold what decodes by methods.
type parts struct {
	Data      string         `json:"data"`
	Array     [3]int         `json:"array"`
	ByNumber  map[int]string `json:"byNumber,omitempty"`
	Quoted    quoted         `json:"quoted"`
	Embedding embedding      `json:"embedding"`
	Odd       odd            `json:"odd"`
	List      []inner        `json:"list"`
}

// hides has something that is not exported.
type hides struct {
	Data string `json:"data"`
	List []inner
	own  int
}

// seen is each text that it was decoded from.
type seen []string

func (s *seen) UnmarshalJSON(text []byte) error {
	*s = append(*s, string(text))
	return nil
}

type (
	word  string
	inner struct {
		X int `json:"x"`
		Y string
		Z []inner `json:"z,omitempty"`
	}
	quoted struct {
		N int `json:"n,string"`
	}
	embedding struct {
		inner
		Own int
	}
	odd struct {
		A any `json:"a b"`
		É int
	}
	loud int // writes and reads itself, but only where it has an address
)

func (l *loud) MarshalJSON() ([]byte, error) {
	if *l < 0 {
		return nil, errors.New("too low")
	}
	return fmt.Appendf(nil, `{ "loud": "<%d>" }`, *l), nil
}

func (l *loud) UnmarshalJSON(text []byte) error {
	*l = loud(len(text))
	if bytes.HasPrefix(text, []byte(`"no`)) {
		return errors.New("no")
	}
	return nil
}

var texts = []string{
	`{"data":"hello","Int":-5,"small":7,"unsigned":9,"float":1.5e3,"half":0.25,"bool":true,"any":{"a":[1,"x",null,false,{}],"b":[]}}`,
	` { "texts" : [ "a" , "\u00e9\n\ud83d\ude00\ud800x\/" , "é€😀" ] , "inner" : {"x":1,"Y":"y","z":[{"x":2},{}]} , "list" : [ {} , {"x":3} ] }`,
	`{"grid":[[1],[],[2,3],null],"pointer":5,"next":{"next":{"data":"x"}},"twice":{"x":1},"map":{"b":1,"a":2},"deep":{"k":[{"x":1}]},"anything":{"z":1e300}}`,
	`{"raw": {"a": [1, 2]},"bytes":"aGVsbG8=","time":"2026-11-27T10:00:00Z","address":"127.0.0.1","number":12.50,"array":[1,2,3,4],"byNumber":{"1":"x"}}`,
	`{"quoted":{"n":"5"},"embedding":{"x":1,"Own":2},"loud":"x","louds":[1,null,"no"],"-":"dash","odd":{"a b":1,"É":2},"word":"w","Hidden":"h","own":3}`,
	`{"DATA":"folded","KK":"1","kK":"2","\u0064ata":"escaped","unknown":{"deep":[1,{"a":"\""}]},"int":1,"INT":2}`,
	`{"data":null,"Int":null,"small":null,"unsigned":null,"float":null,"bool":null,"any":null,"texts":null,"inner":null,"pointer":null,"map":null,"raw":null,"time":null,"loud":null,"bytes":null}`,
	`{"list":[{"x":1},{"x":2,"Y":"y"}],"list":[{"Y":"z"}],"inner":{"x":1},"inner":{"Y":"q"},"map":{"a":1},"map":{"b":2},"any":1,"any":"2","texts":[]}`,
	`{"small":300}`, `{"small":1.5}`, `{"unsigned":-1}`, `{"float":1e999}`, `{"half":1e39}`, `{"any":1e999}`, `{"data":5}`, `{"bool":"x"}`, `{"texts":{}}`, `{"inner":[]}`, `{"map":[]}`,
	`{"data":"x","small":300,"bool":true}`, `{"data":"x","Int":1} x`, `{"data":"x",}`, `{"data":"x"`, `{"data" "x"}`, `{"data":"a` + "\n" + `b"}`, `{"data":"` + "\xff\xc3" + `é\t"}`,
	`null`, `5`, `"text"`, `[1,2,3]`, `[]`, `{}`, ` `, ``, `{"any":-0,"float":-0,"Int":-0}`, `{"any":01}`, `{"":1,"K":2}`, `{"error":null}`, `{"error":"x"}`, `{"number":"x"}`,
	`{"texting":{"::1":1}}`, `{"any":"` + strings.Repeat("long text ", 100) + `\n"}`, strings.Repeat(`{"next":`, 70) + "{}" + strings.Repeat("}", 70),
	strings.Repeat(`[`, 70) + strings.Repeat("]", 70), `{"any":` + strings.Repeat(`[`, 63) + strings.Repeat("]", 63) + `}`, `{"float":1e-7,"half":1e-10,"any":[1e21,1e-7,123456789.125]}`,
	`{"data":"` + strings.Repeat("y", 3000) + `","texts":["` + strings.Repeat(`short","`, 200) + strings.Repeat("z", 100) + `"]}`,
	`{"deep":5}`, `{"anything":"x"}`, `{"seen":["a",2],"data":5}`, `{"seen":[1]}`, `{"odd":{"a b":"a"},"data":5}`,
	"{\"data\":\"\u2028<&>\x7f\",\"anything\":{\"\u2029<\":\"\"}}", `{"k` + "\u017f" + `":1,"` + "\u212a" + `K":"kelvin"}`,
}

// strange has tags that linters warn of.
var strange = reflect.StructOf([]reflect.StructField{
	{Name: "A", Type: reflect.TypeFor[int](), Tag: `json:"x"`},
	{Name: "B", Type: reflect.TypeFor[int](), Tag: `json:"x"`},
	{Name: "Dash", Type: reflect.TypeFor[string](), Tag: `json:"-,"`},
	{Name: "Data", Type: reflect.TypeFor[string](), Tag: `json:",other"`},
	{Name: "Int", Type: reflect.TypeFor[int](), Tag: `json:"\"Int\""`},
})

// targets are pointers to what is decoded into: empty ones, and those that hold something.
func targets() []any {
	five := 5
	p := &inner{X: 9}
	full := all{
		Data: "old", Int: 1, Any: "old", Texts: []string{"a", "b", "c"}[:1], Inner: inner{X: 4, Z: []inner{{Y: "z"}}}, List: []inner{{X: 7, Y: "l"}, {X: 8}}[:1],
		Pointer: &five, Next: &all{Data: "next"}, Twice: &p, Map: map[string]int{"old": 1}, Anything: map[string]any{"old": 1.0}, Raw: json.RawMessage(`{"old":1}`), Bytes: []byte("old"),
		Hidden: "h", Float: 2,
	}
	var x any
	pointing := any(&inner{X: 1})
	return []any{
		&all{}, &full, &all{Int: 1}, &parts{}, &parts{Array: [3]int{1, 2}, Odd: odd{A: &seen{"old"}}}, &hides{}, &hides{Data: "old", own: 2}, &methods{}, &methods{Data: "old", Loud: 1, Seen: [1]seen{{"old"}}}, &x, &pointing, new(map[string]any), new([]any), new(*all), new(map[string]string), new([]inner), new(string), new(int), new(float32), new(bool), new(loud), new([]loud), reflect.New(strange).Interface(), new(json.RawMessage),
	}
}

func sameDecoding(t *testing.T, text []byte) {
	t.Helper()
	got, want := targets(), targets()
	for i := range got {
		err, wantErr := Decode(bytes.Clone(text), got[i]), json.Unmarshal(bytes.Clone(text), want[i])
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("%q into %T: %v, want %v", text, got[i], err, wantErr)
		}
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("%q into %T:\n%s", text, got[i], cmp.Diff(want[i], got[i], cmp.AllowUnexported(hides{}, embedding{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })))
		}
		if err == nil {
			sameEncoding(t, got[i])
			sameEncoding(t, reflect.ValueOf(got[i]).Elem().Interface())
		}
	}
}

func sameEncoding(t *testing.T, v any) {
	t.Helper()
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	wantErr := enc.Encode(v)
	got, err := Append([]byte("before"), v)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Errorf("%#v: %v, want %v", v, err, wantErr)
	}
	// A later Go writes U+FFFD for what is no UTF-8 as it is.
	same := func(a, b string) bool {
		return strings.ReplaceAll(a, `\ufffd`, "\ufffd") == strings.ReplaceAll(b, `\ufffd`, "\ufffd")
	}
	if err != nil && string(got) != "before" || err == nil && !same(string(got)+"\n", "before"+want.String()) {
		t.Errorf("%#v is written\n%s\nby encoding/json\n%s", v, got, &want)
	}
}

func TestDecode(t *testing.T) {
	for _, text := range texts {
		sameDecoding(t, []byte(text))
	}
	for _, v := range []any{nil, all{}, inner{}, (*all)(nil), new(chan int)} {
		err, want := Decode([]byte("{}"), v), json.Unmarshal([]byte("{}"), v)
		if fmt.Sprint(err) != fmt.Sprint(want) {
			t.Errorf("into %T: %v, want %v", v, err, want)
		}
	}
}

func TestAppend(t *testing.T) {
	ring := &all{}
	ring.Next = ring
	round := map[string]any{}
	round["round"] = round
	one := loud(1)
	for _, v := range []any{
		nil,
		all{},
		&all{Next: &all{}}, (*all)(nil), ring, round, math.NaN(), math.Inf(1), float32(1e-7), 1e-7, 1e-100, 1e20, 1e21, math.Copysign(0, -1), math.MaxFloat64, float32(3.4e38),
		loud(1), &one,
		[]loud{1, 2},
		[]loud{-1},
		[2]loud{1},
		map[string]loud{"a": 1},
		struct{ L loud }{1},
		&struct{ L loud }{1}, any(&one),
		[]any{loud(2), &one},
		make(chan int), (*chan int)(nil),
		[]chan int{},
		func() {},
		struct{ F func() }{},
		struct {
			F func() `json:",omitempty"`
		}{},
		complex(1, 1),
		map[string]any{"f": func() {}},
		map[bool]int{true: 1},
		map[string]any(nil), []any(nil), []int(nil), map[word]any(nil),
		map[word]string{"<b>": "x", "a": "\xff"},
		map[string]any{"\xff": 1, "\xfe": 1, "é": []any{}},
		[]any{int8(1), uint64(math.MaxUint64), int64(math.MinInt64), uintptr(5), word("w"), []byte("bytes"), json.Number("5.0"), json.Number("x"), json.RawMessage(` { } `), time.Unix(1, 0).UTC()},
		json.RawMessage("bad"), json.RawMessage(nil), errors.New("x"),
		struct{ E error }{},
		struct{ E error }{errors.New("x")},
		struct {
			Zero time.Time `json:",omitzero"`
			A    [0]int    `json:",omitempty"`
			S    inner     `json:",omitempty"`
			P    *int      `json:",omitempty"`
			I    any       `json:",omitempty"`
			Z    inner     `json:",omitzero"`
		}{},
		struct {
			C int `json:"c,string"`
		}{3},
		reflect.New(strange).Interface(), reflect.Zero(strange).Interface(),
	} {
		sameEncoding(t, v)
	}
}

// A string keeps no more memory than it must: most of a long text, or a block of short ones.
func TestMemory(t *testing.T) {
	type list struct {
		Data  string
		Texts []string
	}
	long := []byte(`{"data":"` + strings.Repeat("y", 10_000) + `"}`)
	short := []byte(`{"texts":["` + strings.Repeat(`short","`, 1000) + `"]}`)
	for _, c := range []struct {
		text []byte
		most float64
	}{{long, 3}, {short, 40}} {
		if got := testing.AllocsPerRun(10, func() { Decode(c.text, new(list)) }); got > c.most {
			t.Errorf("%.20s: %v allocations", c.text, got)
		}
	}
	half := []byte(`{"texts":["` + strings.Repeat("a", 5000) + `","` + strings.Repeat("b", 5000) + `"]}`)
	var v, w, x list
	if err := errors.Join(Decode(long, &v), Decode(short, &w), Decode(half, &x)); err != nil {
		t.Fatal(err)
	}
	clear(short)
	clear(half)
	if v.Data != strings.Repeat("y", 10_000) || w.Texts[0] != "short" || w.Texts[999] != "short" {
		t.Errorf("%.20q, %q", v.Data, w.Texts)
	}
	if x.Texts[0] != strings.Repeat("a", 5000) || x.Texts[1] != strings.Repeat("b", 5000) {
		t.Errorf("a string that is not most of a text shares its memory: %.20q", x.Texts)
	}
}

// What another goroutine builds is not seen before it is whole.
func TestAtOnce(t *testing.T) {
	type tree struct {
		Name string
		Sub  []tree
		Up   *tree
	}
	done := make(chan error)
	for range 8 {
		go func() {
			var v tree
			err := Decode([]byte(`{"Name":"a","Sub":[{"Name":"b"}],"Up":{"Name":"c"}}`), &v)
			if err == nil && (v.Sub[0].Name != "b" || v.Up.Name != "c") {
				err = fmt.Errorf("%+v", v)
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// What is not exported is somebody else's, who may be at it.
func TestUnexported(t *testing.T) {
	var v struct {
		Name string
		own  int
	}
	done := make(chan error)
	go func() { done <- Decode([]byte(`{"Name":"x","Name":5}`), &v) }()
	v.own++
	if err := <-done; err == nil || v.own != 1 || v.Name != "x" {
		t.Errorf("%+v, %v", v, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { sameDecoding(t, text) })
}

func FuzzAppend(f *testing.F) {
	f.Add("text", 1.5, int64(-1), uint64(1), true)
	f.Add("<\u2028\xff\n", 1e-7, int64(0), uint64(math.MaxUint64), false)
	f.Fuzz(func(t *testing.T, s string, x float64, i int64, u uint64, b bool) {
		for _, v := range []any{
			s, x, float32(x), i, u, b,
			map[string]any{s: x, "b": []any{i, u, s}, s + "2": nil},
			map[word]float32{word(s): float32(x)},
			all{Data: s, Int: int(i), Small: int8(i), Unsigned: uint16(u), Float: x, Half: float32(x), Bool: b, Any: s, Texts: []string{s, s}, Map: map[string]int{s: 1, "a": 2}, Bytes: []byte(s)},
		} {
			sameEncoding(t, v)
		}
	})
}

func bench() map[string]any {
	type record struct {
		ID     int      `json:"id"`
		Name   string   `json:"name"`
		Active bool     `json:"active"`
		Score  float64  `json:"score"`
		Tags   []string `json:"tags"`
	}
	type list struct {
		List []record `json:"list"`
	}
	records := list{}
	for i := range 100 {
		records.List = append(records.List, record{i * 1000003, fmt.Sprintf("Name of number %d", i), i%2 == 0, float64(i) * 1.37, []string{"alpha", "beta", "gamma"}})
	}
	type message struct {
		Data  string `json:"data,omitempty"`
		Count int    `json:"count,omitempty"`
		Done  bool   `json:"done,omitempty"`
	}
	return map[string]any{"100B": message{Data: strings.Repeat("y", 89)}, "10kB": message{Data: strings.Repeat("y", 9989)}, "records": records}
}

func BenchmarkAppend(b *testing.B) {
	for name, v := range bench() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = Append(dst[:0], v)
			}
		})
		b.Run(name+"/std", func(b *testing.B) {
			var buf bytes.Buffer
			enc := json.NewEncoder(&buf)
			for b.Loop() {
				buf.Reset()
				enc.Encode(v)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, v := range bench() {
		text, _ := Append(nil, v)
		for how, decode := range map[string]func([]byte, any) error{"": Decode, "/std": json.Unmarshal} {
			b.Run(name+how, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := decode(text, reflect.New(reflect.TypeOf(v)).Interface()); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(name+"/any"+how, func(b *testing.B) {
				for b.Loop() {
					var x any
					if err := decode(text, &x); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
