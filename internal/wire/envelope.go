package wire

import (
	"bytes"
	"fmt"

	"github.com/tendproc/tend/internal/jsontext"
)

// The whole of the two answers to a NODE_HANDLE, newline included.
const (
	AckLine  = `{"cmd":"NODE_HANDLE_ACK"}` + "\n"
	NackLine = `{"cmd":"NODE_HANDLE_NACK"}` + "\n"
)

// IsAck recognizes {"cmd":"NODE_HANDLE_ACK"} as Node and Bun write it.
func IsAck(line []byte) bool { return string(line) == AckLine[:len(AckLine)-1] }

// Envelope is the NODE_HANDLE message with which a descriptor travels.
type Envelope struct {
	Type      string // "net.Server", "net.Socket", …
	Msg       []byte // the message itself, JSON text
	Key       string // a net.Socket's, when a server of the sender accepted it
	DgramType string // "udp4" or "udp6", of dgram.Socket
}

// nestedLimit bounds how often an envelope may contain another. Node nests one
// level deeper for each of its three retransmissions.
const nestedLimit = 8

// ParseEnvelope reads a line of kind [Handle]. An envelope inside the envelope
// is how Node retransmits after a NACK: the innermost is what was meant.
func ParseEnvelope(line []byte) (Envelope, error) {
	for range nestedLimit {
		var e Envelope
		for name, value := range jsontext.Members(line) {
			switch {
			case isName(name, "type"):
				e.Type = jsontext.Text(value)
			case isName(name, "msg"):
				e.Msg = value
			case isName(name, "key"):
				e.Key = jsontext.Text(value)
			case isName(name, "dgramType"):
				e.DgramType = jsontext.Text(value)
			}
		}
		if classify(e.Msg) != Handle {
			if len(e.Msg) == 0 {
				e.Msg = []byte("null") // msg was undefined
			}
			return e, nil
		}
		line = e.Msg
	}
	return Envelope{}, fmt.Errorf("%w: envelopes nested too deep", ErrSyntax)
}

// AppendEnvelope appends the line of e, newline included. Its message is
// validated and compacted.
func AppendEnvelope(dst []byte, e Envelope) ([]byte, error) {
	start := len(dst)
	dst = append(dst, `{"cmd":"NODE_HANDLE","type":`...)
	dst = jsontext.AppendString(dst, e.Type)
	dst = append(dst, `,"msg":`...)
	dst, err := appendCompact(dst, e.Msg)
	if err != nil {
		return dst[:start], err
	}
	if e.Key != "" {
		dst = append(dst, `,"key":`...)
		dst = jsontext.AppendString(dst, e.Key)
	}
	if e.DgramType != "" {
		dst = append(dst, `,"dgramType":`...)
		dst = jsontext.AppendString(dst, e.DgramType)
	}
	return append(dst, '}', '\n'), nil
}

// EnvelopeType returns the type word of a line that [AppendEnvelope] or a
// template of this package wrote, "" for any other line.
func EnvelopeType(line []byte) string {
	const start = `{"cmd":"NODE_HANDLE","type":"`
	if len(line) < len(start) || string(line[:len(start)]) != start {
		return ""
	}
	end := bytes.IndexByte(line[len(start):], '"')
	if end < 0 {
		return ""
	}
	return internType(line[len(start) : len(start)+end])
}

// internType returns the word without allocating where it is a known one.
func internType(word []byte) string {
	switch string(word) {
	case "net.Native":
		return "net.Native"
	case "net.Server":
		return "net.Server"
	case "net.Socket":
		return "net.Socket"
	case "net.BoundSocket":
		return "net.BoundSocket"
	case "dgram.Native":
		return "dgram.Native"
	case "dgram.Socket":
		return "dgram.Socket"
	}
	return string(word)
}

// AppendMessage appends one message as a line: the JSON text, validated and
// without white space between its tokens, and a newline.
func AppendMessage(dst, message []byte) ([]byte, error) {
	start := len(dst)
	dst, err := appendCompact(dst, message)
	if err != nil {
		return dst[:start], err
	}
	return append(dst, '\n'), nil
}

// SocketMessage is one of the messages by which the sender of sockets asks how
// many of them are still open: GetCount and NotifyClose ask, Count and AllClosed
// answer.
type SocketMessage struct {
	Kind  Kind
	Key   string
	Count int // of Count
}

// ParseSocketMessage reads a line of one of these kinds.
func ParseSocketMessage(kind Kind, line []byte) SocketMessage {
	m := SocketMessage{Kind: kind}
	for name, value := range jsontext.Members(line) {
		switch {
		case isName(name, "key"):
			m.Key = jsontext.Text(value)
		case isName(name, "count"):
			n, _ := integer(value)
			m.Count = int(n)
		}
	}
	return m
}

// AppendSocketMessage appends the line of m, newline included.
func AppendSocketMessage(dst []byte, m SocketMessage) []byte {
	cmd := cmdGetCount
	switch m.Kind {
	case Count:
		cmd = cmdCount
	case NotifyClose:
		cmd = cmdNotifyClose
	case AllClosed:
		cmd = cmdAllClosed
	default:
	}
	dst = append(dst, `{"cmd":"`...)
	dst = append(dst, cmd...)
	dst = append(dst, `","key":`...)
	dst = jsontext.AppendString(dst, m.Key)
	if m.Kind == Count {
		dst = fmt.Appendf(dst, `,"count":%d`, m.Count)
	}
	return append(dst, '}', '\n')
}
