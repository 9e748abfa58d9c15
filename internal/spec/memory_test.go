package spec

import (
	"testing"

	"github.com/tendproc/tend/internal/fault"
)

func TestMemory(t *testing.T) {
	for word, want := range map[string]uint64{"": 0, "300M": 300 << 20, "1.5G": 3 << 29, "64k": 64 << 10, "1000": 1000, "2GB": 2 << 30} {
		if got, err := Memory(word); got != want || err != nil {
			t.Errorf("%q: %d, %v", word, got, err)
		}
	}
	for _, word := range []string{"0", "-1M", "M", "x", "1e99", "NaN", "inf"} {
		if got, err := Memory(word); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: %d, %v", word, got, err)
		}
	}
}
