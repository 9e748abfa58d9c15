package jsontext

import (
	"bytes"
	"math/bits"
	"strings"
)

const (
	each  = 0x0101010101010101
	highs = 0x8080808080808080

	wideFrom = 64   // where a run is so long that it pays to look far ahead
	window   = 4096 // how far, so that it is not done again and again for nothing
)

// plainLen returns how many bytes at the beginning of s stand for themselves in a JSON
// string: ASCII, no quote, no backslash and no control character.
func plainLen[T string | []byte](s T) int {
	i, wide := 0, wideFrom
	for len(s)-i >= 8 {
		if i >= wide {
			if n := plainAhead(s[i:min(len(s), i+window)]); n > 0 {
				i += n
				continue
			}
			wide = i + window
		}
		x := word8(s[i:])
		if m := (x - each*' ' | (x ^ each*'"' - each) | (x ^ each*'\\' - each) | x) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)/8 // the first is right, though not all behind it
		}
		i += 8
	}
	for i < len(s) && s[i] >= ' ' && s[i] < 0x80 && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

// plainAhead is a part of plainLen of a long s, or 0. Two searches that the processor
// does 32 bytes at a time leave but control characters and what is not ASCII.
func plainAhead[T string | []byte](s T) int {
	s = before(before(s, '"'), '\\')
	var seen uint64
	n := 0
	for ; len(s)-n >= 32; n += 32 {
		a, b, c, d := word8(s[n:]), word8(s[n+8:]), word8(s[n+16:]), word8(s[n+24:])
		seen |= (a - each*' ') | a | (b - each*' ') | b | (c - each*' ') | c | (d - each*' ') | d
	}
	if seen&highs != 0 {
		return 0
	}
	return n
}

// before returns s up to the first c.
func before[T string | []byte](s T, c byte) T {
	i := -1
	switch s := any(s).(type) {
	case string:
		i = strings.IndexByte(s, c)
	case []byte:
		i = bytes.IndexByte(s, c)
	}
	if i < 0 {
		return s
	}
	return s[:i]
}

func word8[T string | []byte](s T) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
