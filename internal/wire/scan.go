package wire

import (
	"strconv"

	"github.com/tendproc/tend/internal/jsontext"
)

// isName tells whether the member's name, quotes and escapes included, is want.
func isName(name []byte, want string) bool {
	if len(name) == len(want)+2 {
		return string(name[1:len(name)-1]) == want
	}
	return len(name) > len(want)+2 && jsontext.Text(name) == want
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
