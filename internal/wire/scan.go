package wire

import (
	"encoding/json"
	"iter"
	"strconv"
)

// members yields the members of the JSON object in data, in order: the name
// with its quotes, and the value's text. It walks without decoding, ends where
// the text stops being an object, and never looks deeper than it must: the
// values may hold invalid JSON.
func members(data []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		i := space(data, 0)
		if i >= len(data) || data[i] != '{' {
			return
		}
		for i++; ; i++ {
			start := space(data, i)
			end, ok := skipString(data, start)
			if !ok {
				return
			}
			name := data[start:end]
			i = space(data, end)
			if i >= len(data) || data[i] != ':' {
				return
			}
			start = space(data, i+1)
			end, ok = skipValue(data, start)
			if !ok || !yield(name, data[start:end:end]) {
				return
			}
			i = space(data, end)
			if i >= len(data) || data[i] != ',' {
				return
			}
		}
	}
}

func space(data []byte, i int) int {
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

// isName tells whether the member's name, quotes and escapes included, is want.
func isName(name []byte, want string) bool {
	if len(name) == len(want)+2 {
		return string(name[1:len(name)-1]) == want
	}
	return len(name) > len(want)+2 && text(name) == want
}

// text returns the string that value holds, or "" if it is no string.
func text(value []byte) string {
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

// integer returns the whole number that value holds.
func integer(value []byte) (n int64, ok bool) {
	if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(value), 64) // 1e3, 3000.0
	if err != nil || f != float64(int64(f)) {
		return 0, false
	}
	return int64(f), true
}

// isNull tells whether value is absent or null.
func isNull(value []byte) bool { return len(value) == 0 || string(value) == "null" }
