package cli

import (
	"os"

	"golang.org/x/term"
)

// lookAtTerminal finds out what its caller did not say: whether the output is
// a terminal, and how wide.
func (c *command) lookAtTerminal() {
	f, ok := c.Out.(*os.File)
	if !ok || c.Terminal {
		return
	}
	if !term.IsTerminal(int(f.Fd())) {
		return
	}
	c.Terminal = true
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && c.Width == 0 {
		c.Width = w
	}
}
