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

func TestLimits(t *testing.T) {
	for word, want := range map[string]float64{"": 0, "0.5": 0.5, "50%": 0.5, "2": 2, "250%": 2.5} {
		if got, err := share(word); got != want || err != nil {
			t.Errorf("%q: %v, %v", word, got, err)
		}
	}
	for _, word := range []string{"0", "-1", "x", "%", "NaN", "1e9", "0.001"} {
		if got, err := share(word); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: %v, %v", word, got, err)
		}
	}
	a := App{MemoryLimit: 7}
	for word, want := range map[string]uint64{"64M": 64 << 20, "null": 0} {
		if err := a.applyLimits(nil, Options{MemoryLimit: &word}); err != nil || a.MemoryLimit != want {
			t.Errorf("%q: %d, %v", word, a.MemoryLimit, err)
		}
	}
	little := "10K"
	if f, ok := a.applyLimits(nil, Options{MemoryLimit: &little}).(*fault.Error); !ok || f.Field != "--memory-limit" || f.Remedy == "" {
		t.Errorf("%+v", f)
	}
}
