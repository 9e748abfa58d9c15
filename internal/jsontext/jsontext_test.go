package jsontext

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// What is valid JSON is walked as a decoder walks it; the rest ends the walk.
func FuzzWalk(f *testing.F) {
	for _, text := range []string{`{"a":1,"b\"":[1,{"c":"]"}]}`, ` [ 1 , "x,]" , {} , [ ] , null ] `, `{}`, `[]`, `[1,`, `{"a"`, `{"a":}`, "", `"é\n"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var members []json.RawMessage
		for name, value := range Members(text) {
			members = append(members, name, value)
		}
		var elements []json.RawMessage
		for value := range Elements(text) {
			elements = append(elements, value)
		}
		if !json.Valid(text) {
			return
		}
		var list []json.RawMessage
		if json.Unmarshal(text, &list) == nil && !same(list, elements) {
			t.Errorf("%s has the elements %q", text, elements)
		}
		dec := json.NewDecoder(bytes.NewReader(text))
		if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
			members = nil
		}
		for i := 0; i < len(members); i += 2 {
			name, err := dec.Token()
			var value json.RawMessage
			if err != nil || dec.Decode(&value) != nil || name != Text(members[i]) || string(value) != string(members[i+1]) {
				t.Fatalf("%s has %s: %s", text, members[i], members[i+1])
			}
		}
		if len(members) > 0 && dec.More() {
			t.Errorf("%s has more than %q", text, members)
		}
	})
}

func same(a, b []json.RawMessage) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(bytes.TrimSpace(a[i]), b[i]) {
			return false
		}
	}
	return true
}

func FuzzString(f *testing.F) {
	for _, s := range []string{
		"", "web", `"\`, "<b>&", "é\n\x00\x7f", "\xff", "\u2028", strings.Repeat("x", 300), strings.Repeat("x", 5000) + "\t",
		strings.Repeat("x", 99) + "é" + strings.Repeat("x", 99), "\b\f\r\x1b\u2029\ufffd😀\xf0\x9f", strings.Repeat("\xc3", 100),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := AppendString([]byte("x"), s)
		var std bytes.Buffer
		enc := json.NewEncoder(&std)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil || strings.ReplaceAll(string(got[1:]), `\ufffd`, "\ufffd")+"\n" != strings.ReplaceAll(std.String(), `\ufffd`, "\ufffd") {
			t.Errorf("%q is written %s, by encoding/json %s", s, got[1:], &std)
		}
		var want, back string
		quoted, err := json.Marshal(s)
		if err == nil {
			err = json.Unmarshal(quoted, &want) // what is no UTF-8 is replaced
		}
		if err == nil {
			err = json.Unmarshal(got[1:], &back)
		}
		if err != nil || got[0] != 'x' || back != want || Text(got[1:]) != want {
			t.Errorf("%q is written %s: %v", s, got, err)
		}
	})
}
