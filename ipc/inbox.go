package ipc

import "bytes"

// inbox is the messages that came and nobody has received yet.
type inbox struct {
	list   []Message
	first  int    // of those in list
	weight int    // of all
	block  []byte // room for short texts
}

// Short texts share a block, and so a block is kept by any of them.
const (
	shortText = 512
	blockSize = 4 << 10
)

// keep returns a copy of a message's text, nil of none.
func (in *inbox) keep(text []byte) []byte {
	if text == nil || len(text) > shortText {
		return bytes.Clone(text)
	}
	if len(in.block) < len(text) {
		in.block = make([]byte, blockSize)
	}
	n := copy(in.block, text)
	kept := in.block[:n:n]
	in.block = in.block[n:]
	return kept
}

func (in *inbox) empty() bool { return in.first == len(in.list) }

func (in *inbox) push(m Message) {
	if len(in.list) == cap(in.list) && in.first > len(in.list)/2 {
		n := copy(in.list, in.list[in.first:])
		clear(in.list[n:])
		in.list, in.first = in.list[:n], 0
	}
	in.list = append(in.list, m)
	in.weight += m.weight
}

func (in *inbox) pop() (m Message, ok bool) {
	if in.empty() {
		return m, false
	}
	m, in.list[in.first] = in.list[in.first], Message{}
	in.weight -= m.weight
	if in.first++; in.empty() {
		in.list, in.first = in.list[:0], 0
	}
	return m, true
}
