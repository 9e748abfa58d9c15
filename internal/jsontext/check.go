package jsontext

import "bytes"

// MaxDepth is how deep values may nest to be looked at here. encoding/json takes more.
const MaxDepth = 64

// IsCompact tells that text is one JSON value without white space between its tokens.
// It may miss one that nests deeper than [MaxDepth].
func IsCompact(text []byte) bool {
	return len(text) > 0 && check(text, 0, MaxDepth, true) == len(text)
}

// Check returns where the JSON value that begins at i ends, -1 if it is not valid or
// nests deeper than depth.
func Check(text []byte, i, depth int) (end int) { return check(text, i, depth, false) }

func check(text []byte, i, depth int, compact bool) (end int) {
	if i >= len(text) {
		return -1
	}
	switch text[i] {
	case '"':
		end, _ = String(text, i)
		return end
	case '{', '[':
		return checkList(text, i, depth, compact)
	case 't':
		return word(text, i, "true")
	case 'f':
		return word(text, i, "false")
	case 'n':
		return word(text, i, "null")
	}
	return Number(text, i)
}

// checkList is check of an object or array.
func checkList(text []byte, i, depth int, compact bool) (end int) {
	object, last := text[i] == '{', text[i]+2 // '}' and ']' are two on
	next := func(i int) int {
		if compact {
			return i
		}
		return Space(text, i)
	}
	if i = next(i + 1); i < len(text) && text[i] == last && depth > 0 {
		return i + 1
	}
	for depth > 0 {
		if object {
			if i, _ = String(text, i); i < 0 {
				return -1
			}
			if i = next(i); i >= len(text) || text[i] != ':' {
				return -1
			}
			i = next(i + 1)
		}
		if i = check(text, i, depth-1, compact); i < 0 {
			return -1
		}
		switch i = next(i); {
		case i < len(text) && text[i] == last:
			return i + 1
		case i >= len(text) || text[i] != ',':
			return -1
		}
		i = next(i + 1)
	}
	return -1
}

func word(text []byte, i int, want string) (end int) {
	if bytes.HasPrefix(text[i:], []byte(want)) {
		return i + len(want)
	}
	return -1
}

// String returns where the string that begins at i ends, -1 if it is not valid. It is
// plain if it is what stands between the quotes: ASCII, without an escape.
func String(text []byte, i int) (end int, plain bool) {
	if i >= len(text) || text[i] != '"' {
		return -1, false
	}
	plain = true
	for i++; ; i++ {
		if i += plainLen(text[i:]); i >= len(text) || text[i] < ' ' {
			return -1, false
		}
		switch text[i] {
		case '"':
			return i + 1, plain
		case '\\':
			if i = escape(text, i+1); i < 0 {
				return -1, false
			}
		default:
			for i+1 < len(text) && text[i+1] >= 0x80 {
				i++
			}
		}
		plain = false
	}
}

// escape returns the place of the last byte of an escape whose backslash stands before i.
func escape(text []byte, i int) int {
	if i >= len(text) {
		return -1
	}
	switch text[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i
	case 'u':
		if i+4 < len(text) && hex4(text[i+1:i+5]) {
			return i + 4
		}
	}
	return -1
}

func hex4(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

// Number returns where the number that begins at i ends, -1 if there is none.
func Number(text []byte, i int) (end int) {
	if i < len(text) && text[i] == '-' {
		i++
	}
	start := i
	if i = digits(text, i); i < 0 || text[start] == '0' && i > start+1 {
		return -1
	}
	if i < len(text) && text[i] == '.' {
		if i = digits(text, i+1); i < 0 {
			return -1
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		return digits(text, i)
	}
	return i
}

// digits skips one digit or more.
func digits(text []byte, i int) (end int) {
	start := i
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
