// Package jsontext walks and writes JSON where an encoder that learns its types
// first is too slow. It decodes no more than it is asked for.
package jsontext

import (
	"encoding/json"
	"iter"
	"unicode/utf8"
)

// Members yields the members of the JSON object in data, in order: the name
// with its quotes, and the value's text. It walks without decoding, ends where
// the text stops being an object, and never looks deeper than it must: the
// values may hold invalid JSON.
func Members(data []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		i := Space(data, 0)
		if i >= len(data) || data[i] != '{' {
			return
		}
		for i++; ; i++ {
			start := Space(data, i)
			end, ok := skipString(data, start)
			if !ok {
				return
			}
			name := data[start:end]
			i = Space(data, end)
			if i >= len(data) || data[i] != ':' {
				return
			}
			start = Space(data, i+1)
			end, ok = skipValue(data, start)
			if !ok || !yield(name, data[start:end:end]) {
				return
			}
			i = Space(data, end)
			if i >= len(data) || data[i] != ',' {
				return
			}
		}
	}
}

// Elements yields the text of each element of the JSON array in data, as [Members] does.
func Elements(data []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		i := Space(data, 0)
		if i >= len(data) || data[i] != '[' {
			return
		}
		for i++; ; i++ {
			start := Space(data, i)
			end, ok := skipValue(data, start)
			if !ok || !yield(data[start:end:end]) {
				return
			}
			i = Space(data, end)
			if i >= len(data) || data[i] != ',' {
				return
			}
		}
	}
}

// Space returns where what stands after white space at i begins.
func Space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\r' || data[i] == '\n') {
		i++
	}
	return i
}

// skipString returns where the string that starts at i ends.
func skipString(data []byte, i int) (end int, ok bool) {
	if i >= len(data) || data[i] != '"' {
		return i, false
	}
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1, true
		}
	}
	return i, false
}

// skipValue returns where the value that starts at i ends.
func skipValue(data []byte, i int) (end int, ok bool) {
	start, depth := i, 0
	for i < len(data) {
		switch data[i] {
		case '"':
			if i, ok = skipString(data, i); !ok {
				return i, false
			}
			if depth == 0 {
				return i, true
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i, i > start
			}
			if depth--; depth == 0 {
				return i + 1, true
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i, i > start
			}
		}
		i++
	}
	return i, depth == 0 && i > start
}

// Text returns the string that value holds, or "" if it is no string.
func Text(value []byte) string {
	end, ok := skipString(value, 0)
	if !ok || end != len(value) {
		return ""
	}
	for _, c := range value {
		if c == '\\' || c < ' ' || c >= 0x80 {
			var s string
			if json.Unmarshal(value, &s) != nil {
				return ""
			}
			return s
		}
	}
	return string(value[1 : end-1])
}

// AppendString appends s as a JSON string, as encoding/json does where it does not
// escape HTML.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		n := plainLen(s)
		dst = append(dst, s[:n]...)
		if s = s[n:]; s == "" {
			return append(dst, '"')
		}
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r < utf8.RuneSelf:
			dst = appendEscape(dst, byte(r))
		case r == utf8.RuneError && size == 1:
			dst = append(dst, `\ufffd`...)
		case r == '\u2028', r == '\u2029': // no part of JavaScript's strings once
			dst = append(dst, `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
		default:
			dst = append(dst, s[:size]...)
		}
		s = s[size:]
	}
}

const hexDigits = "0123456789abcdef"

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
