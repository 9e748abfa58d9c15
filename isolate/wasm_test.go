package isolate_test

import (
	"encoding/binary"
	"slices"
)

// Modules by hand, for what needs no compiler: a function _start, one page of
// memory and the host functions, called by these numbers.
const (
	fnPost byte = iota
	fnAttach
	fnNext
	fnTake
	fnChannel
	fnClose
	fnExit
	fnStart
)

// A few instructions.
var (
	trap  = []byte{0x00}
	loop  = []byte{0x03, 0x40, 0x0c, 0x00, 0x0b} // loop br 0 end
	drop  = []byte{0x1a}
	again = call(fnStart)
)

func i32(n int32) []byte { return append([]byte{0x41}, signed(int64(n))...) }
func i64(n int64) []byte { return append([]byte{0x42}, signed(n)...) }

// call calls a function with i32 arguments; those to next are given ready.
func call(fn byte, args ...int32) (code []byte) {
	for i, a := range args {
		if fn == fnNext && i == 1 {
			code = append(code, i64(int64(a))...)
		} else {
			code = append(code, i32(a)...)
		}
	}
	return append(code, 0x10, fn)
}

// store puts the result of code at an address.
func store(at int32, code []byte) []byte {
	return slices.Concat(i32(at), code, []byte{0x36, 0x02, 0x00})
}

func signed(n int64) (out []byte) {
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n == 0 && b&0x40 == 0 || n == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

func vec(items ...[]byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(items))), slices.Concat(items...)...)
}

func sized(b []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(b))), b...) }

func section(id byte, content []byte) []byte { return append([]byte{id}, sized(content)...) }

// module is a program of this code, with data at address 0.
func module(data string, code ...[]byte) []byte { return moduleOf("_start", "tend", data, code...) }

func moduleOf(export, from, data string, code ...[]byte) []byte {
	const i32, i64 = 0x7f, 0x7e
	imported := func(module, name string, typ byte) []byte {
		return slices.Concat(sized([]byte(module)), sized([]byte(name)), []byte{0, typ})
	}
	body := slices.Concat([]byte{0}, slices.Concat(code...), []byte{0x0b})
	return slices.Concat(
		[]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vec(
			[]byte{0x60, 0, 0},
			[]byte{0x60, 4, i32, i32, i32, i32, 1, i32},
			[]byte{0x60, 3, i32, i64, i32, 1, i32},
			[]byte{0x60, 3, i32, i32, i32, 1, i32},
			[]byte{0x60, 1, i32, 1, i32},
			[]byte{0x60, 1, i32, 0},
			[]byte{0x60, 2, i32, i32, 1, i32},
		)),
		section(2, vec(
			imported(from, "post", 1), imported("tend", "attach", 6), imported("tend", "next", 2), imported("tend", "take", 3),
			imported("tend", "channel", 4), imported("tend", "close", 4), imported("wasi_snapshot_preview1", "proc_exit", 5),
		)),
		section(3, vec([]byte{0})),
		section(5, vec([]byte{0, 1})),
		section(7, vec(append(sized([]byte(export)), 0, fnStart), append(sized([]byte("memory")), 2, 0))),
		section(10, vec(sized(body))),
		section(11, vec(slices.Concat([]byte{0, 0x41, 0, 0x0b}, sized([]byte(data))))),
	)
}

// hello is testdata/hello.wasm.
func hello() []byte {
	return module(`"hello"`, call(fnPost, 0, 0, 0, 7), drop)
}
