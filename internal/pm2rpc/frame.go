package pm2rpc

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxFrame bounds the parts of a frame together.
const maxFrame = 16 << 20

var errFrame = errors.New("not a frame of AMP version 1")

// readFrame reads the parts of one frame: a byte 0x10|n, then n times a length and
// so many bytes.
func readFrame(r *bufio.Reader) ([][]byte, error) {
	head, err := r.ReadByte()
	if err != nil {
		return nil, err
	}
	if head>>4 != 1 {
		return nil, errFrame
	}
	parts, left := make([][]byte, head&15), int64(maxFrame)
	for i := range parts {
		var length [4]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return nil, short(err)
		}
		n := int64(binary.BigEndian.Uint32(length[:]))
		if left -= n; left < 0 {
			return nil, fmt.Errorf("%w: more than %d bytes", errFrame, maxFrame)
		}
		var part bytes.Buffer // grows with what comes, not with what is claimed
		if _, err := io.CopyN(&part, r, n); err != nil {
			return nil, short(err)
		}
		parts[i] = part.Bytes()
	}
	return parts, nil
}

// short is the error of a frame that breaks off.
func short(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// frame is what readFrame reads. There are at most 15 parts.
func frame(parts ...[]byte) []byte {
	b := []byte{byte(0x10 | len(parts))}
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

// jsonPart is a value as a part.
func jsonPart(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return append([]byte("j:"), text...), err
}
