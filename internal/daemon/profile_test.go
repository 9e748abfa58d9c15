package daemon_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/proctest"
)

// A profile is what pprof reads; there is one at a time, and no upgrade meanwhile.
func TestProfile(t *testing.T) {
	c, _ := ensure(t, newHome(t))
	p, err := c.Profile(t.Context(), api.ProfileRequest{Kind: "cpu", For: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(p.Data))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || !bytes.Contains(text, []byte("nanoseconds")) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if p, err = c.Profile(t.Context(), api.ProfileRequest{Kind: "mem"}); err != nil {
		t.Fatal(err)
	}
	for field, least := range map[uint64]int{1: 4, 2: 1, 4: 1, 5: 1, 6: 10, 9: 1, 11: 1, 12: 1, 14: 1} {
		if n := fieldsOf(t, p.Data)[field]; n < least {
			t.Errorf("field %d of the profile is there %d times", field, n)
		}
	}
	if !bytes.Contains(p.Data, []byte(".go")) {
		t.Error("no function has a file")
	}
	for _, req := range []api.ProfileRequest{{Kind: "disk"}, {Kind: "cpu", For: -1}, {Kind: "cpu", For: 2 * time.Hour}} {
		if _, err := c.Profile(t.Context(), req); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", req, err)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	long := make(chan error, 1)
	go func() {
		for {
			_, err := c.Profile(ctx, api.ProfileRequest{Kind: "cpu", For: time.Hour})
			if fault.CodeOf(err) != fault.Conflict { // with one of those that ask whether it is under way
				long <- err
				return
			}
		}
	}()
	probe := func(busy bool) {
		t.Helper()
		for {
			_, err := c.Profile(t.Context(), api.ProfileRequest{Kind: "mem"})
			if err != nil && fault.CodeOf(err) != fault.Conflict {
				t.Fatal(err)
			}
			if busy == (err != nil) {
				return
			}
		}
	}
	probe(true)
	if err := c.Upgrade(t.Context(), proctest.Self()); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("upgrade: %v", err)
	}
	cancel() // who hangs up ends it
	if err := <-long; err == nil {
		t.Error("it was not broken off")
	}
	probe(false)
	upgrade(t, c, proctest.Self())
}

// fieldsOf counts the fields of a message of Protocol Buffers, which are numbers or
// have a length.
func fieldsOf(t *testing.T, text []byte) map[uint64]int {
	t.Helper()
	count := map[uint64]int{}
	number := func() uint64 {
		v, n := binary.Uvarint(text)
		if n <= 0 {
			t.Fatalf("no number in %x", text[:min(len(text), 10)])
		}
		text = text[n:]
		return v
	}
	for len(text) > 0 {
		key := number()
		count[key>>3]++
		size := uint64(0)
		if v := number(); key&7 == 2 {
			size = v
		}
		if key&7 != 0 && key&7 != 2 || size > uint64(len(text)) {
			t.Fatalf("key %d, %d of %d bytes", key, size, len(text))
		}
		text = text[size:]
	}
	return count
}
