package daemon

import (
	"encoding/binary"
	"math"
	"runtime"
	"strings"
	"time"
)

// heapProfile is what the process has allocated, and holds, as pprof's profile.proto has
// it. runtime/pprof would write the same, and bring forms for people that weigh as much
// as all the rest of it.
func heapProfile() []byte {
	var records []runtime.MemProfileRecord
	for n, ok := runtime.MemProfile(nil, true); !ok; {
		records = make([]runtime.MemProfileRecord, n+50)
		n, ok = runtime.MemProfile(records, true)
		records = records[:min(n, len(records))]
	}
	p := &heap{words: map[string]uint64{"": 0}, functions: map[string]uint64{}, places: map[uintptr]uint64{}}
	p.out.text(6, "")
	for _, kind := range [][2]string{{"alloc_objects", "count"}, {"alloc_space", "bytes"}, {"inuse_objects", "count"}, {"inuse_space", "bytes"}} {
		p.out.message(1, p.kind(kind[0], kind[1]))
	}
	for _, r := range records {
		allocs, allocated := scaled(r.AllocObjects, r.AllocBytes)
		held, holding := scaled(r.InUseObjects(), r.InUseBytes())
		var where, values, sample proto
		stack := r.Stack()
		for len(stack) > 1 && strings.HasPrefix(runtime.FuncForPC(stack[0]-1).Name(), "runtime.") {
			stack = stack[1:] // how the runtime allocates is of no interest
		}
		for _, pc := range stack {
			where = binary.AppendUvarint(where, p.place(pc))
		}
		for _, v := range []uint64{allocs, allocated, held, holding} {
			values = binary.AppendUvarint(values, v)
		}
		sample.message(1, where)
		sample.message(2, values)
		p.out.message(2, sample)
	}
	p.out.number(9, uint64(time.Now().UnixNano()))
	p.out.message(11, p.kind("space", "bytes"))
	p.out.number(12, uint64(runtime.MemProfileRate))
	p.out.number(14, p.word("inuse_space"))
	return p.out
}

// scaled are the figures of which a sample is one, as likely as its size made it.
func scaled(count, size int64) (uint64, uint64) {
	if count == 0 || size == 0 {
		return 0, 0
	}
	scale := 1 / (1 - math.Exp(-float64(size)/float64(count)/float64(runtime.MemProfileRate)))
	return uint64(float64(count) * scale), uint64(float64(size) * scale)
}

// heap is a profile that is being written, with what it has named already.
type heap struct {
	out       proto
	words     map[string]uint64
	functions map[string]uint64
	places    map[uintptr]uint64
}

func (p *heap) word(text string) uint64 {
	id, ok := p.words[text]
	if !ok {
		id = uint64(len(p.words))
		p.words[text] = id
		p.out.text(6, text)
	}
	return id
}

func (p *heap) kind(name, unit string) (m proto) {
	m.number(1, p.word(name))
	m.number(2, p.word(unit))
	return m
}

// place is where a stack returns to, with the functions that are inlined there.
func (p *heap) place(pc uintptr) uint64 {
	id, ok := p.places[pc]
	if ok {
		return id
	}
	id = uint64(len(p.places) + 1)
	p.places[pc] = id
	var m proto
	m.number(1, id)
	m.number(3, uint64(pc))
	frames := runtime.CallersFrames([]uintptr{pc})
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		var line proto
		line.number(1, p.function(f))
		line.number(2, uint64(f.Line))
		m.message(4, line)
	}
	p.out.message(4, m)
	return id
}

func (p *heap) function(f runtime.Frame) uint64 {
	id, ok := p.functions[f.Function]
	if ok {
		return id
	}
	id = uint64(len(p.functions) + 1)
	p.functions[f.Function] = id
	var m proto
	m.number(1, id)
	m.number(2, p.word(f.Function))
	m.number(4, p.word(f.File))
	p.out.message(5, m)
	return id
}

// proto is a message of Protocol Buffers.
type proto []byte

func (b *proto) number(field, v uint64) {
	*b = binary.AppendUvarint(*b, field<<3)
	*b = binary.AppendUvarint(*b, v)
}

func (b *proto) text(field uint64, text string) { b.message(field, proto(text)) }

func (b *proto) message(field uint64, m proto) {
	*b = binary.AppendUvarint(*b, field<<3|2)
	*b = binary.AppendUvarint(*b, uint64(len(m)))
	*b = append(*b, m...)
}
