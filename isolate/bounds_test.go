package isolate_test

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/tendproc/tend/isolate"
)

// bomb is a module with this many locals, and tables that say these limits.
func bomb(locals uint64, tables ...[]byte) []byte {
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vec([]byte{0x60, 0, 0})),
		section(3, vec([]byte{0})),
		section(4, vec(tables...)),
		section(5, vec([]byte{0, 1})),
		section(7, vec(append(sized([]byte("_start")), 0, 0), append(sized([]byte("memory")), 2, 0))),
		section(10, vec(sized(slices.Concat([]byte{1}, binary.AppendUvarint(nil, locals), []byte{0x7f},
			// table.grow 0, by a lot, of null; a trap if that is allowed
			[]byte{0xd0, 0x70}, i32(1<<22), []byte{0xfc, 15, 0}, i32(-1), []byte{0x47, 0x04, 0x40}, trap, []byte{0x0b}, []byte{0x0b})))),
	)
}

func table(limits ...uint64) []byte {
	b := []byte{0x70, byte(len(limits) - 1)}
	for _, n := range limits {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// A few bytes cannot make the compiler or the tables of a module fill the memory.
func TestBombs(t *testing.T) {
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"locals":      {bomb(50_001, table(1)), "more than 50000 locals"},
		"many locals": {bomb(1<<32-1, table(1)), "more than 50000 locals"},
		"table":       {bomb(1, table(1<<20+1)), "a table of 1048577 elements"},
		"tables":      {bomb(1, slices.Repeat([][]byte{table(1)}, 17)...), "17 tables"},
	} {
		if _, err := isolate.Compile(context.Background(), c.wasm, isolate.Config{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, wasm := range map[string][]byte{
		"no maximum": bomb(50_000, table(1)), "a maximum": bomb(1, table(1, 1<<32-1)), "two": bomb(1, table(1<<20), table(0, 3)),
	} {
		if exit := wait(t, start1(t, wasm)); exit.Code != 0 {
			t.Errorf("%s: its table grew: %v", name, exit)
		}
	}
}
