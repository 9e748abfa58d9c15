package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

const (
	monitorEvery = time.Second           // how often the daemon is asked
	drawEvery    = 50 * time.Millisecond // and how often, at most, the screen is written
	monitorTail  = 100                   // lines of each log at the start
)

// What a terminal is told: another screen without a cursor, and back.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// screen is a terminal that belongs to the monitor.
type screen struct {
	out   io.Writer
	size  func() (width, height int)
	drawn []string // what is on it
}

// draw writes the lines that are not there already.
func (s *screen) draw(lines []string) error {
	var b strings.Builder
	if len(lines) != len(s.drawn) {
		b.WriteString("\x1b[2J")
		s.drawn = make([]string, len(lines))
	}
	for i, line := range lines {
		if line != s.drawn[i] {
			fmt.Fprintf(&b, "\x1b[%d;1H%s", i+1, line)
		}
	}
	s.drawn = lines
	if b.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(s.out, b.String())
	return err
}

func runMonitor(ctx context.Context, c *command, _ operands) error {
	out := terminalOf(c.Out)
	if out == nil {
		return &fault.Error{Code: fault.Invalid, Message: "needs a terminal", Remedy: "For programs there is tend jlist."}
	}
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	// A descriptor of our own: reading from it can be ended.
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer tty.Close()
	fd := int(out.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return err
	}
	defer term.Restore(fd, before)
	if _, err := io.WriteString(out, enterScreen); err != nil {
		return err
	}
	defer io.WriteString(out, leaveScreen)
	s := &screen{out: out, size: func() (w, h int) {
		w, h, _ = term.GetSize(fd)
		return w, h
	}}
	return c.watchScreen(ctx, svc, s, tty)
}

// feeds are what comes to the monitor.
type feeds struct {
	snaps chan event.Snapshot
	lines chan event.LogLine
	keys  chan string
	told  chan error // what came of a wish
	sizes chan os.Signal
	ended chan error // the daemon, or the terminal
}

// watchScreen shows the monitor until its user leaves.
func (c *command) watchScreen(ctx context.Context, svc api.Service, s *screen, tty *os.File) error {
	own, cancel := context.WithCancel(ctx)
	f := &feeds{
		snaps: make(chan event.Snapshot), lines: make(chan event.LogLine, 256), keys: make(chan string), told: make(chan error),
		sizes: make(chan os.Signal, 1), ended: make(chan error, 3),
	}
	signal.Notify(f.sizes, syscall.SIGWINCH)
	defer signal.Stop(f.sizes)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer tty.Close() // ends the reading of keys
	defer cancel()
	wg.Go(func() { f.ended <- f.ask(own, svc) })
	wg.Go(func() {
		f.ended <- svc.Logs(own, api.LogsRequest{Target: "all", Lines: monitorTail, Follow: true}, func(l event.LogLine) error {
			select {
			case f.lines <- l:
				return nil
			case <-own.Done():
				return own.Err()
			}
		})
	})
	wg.Go(func() { f.ended <- f.read(own, tty) })
	m := &monitor{command: c.dialect.name}
	wish := func(w monitorWish) {
		wg.Go(func() {
			err := w.do(own, svc)
			select {
			case f.told <- err:
			case <-own.Done():
			}
		})
	}
	return f.show(ctx, m, s, c.paint, wish)
}

// ask asks the daemon, once a second.
func (f *feeds) ask(ctx context.Context, svc api.Service) error {
	tick := time.NewTicker(monitorEvery)
	defer tick.Stop()
	for {
		snap, err := svc.List(ctx, event.Query{Usage: true, Brief: true})
		if err != nil {
			return err
		}
		select {
		case f.snaps <- snap:
		case <-ctx.Done():
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// read reads keys.
func (f *feeds) read(ctx context.Context, tty io.Reader) error {
	var buf [256]byte
	rest := ""
	for {
		n, err := tty.Read(buf[:])
		if err != nil {
			return err
		}
		var keys []string
		keys, rest = monitorKeys(rest + string(buf[:n]))
		for _, key := range keys {
			select {
			case f.keys <- key:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// show is the loop: it owns the monitor and the screen.
func (f *feeds) show(ctx context.Context, m *monitor, s *screen, paint painter, wish func(monitorWish)) error {
	draw := time.NewTimer(0)
	defer draw.Stop()
	waiting := true // for the timer
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-f.ended:
			return err
		case <-draw.C:
			waiting, last = false, time.Now()
			m.width, m.height = s.size()
			if err := s.draw(m.view(paint)); err != nil {
				return err
			}
			continue
		case snap := <-f.snaps:
			m.take(snap)
		case line := <-f.lines:
			m.hear(line)
		case err := <-f.told:
			m.done(err)
		case key := <-f.keys:
			w, quit := m.key(key)
			if quit {
				return nil
			}
			if w != nil {
				wish(*w)
			}
		case <-f.sizes:
			s.drawn = nil
		}
		if !waiting {
			waiting = true
			draw.Reset(time.Until(last.Add(drawEvery)))
		}
	}
}

func (w monitorWish) do(ctx context.Context, svc api.Service) error {
	req := spec.Act{Target: spec.ByID(w.id), Caller: spec.Caller{Cwd: "/"}}
	var err error
	switch w.verb {
	case "reload":
		_, err = svc.Reload(ctx, req)
	case "stop":
		_, err = svc.Stop(ctx, req)
	default:
		_, err = svc.Restart(ctx, req)
	}
	return err
}
