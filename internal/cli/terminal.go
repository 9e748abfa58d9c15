package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// lookAtTerminal finds out what its caller did not say: whether the output is
// a terminal, and how wide.
func (c *command) lookAtTerminal() {
	f := terminalOf(c.Out)
	if f == nil || c.Terminal {
		return
	}
	c.Terminal = true
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && c.Width == 0 {
		c.Width = w
	}
}

// terminalOf is the terminal behind w, nil if there is none.
func terminalOf(w io.Writer) *os.File {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}
