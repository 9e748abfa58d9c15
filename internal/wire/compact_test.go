package wire

import (
	"strings"
	"testing"
)

func BenchmarkAppendMessage(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		text := []byte(`{"data":"` + strings.Repeat("y", size-11) + `"}`)
		var dst []byte
		b.Run(map[int]string{100: "100B", 10_000: "10kB"}[size], func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = AppendMessage(dst[:0], text)
			}
		})
	}
}
