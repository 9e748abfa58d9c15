package isolate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// What a module of a few bytes could otherwise make this process hold, beside the
// memory that [Config].MemoryLimit bounds: browsers have the same bound on locals.
const (
	maxLocals   = 50_000  // of one function; the compiler has memory for each
	maxTables   = 16      // of one module
	maxElements = 1 << 20 // of one table, eight bytes each, whatever it says and grows to
)

const (
	sectionTable = 4
	sectionCode  = 10
	header       = 8 // "\0asm" and the version
)

// errMalformed: the compiler knows better what is wrong with it.
var errMalformed = errors.New("malformed")

// bounded returns wasm with a bound on each of its tables. The error says which bound
// a module is over.
func bounded(wasm []byte) ([]byte, error) {
	if len(wasm) < header {
		return wasm, nil
	}
	out := slices.Clone(wasm[:header])
	for rest := wasm[header:]; len(rest) > 0; {
		id := rest[0]
		size, after, err := uvarint(rest[1:])
		if err != nil || uint64(size) > uint64(len(after)) {
			return wasm, nil
		}
		content := after[:size]
		switch id {
		case sectionCode:
			err = checkCode(content)
		case sectionTable:
			content, err = boundTables(content)
		}
		if errors.Is(err, errMalformed) {
			return wasm, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(binary.AppendUvarint(append(out, id), uint64(len(content))), content...)
		rest = after[size:]
	}
	return out, nil
}

// checkCode counts the locals of each function: groups of a number and a type.
func checkCode(b []byte) error {
	functions, b, err := uvarint(b)
	for i := uint32(0); i < functions && err == nil; i++ {
		var size uint32
		if size, b, err = uvarint(b); err != nil || uint64(size) > uint64(len(b)) {
			return errMalformed
		}
		body := b[:size]
		b = b[size:]
		groups, body, gerr := uvarint(body)
		locals := uint64(0)
		for ; groups > 0 && gerr == nil; groups-- {
			var n uint32
			if n, body, gerr = uvarint(body); gerr != nil || len(body) == 0 {
				return errMalformed
			}
			body = body[1:]
			if locals += uint64(n); locals > maxLocals {
				return fmt.Errorf("function %d of its own has more than %d locals", i, maxLocals)
			}
		}
		err = gerr
	}
	return err
}

// boundTables gives each table a maximum: a type, flags, a minimum, perhaps a maximum.
func boundTables(b []byte) (out []byte, err error) {
	tables, b, err := uvarint(b)
	if err != nil {
		return nil, err
	}
	if tables > maxTables {
		return nil, fmt.Errorf("it has %d tables, more than %d", tables, maxTables)
	}
	out = binary.AppendUvarint(nil, uint64(tables))
	for range tables {
		if len(b) < 2 || b[1] > 1 {
			return nil, errMalformed
		}
		typ, limited := b[0], b[1] == 1
		least, most := uint32(0), uint32(maxElements)
		if least, b, err = uvarint(b[2:]); err != nil {
			return nil, err
		}
		if limited {
			if most, b, err = uvarint(b); err != nil {
				return nil, err
			}
		}
		if least > maxElements {
			return nil, fmt.Errorf("it has a table of %d elements, more than %d", least, maxElements)
		}
		out = append(out, typ, 1)
		out = binary.AppendUvarint(out, uint64(least))
		out = binary.AppendUvarint(out, uint64(min(most, maxElements)))
	}
	return append(out, b...), nil
}

// uvarint reads an unsigned number of 32 bits.
func uvarint(b []byte) (n uint32, rest []byte, err error) {
	v, size := binary.Uvarint(b)
	if size <= 0 || v > math.MaxUint32 {
		return 0, nil, errMalformed
	}
	return uint32(v), b[size:], nil
}
