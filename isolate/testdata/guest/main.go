// The module of the tests: its first argument says what it does.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tendproc/tend/isolate/guest"
)

func main() {
	if err := roles[os.Args[1]](); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var roles = map[string]func() error{
	"echo": func() error {
		for {
			m, err := guest.Parent.Receive(guest.Forever)
			switch {
			case errors.Is(err, io.EOF):
				return nil
			case errors.Is(err, guest.ErrMessage):
				guest.Parent.Post("no JSON")
				continue
			case err != nil:
				return err
			case m.JSON == nil:
				err = guest.Parent.PostBytes(m.Bytes, m.Ports...)
			default:
				var v any
				if err := m.Decode(&v); err != nil {
					return err
				}
				err = guest.Parent.Post(v, m.Ports...)
			}
			if err != nil {
				return err
			}
		}
	},
	"data": func() error {
		var v any
		if err := guest.WorkerData(&v); err != nil {
			return err
		}
		text, err := os.ReadFile("/hello.txt")
		if err != nil {
			return err
		}
		_, outside := os.Stat("/etc")
		_, made := os.Create("/new")
		fmt.Println("printed")
		fmt.Fprintln(os.Stderr, "complained")
		return guest.Parent.Post(map[string]any{
			"data": v, "id": guest.ThreadID(), "args": os.Args, "env": os.Getenv("A"), "home": os.Getenv("HOME"), "file": string(text),
			"outside": outside != nil, "made": made == nil, "late": time.Now().Year() > 2000,
		})
	},
	"loop": func() error {
		guest.Parent.Post("looping")
		for {
		}
	},
	"sleep": func() error {
		guest.Parent.Post("sleeping")
		time.Sleep(time.Hour)
		return nil
	},
	"wait": func() error {
		guest.Parent.Post("waiting")
		_, err := guest.Parent.Receive(guest.Forever)
		return err
	},
	"flood": func() error {
		for {
			if err := guest.Parent.Post("more"); err != nil {
				return err
			}
		}
	},
	"bomb": func() error {
		var kept [][]byte
		for {
			kept = append(kept, make([]byte, 1<<20))
			if len(kept)%16 == 0 {
				guest.Parent.Post(len(kept))
			}
		}
	},
	"exit": func() error { os.Exit(7); return nil },
	"panic": func() error {
		var m map[string]int
		m["x"] = 1
		return nil
	},
	"timeout": func() error {
		_, now := guest.Parent.Receive(0)
		_, soon := guest.Parent.Receive(time.Millisecond)
		_, none := guest.Port{}, guest.ErrTimeout
		if now != none || soon != none {
			return fmt.Errorf("%v, %v", now, soon)
		}
		return nil
	},
	"limits": func() error {
		if err := guest.Parent.Post(strings.Repeat("x", 1<<20)); !errors.Is(err, guest.ErrTooMuch) {
			return fmt.Errorf("long message: %v", err)
		}
		for i := 0; ; i++ {
			_, _, err := guest.NewChannel()
			if errors.Is(err, guest.ErrTooMuch) && i > 100 && i < 10_000 {
				return nil
			}
			if err != nil || i > 10_000 {
				return fmt.Errorf("channel %d: %v", i, err)
			}
		}
	},
	// A channel to itself, one end of which goes to the parent.
	"ports": func() error {
		a, b, err := guest.NewChannel()
		if err != nil {
			return err
		}
		if err := guest.Parent.Post("here", b); err != nil {
			return err
		}
		if err := b.Post(1); !errors.Is(err, guest.ErrPort) {
			return fmt.Errorf("a port that was passed on: %v", err)
		}
		if err := guest.Parent.Post(nil, a, a); !errors.Is(err, guest.ErrMessage) {
			return fmt.Errorf("a port twice: %v", err)
		}
		m, err := a.Receive(guest.Forever)
		if err != nil {
			return err
		}
		if err := a.Post("heard " + string(m.JSON)); err != nil {
			return err
		}
		if err := a.Close(); err != nil {
			return err
		}
		if _, err := a.Receive(0); !errors.Is(err, guest.ErrPort) {
			return fmt.Errorf("a port that was closed: %v", err)
		}
		// And one that stays open: the end of the isolate closes it.
		c, d, err := guest.NewChannel()
		if err != nil {
			return err
		}
		_ = c
		return guest.Parent.Post("left", d)
	},
}
