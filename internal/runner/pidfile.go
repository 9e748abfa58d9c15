package runner

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
)

// writePID puts the number of the process into its pid file, if it is to have one.
func (l *life) writePID(pid int) error {
	path := l.spawn.App.PIDPath(l.spawn.Key.ID)
	if path == "" {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = pm2.WritePID(path, pid)
	}
	if err != nil {
		return &fault.Error{
			Code: fault.StartFailed, Op: "spawn " + l.spawn.App.Name, Field: "--pid", Message: "cannot write the pid file", Err: err,
			Remedy: "Name a file that can be written, or NULL for none.",
		}
	}
	return nil
}

// removePID removes the pid file, unless it is a successor's by now.
func (l *life) removePID(pid int) {
	path := l.spawn.App.PIDPath(l.spawn.Key.ID)
	if path == "" {
		return
	}
	if text, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(pid) {
		_ = os.Remove(path) // it names nobody
	}
}
