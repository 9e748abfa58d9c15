package jsontext

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

var compactSeeds = []string{
	`{}`, `[]`, `[[],{}]`, `{"a":{}}`, `{"a":[1,-0,1.5,1e9,-2.5E-3],"b":"c"}`, `""`, `"\u00e9\n\"\\\/"`, `true`, `false`, `null`, `0`, `-1`,
	`"0123456789abcdef"`, `"01234567\"9"`, `{"é":"€😀"}`, `[1,[2,[3,[]]],{"x":[{}]}]`, `[{},{},[],1]`,
	"", ` `, `{`, `}`, `[1,]`, `[,1]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `01`, `1.`, `.5`, `-`, `1e`, `+1`, `"`, `"\x"`, `"\u12g4"`, `"\u12`,
	"\"\n\"", "\"\x00\"", `tru`, `truex`, `nul`, `[1 2]`, `[1, 2]`, `{"a": 1}`, `[}`, `{]`, `[1}`, `{"a":1]`, `1 `, "[\n]", `[]]`, `{}{}`, `"a""b"`, `1,2`, `{"a":1,2}`,
}

func checkCompact(t *testing.T, text []byte) {
	var buf bytes.Buffer
	err := json.Compact(&buf, text)
	same := err == nil && bytes.Equal(buf.Bytes(), text)
	switch got := IsCompact(text); {
	case got && !same:
		t.Errorf("%q passes for JSON without white space: %v", text, err)
	case same && !got && bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) <= 64:
		t.Errorf("%q does not pass for JSON", text)
	}
}

func TestIsCompact(t *testing.T) {
	for _, s := range compactSeeds {
		checkCompact(t, []byte(s))
	}
	for _, depth := range []int{63, 64, 65, 1000} {
		checkCompact(t, []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
		checkCompact(t, []byte(strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)))
	}
	// Each byte at each place of the eight that are looked at together.
	for place := range 9 {
		for c := range 256 {
			text := []byte(`"abcdefghijklmnopq"`)
			text[1+place] = byte(c)
			checkCompact(t, text)
		}
	}
}

func FuzzIsCompact(f *testing.F) {
	for _, s := range compactSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkCompact(t, text) })
}
