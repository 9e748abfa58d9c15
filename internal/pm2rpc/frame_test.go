package pm2rpc

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
)

func TestFrameIsReadBack(t *testing.T) {
	want := [][]byte{[]byte(`j:{"a":1}`), []byte("s:id")}
	got, err := readFrame(bufio.NewReader(bytes.NewReader(frame(want...))))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestFrameIsRefused(t *testing.T) {
	for _, c := range []struct {
		text string
		want error
	}{
		{"", io.EOF},
		{"\x21", errFrame},
		{"\x11\xff\xff\xff\xff", errFrame},
		{"\x11\x00\x00\x00\x02a", io.ErrUnexpectedEOF},
		{"\x11\x00", io.ErrUnexpectedEOF},
	} {
		if _, err := readFrame(bufio.NewReader(bytes.NewReader([]byte(c.text)))); !errors.Is(err, c.want) {
			t.Errorf("%q: got %v, want %v", c.text, err, c.want)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x11\x00\x00\x00\x02ab"))
	f.Fuzz(func(t *testing.T, text []byte) {
		parts, err := readFrame(bufio.NewReader(bytes.NewReader(text)))
		if err == nil && !bytes.HasPrefix(text, frame(parts...)) {
			t.Errorf("%q is read as %q", text, parts)
		}
	})
}
