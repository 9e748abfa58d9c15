package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Terminal tells whether f is a terminal, and its size in columns and rows; 0 if
// it does not know.
func Terminal(f *os.File) (width, height int, ok bool) {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, false
	}
	return int(ws.Col), int(ws.Row), true
}
