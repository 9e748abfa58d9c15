package state

import (
	"bytes"
	"encoding/json"
	"maps"
	"strconv"
	"testing"
)

// journal gives the text of n changes, and the map after each.
func journal(t testing.TB, n int) (text []byte, after []values) {
	t.Helper()
	text, err := encodeHead(7)
	if err != nil {
		t.Fatal(err)
	}
	m := values{}
	after = append(after, maps.Clone(m))
	for i := range n {
		key, value := "k"+strconv.Itoa(i%5), []byte(strconv.Itoa(i))
		if i%4 == 3 {
			value = nil
			delete(m, key)
		} else {
			m[key] = value
		}
		c := change{Key: key, Value: value}
		if i%3 == 2 { // with another one, or not at all
			c = change{All: []change{c, {Key: "beside", Value: []byte(strconv.Itoa(i))}}}
			m["beside"] = c.All[1].Value
		}
		if text, err = appendChange(text, c); err != nil {
			t.Fatal(err)
		}
		after = append(after, maps.Clone(m))
	}
	return text, after
}

func same(a, b values) bool {
	return maps.EqualFunc(a, b, func(x, y json.RawMessage) bool { return bytes.Equal(x, y) })
}

// FuzzReplay damages a journal: what is read is what was written, up to some change.
func FuzzReplay(f *testing.F) {
	f.Add(0, byte(1), 1000)
	f.Add(100, byte(0x80), 200)
	f.Add(60, byte(0), 61)
	f.Fuzz(func(t *testing.T, at int, flip byte, cut int) {
		text, after := journal(t, 12)
		text = text[:min(max(0, cut), len(text))]
		if at >= 0 && at < len(text) {
			text[at] ^= flip
		}
		m := values{}
		good, lines, err := replay(7, m, text)
		if good > len(text) || lines >= len(after) || !same(m, after[lines]) {
			t.Errorf("%d good bytes of %d, %d lines, %v: %s", good, len(text), lines, err, m)
		}
	})
}

func FuzzSnapshot(f *testing.F) {
	f.Add([]byte("{}\n"), 3, byte(1))
	f.Fuzz(func(t *testing.T, junk []byte, at int, flip byte) {
		_, _, _ = decodeSnapshot(junk)
		_, want := journal(t, 9)
		text, err := encodeSnapshot(3, want[9])
		if err != nil {
			t.Fatal(err)
		}
		if at < 0 || at >= len(text) || flip == 0 {
			return
		}
		text[at] ^= flip
		number, m, err := decodeSnapshot(text)
		// The first line has no checksum of its own: a damage there may change the number.
		if err == nil && number == 3 && !same(m, want[9]) {
			t.Errorf("read %s", m)
		}
	})
}
