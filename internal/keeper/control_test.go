package keeper

import (
	"errors"
	"io"
	"log"
	"os"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

// A keeper answers what a newer daemon asks of it, and keeps nothing that came
// with it (the end of the test run counts descriptors).
func TestUnknownMessages(t *testing.T) {
	ours, theirs, err := sys.PacketPair("test")
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{control: ours, log: log.New(io.Discard, "", 0)}
	raw, err := theirs.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		_, err = sys.Send(int(fd), []byte(`{"type":"fetch","name":"x","further":[1]}`), int(os.Stderr.Fd()))
	})
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan []Message)
	go func() {
		var got []Message
		if err := Receive(theirs, func(m Message, _ int) error { got = append(got, m); return nil }); err != nil {
			t.Error(err)
		}
		answered <- got
	}()
	taken := 0
	if err := Receive(ours, func(m Message, fd int) error {
		k.take(packet{m, fd})
		taken++
		return ours.SetReadDeadline(time.Unix(1, 0))
	}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	ours.Close()
	got := <-answered
	theirs.Close()
	if taken != 1 || len(got) != 1 || got[0].Type != MsgUnknown || got[0].Of != "fetch" {
		t.Errorf("took %d messages and answered %+v", taken, got)
	}
}

func TestGarbageOnTheControlSocket(t *testing.T) {
	ours, theirs, err := sys.PacketPair("test")
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if _, err := theirs.WriteString("not JSON"); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	if err := Receive(ours, func(m Message, _ int) error { t.Errorf("took %+v", m); return nil }); err == nil {
		t.Error("garbage was taken")
	}
}
