package ipc

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/sys"
)

// A reader that comes after one that died in the midst of a long message goes on
// with the next one. Any other reader takes half a line for what it is.
func TestResumed(t *testing.T) {
	for _, resumed := range []bool{true, false} {
		first, peer := pair(t, ConnOptions{})
		fd, err := sys.Dup(first.Fd())
		if err != nil {
			t.Fatal(err)
		}
		kept := os.NewFile(uintptr(fd), "kept")
		long := `{"x":[` + strings.Repeat("1,", 50<<10) + `1]}` + "\n" // cut where a number begins
		if _, err := peer.WriteString(long[:80<<10]); err != nil {
			t.Fatal(err)
		}
		for len(first.in.held) == 0 {
			if err := first.Read(func(*Frame) error { t.Error("a message came"); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		next, err := NewConn(kept, ConnOptions{Resumed: resumed})
		if err != nil {
			t.Fatal(err)
		}
		defer next.Close()
		if _, err := peer.WriteString(long[80<<10:] + "1\n2\n"); err != nil {
			t.Fatal(err)
		}
		var got []string
		for len(got) < 2 && err == nil {
			err = next.Read(func(f *Frame) error { got = append(got, string(f.Data)); return nil })
		}
		if resumed && (err != nil || strings.Join(got, " ") != "1 2") {
			t.Errorf("read %q, %v", got, err)
		}
		if !resumed && (err != nil || got[0] == "1") {
			t.Errorf("half a line was dropped: %q, %v", got, err)
		}
	}
	// Once is enough: what is broken later is broken.
	c, peer := pair(t, ConnOptions{Resumed: true})
	if _, err := peer.WriteString("1\nhalf\n"); err != nil {
		t.Fatal(err)
	}
	var err error
	for err == nil {
		err = c.Read(func(*Frame) error { return nil })
	}
	if !errors.Is(err, ErrProtocol) {
		t.Errorf("%v", err)
	}
}
