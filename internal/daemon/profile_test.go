package daemon_test

import (
	"bytes"
	"compress/gzip"
	"context"
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
	for kind, want := range map[string]string{"cpu": "nanoseconds", "mem": "inuse_space"} {
		p, err := c.Profile(t.Context(), api.ProfileRequest{Kind: kind, For: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(p.Data))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(z); err != nil || !bytes.Contains(text, []byte(want)) {
			t.Errorf("%s: no %q in %d bytes, %v", kind, want, len(text), err)
		}
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
