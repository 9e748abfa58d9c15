package process

import (
	"errors"
	"os"
	"runtime"
	"time"

	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/internal/sys"
)

// SetTitle sets what ps, top and pgrep show for this process: its command line, up
// to 4095 bytes, and its short name, of which the kernel keeps 15 bytes. What
// os.Args and the environment hold is not changed.
func SetTitle(title string) error {
	return errors.Join(sys.SetTitle(title), sys.SetArguments(title))
}

// Title is the command line that ps shows for this process.
func Title() (string, error) {
	p, err := procs.Get(os.Getpid())
	return p.Title(), err
}

// started stands in where the system does not tell.
var started = time.Now()

// Uptime is how long this process has run, to a hundredth of a second.
func Uptime() time.Duration {
	var r procs.Reader
	if st, err := r.Stat(os.Getpid()); err == nil {
		return sys.SinceBoot() - st.Start
	}
	return time.Since(started)
}

// PPID is the parent's number now: another process takes its place when it ends.
func PPID() int { return os.Getppid() }

// Platform is the operating system in Node's words: "linux", "darwin", "win32".
func Platform() string { return nodeWord(runtime.GOOS) }

// Arch is the processor in Node's words: "x64", "arm64", "ia32".
func Arch() string { return nodeWord(runtime.GOARCH) }

func nodeWord(goWord string) string {
	switch goWord {
	case "windows":
		return "win32"
	case "solaris", "illumos":
		return "sunos"
	case "amd64":
		return "x64"
	case "386":
		return "ia32"
	case "mipsle":
		return "mipsel"
	case "ppc64le":
		return "ppc64"
	}
	return goWord
}

// Terminal tells whether f is a terminal, and how many columns and rows it has; 0
// if it does not know. A change of its size is a SIGWINCH.
func Terminal(f *os.File) (columns, rows int, ok bool) { return sys.Terminal(f) }
