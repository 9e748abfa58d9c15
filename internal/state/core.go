package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
)

// Format is the newest format of the files that this program reads, and the one
// it writes.
const Format = 1

// What may be wrong with a file.
var (
	errNewer = errors.New("written by a newer version")
	errBad   = errors.New("not a state file, or damaged")
)

// head is the first line of both files.
type head struct {
	Format   int    `json:"format"`
	Snapshot uint64 `json:"snapshot"` // which one this is, or continues
	CRC      string `json:"crc32c,omitempty"`
}

// change is one line of the journal: a key and its new value, none if it is gone;
// or several of these at once.
type change struct {
	Key   string          `json:"k,omitempty"`
	Value json.RawMessage `json:"v,omitempty"`
	All   []change        `json:"all,omitempty"`
}

func (c change) apply(m values) {
	for _, one := range c.All {
		one.apply(m)
	}
	switch {
	case len(c.All) > 0:
	case c.Value == nil:
		delete(m, c.Key)
	default:
		m[c.Key] = c.Value
	}
}

type values = map[string]json.RawMessage

func checksum(b []byte) string {
	castagnoli := crc32.MakeTable(crc32.Castagnoli) // made once, and by no command
	const hexDigits = 8
	s := strconv.FormatUint(uint64(crc32.Checksum(b, castagnoli)), 16)
	return "00000000"[:hexDigits-len(s)] + s
}

// encodeSnapshot gives the text of a snapshot file.
func encodeSnapshot(number uint64, m values) ([]byte, error) {
	var body bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(m)) {
		line, err := json.Marshal(change{Key: key, Value: m[key]})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		body.Write(line)
		body.WriteByte('\n')
	}
	first, err := json.Marshal(head{Format, number, checksum(body.Bytes())})
	if err != nil {
		return nil, err
	}
	return slices.Concat(first, []byte("\n"), body.Bytes()), nil
}

// decodeSnapshot reads one: all of it or nothing.
func decodeSnapshot(text []byte) (number uint64, m values, err error) {
	h, body, err := decodeHead(text)
	if err != nil {
		return 0, nil, err
	}
	if checksum(body) != h.CRC {
		return 0, nil, errBad
	}
	m = values{}
	for line := range bytes.Lines(body) {
		var c change
		if err := json.Unmarshal(line, &c); err != nil {
			return 0, nil, errBad
		}
		m[c.Key] = c.Value
	}
	return h.Snapshot, m, nil
}

func decodeHead(text []byte) (h head, rest []byte, err error) {
	line, rest, ok := bytes.Cut(text, []byte("\n"))
	if !ok || json.Unmarshal(line, &h) != nil || h.Format < 1 {
		return h, nil, errBad
	}
	if h.Format > Format {
		return h, nil, fmt.Errorf("format %d: %w", h.Format, errNewer)
	}
	return h, rest, nil
}

// encodeHead gives the first line of a journal.
func encodeHead(number uint64) ([]byte, error) {
	line, err := json.Marshal(head{Format: Format, Snapshot: number})
	return append(line, '\n'), err
}

// appendChange appends a line of the journal to dst.
func appendChange(dst []byte, c change) ([]byte, error) {
	line, err := json.Marshal(c)
	if err != nil {
		return dst, fmt.Errorf("%s: %w", c.Key, err)
	}
	dst = append(append(dst, checksum(line)...), ' ')
	return append(append(dst, line...), '\n'), nil
}

// replay applies the journal of snapshot number to m, and returns how much of
// text was good, and how many lines. A journal of another snapshot has no good part.
func replay(number uint64, m values, text []byte) (good, lines int, err error) {
	h, rest, err := decodeHead(text)
	if err != nil {
		return 0, 0, err
	}
	if h.Snapshot != number {
		return 0, 0, nil
	}
	good = len(text) - len(rest)
	for line := range bytes.Lines(rest) {
		c, ok := decodeChange(line)
		if !ok {
			return good, lines, errBad
		}
		c.apply(m)
		good += len(line)
		lines++
	}
	return good, lines, nil
}

func decodeChange(line []byte) (c change, ok bool) {
	sum, text, found := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	if !found || line[len(line)-1] != '\n' || checksum(text) != string(sum) || json.Unmarshal(text, &c) != nil {
		return c, false
	}
	return c, true
}
