package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
)

// seeds gives the recorded bytes to a fuzz target.
func seeds(f *testing.F, advanced bool) {
	for name, stream := range streams(f) {
		if isAdvanced(name) == advanced {
			f.Add(stream[:min(len(stream), 4000)], uint64(7))
		}
	}
}

// FuzzCuts: however a stream is cut, the messages are the same.
func FuzzCuts(f *testing.F) {
	seeds(f, false)
	seeds(f, true)
	f.Fuzz(func(t *testing.T, stream []byte, cut uint64) {
		for _, next := range []nextFunc{NextLine, NextAdvanced} {
			whole, errWhole := readAll(stream, next, func() int { return len(stream) })
			state := cut
			pieces, errPieces := readAll(stream, next, func() int {
				state = state*6364136223846793005 + 1442695040888963407
				return 1 + int(state>>59)
			})
			if !reflect.DeepEqual(whole, pieces) || (errWhole == nil) != (errPieces == nil) {
				t.Fatalf("%q %v, in pieces %q %v", whole, errWhole, pieces, errPieces)
			}
		}
	})
}

func readAll(stream []byte, next nextFunc, size func() int) (frames []string, err error) {
	var buf []byte
	for len(stream) > 0 {
		n := min(size(), len(stream))
		buf, stream = append(buf, stream[:n]...), stream[n:]
		for {
			var frame []byte
			if frame, buf, err = next(buf, 1000); err != nil {
				break
			}
			frames = append(frames, string(frame))
		}
		if !errors.Is(err, ErrShort) {
			return frames, err
		}
	}
	return frames, nil
}

// FuzzClassify: the kind without decoding is the kind with it, and nothing in a
// line can make the parsers panic or write what is no line.
func FuzzClassify(f *testing.F) {
	for name, stream := range streams(f) {
		if !isAdvanced(name) {
			for _, line := range bytes.Split(stream, []byte("\n")) {
				f.Add(line)
			}
		}
	}
	f.Add([]byte(`{"\u0063md":"NODE_CLUSTER"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		kind, data, _, err := Classify(line)
		// A beginning decides, and a second cmd later on is not looked for.
		odd := bytes.Contains(data, []byte(`\`)) || bytes.Count(data, []byte("cmd")) > 1
		if err == nil && json.Valid(data) && !odd && kind != kindByDecoding(data) {
			t.Fatalf("%s: %s, want %s", data, kind, kindByDecoding(data))
		}
		if e, err := ParseEnvelope(data); err == nil {
			if out, err := AppendEnvelope(nil, e); err == nil {
				checkSafe(t, out)
			}
		}
		if m, err := ParseCluster(data); err == nil {
			if out, err := AppendQuery(nil, m.Act, &m.Query, m.Seq); err == nil {
				checkSafe(t, out)
			}
		}
		if out, err := AppendMessage(nil, data); err == nil {
			checkSafe(t, out)
		}
		ParseSocketMessage(kind, data)
		if ack, accepted, ok := ParseAccepted(data); ok {
			m, _ := ParseCluster(data)
			if m.Ack != ack || m.Accepted != accepted {
				t.Fatalf("%s: fast path %d %v", data, ack, accepted)
			}
		}
	})
}

func checkSafe(t *testing.T, out []byte) {
	t.Helper()
	if bytes.IndexByte(out, '\n') != len(out)-1 || !json.Valid(out) || len(out) < 2 {
		t.Fatalf("wrote %q", out)
	}
}

// FuzzAdvanced: any bytes are read without harm, and what was read is written
// so that it reads the same again.
func FuzzAdvanced(f *testing.F) {
	for name, stream := range streams(f) {
		if isAdvanced(name) {
			frames, _ := readAll(stream, NextAdvanced, func() int { return len(stream) })
			for _, frame := range frames {
				f.Add([]byte(frame))
			}
		}
	}
	for _, v := range []any{&Map{[]MapEntry{{"k", &Set{[]any{1}}}}}, &Error{Name: "TypeError", Message: "x"}, View{Int16Array, []byte{1, 2}}} {
		frame, _ := AppendAdvanced(nil, v)
		f.Add(frame[4:])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := ParseAdvanced(data)
		if err != nil {
			return
		}
		ClassifyValue(v)
		AppendJSON(nil, v)
		once, err := AppendAdvanced(nil, v)
		if err != nil {
			return // deeper with its references written out, or a strange box
		}
		again, err := ParseAdvanced(once[4:])
		if err != nil {
			t.Fatalf("%x written as %x: %v", data, once, err)
		}
		twice, err := AppendAdvanced(nil, again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%x, then %x, %v", once, twice, err)
		}
	})
}
