package child

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/tendproc/tend/internal/sys"
)

// Fault says which part of a [Command] kept it from starting.
type Fault int

const (
	BadSystem     Fault = iota // the system: no more processes, descriptors or memory
	BadProgram                 // Path: missing, not executable, not a program
	BadDir                     // Dir: missing, not a folder, not accessible
	BadCredential              // Credential: not permitted
	BadStdio                   // Stdio: a closed file, a second channel
	BadArguments               // Args or Env: too long, or with a zero byte
)

func (f Fault) String() string {
	names := [...]string{"system", "program", "dir", "credential", "stdio", "arguments"}
	if f < 0 || int(f) >= len(names) {
		return "fault " + itoa(int(f))
	}
	return names[f]
}

// StartError is why there is no process. Err is the cause, mostly a
// [syscall.Errno], so errors.Is(err, fs.ErrNotExist) and the like work.
type StartError struct {
	Program string // Command.Path
	Fault   Fault
	Subject string // the program, the folder, or the identity at fault
	Reason  string // what is wrong with it, lower case
	Err     error
}

func (e *StartError) Error() string {
	if e.Subject == e.Program || e.Subject == "" {
		return fmt.Sprintf("spawn %s: %s", e.Program, e.Reason)
	}
	return fmt.Sprintf("spawn %s: %s: %s", e.Program, e.Subject, e.Reason)
}

func (e *StartError) Unwrap() error { return e.Err }

// ErrSurvivors says that processes of a tree are left that this process is not
// permitted to end.
var ErrSurvivors = errors.New("not permitted to end them")

// SweepError names the processes of a tree that are left.
type SweepError struct {
	PIDs []int
	Err  error // ErrSurvivors, or why the sweep was given up
}

func (e *SweepError) Error() string {
	return fmt.Sprintf("sweep: processes %v are left: %v", e.PIDs, e.Err)
}

func (e *SweepError) Unwrap() error { return e.Err }

func (c *Command) fault(f Fault, subject, reason string, err error) error {
	return &StartError{Program: c.Path, Fault: f, Subject: subject, Reason: reason, Err: err}
}

// diagnose finds out which of the steps between fork and exec gave err: the
// kernel tells no more than the number.
func (c *Command) diagnose(s sys.Spawn, err error) error {
	switch {
	case errors.Is(err, syscall.E2BIG):
		return c.fault(BadArguments, "", "arguments and environment are too long", err)
	case errors.Is(err, syscall.EINVAL) && hasZero(s):
		return c.fault(BadArguments, "", "an argument or variable holds a zero byte", err)
	case errors.Is(err, syscall.EAGAIN):
		return c.fault(BadSystem, "", "the limit of processes is reached (RLIMIT_NPROC, or a cgroup's pids.max)", err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return c.fault(BadSystem, "", "too many open files (RLIMIT_NOFILE)", err)
	}
	if bad := c.badCredential(err); bad != nil {
		return bad
	}
	if bad := c.badDir(err); bad != nil {
		return bad
	}
	if bad := c.badProgram(s.Path, err); bad != nil {
		return bad
	}
	return c.fault(BadSystem, "", text(err), err)
}

func hasZero(s sys.Spawn) bool {
	zero := func(text string) bool { return strings.IndexByte(text, 0) >= 0 }
	return zero(s.Path) || zero(s.Dir) || slices.ContainsFunc(s.Argv, zero) || slices.ContainsFunc(s.Env, zero)
}

func (c *Command) badCredential(err error) error {
	if c.Credential == nil || !errors.Is(err, syscall.EPERM) {
		return nil
	}
	who := fmt.Sprintf("uid %d, gid %d", c.Credential.UID, c.Credential.GID)
	return c.fault(BadCredential, who, fmt.Sprintf("not permitted: this process runs as uid %d", os.Geteuid()), err)
}

func (c *Command) badDir(err error) error {
	if c.Dir == "" {
		return nil
	}
	info, serr := os.Stat(c.Dir)
	switch {
	case errors.Is(serr, fs.ErrNotExist):
		return c.fault(BadDir, c.Dir, "no such folder", err)
	case serr != nil:
		return c.fault(BadDir, c.Dir, text(serr), err)
	case !info.IsDir():
		return c.fault(BadDir, c.Dir, "not a folder", err)
	case !errors.Is(err, fs.ErrPermission):
		return nil
	}
	if at := c.closedAt(c.Dir); at != "" {
		return c.fault(BadDir, c.Dir, "no access to "+at, err)
	}
	return nil
}

// closedAt gives the first folder of path that the child's identity may not
// enter, "" if it may enter all.
func (c *Command) closedAt(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	at := ""
	for _, element := range strings.Split(path, "/") {
		at += element + "/"
		name := filepath.Clean(at)
		if c.Credential == nil {
			if !sys.MayExecute(name) {
				return name
			}
		} else if info, err := os.Stat(name); err != nil || !c.Credential.mayExecute(info) {
			return name
		}
	}
	return ""
}

// mayExecute judges by the mode bits alone, which leaves out access lists.
func (c *Credential) mayExecute(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	mode := info.Mode().Perm()
	switch {
	case c.UID == 0:
		return info.IsDir() || mode&0o111 != 0
	case st.Uid == c.UID:
		return mode&0o100 != 0
	case st.Gid == c.GID || slices.Contains(c.Groups, st.Gid):
		return mode&0o010 != 0
	}
	return mode&0o001 != 0
}

func (c *Command) badProgram(path string, err error) error {
	if !filepath.IsAbs(path) && c.Dir != "" {
		path = filepath.Join(c.Dir, path)
	}
	info, serr := os.Stat(path)
	switch {
	case errors.Is(serr, fs.ErrNotExist):
		return c.fault(BadProgram, c.Path, "no such file", err)
	case serr != nil:
		return c.fault(BadProgram, c.Path, text(serr), err)
	case info.IsDir():
		return c.fault(BadProgram, c.Path, "is a folder, not a program", err)
	case errors.Is(err, fs.ErrNotExist):
		if name := interpreter(path); name != "" {
			return c.fault(BadProgram, c.Path, "its interpreter is missing: "+name, err)
		}
		return c.fault(BadProgram, c.Path, "its loader or a library folder is missing: built for another system?", err)
	case errors.Is(err, syscall.ENOEXEC):
		return c.fault(BadProgram, c.Path, "not a program: neither a binary of this system nor a script with a #! line", err)
	case errors.Is(err, syscall.ETXTBSY):
		return c.fault(BadProgram, c.Path, "is being written to", err)
	case errors.Is(err, fs.ErrPermission):
		if at := c.closedAt(filepath.Dir(path)); at != "" {
			return c.fault(BadProgram, c.Path, "no access to "+at, err)
		}
		return c.fault(BadProgram, c.Path, "not executable", err)
	}
	return nil
}

// interpreter reads the program of a script's #! line, "" if it has none.
func interpreter(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	var buf [256]byte // as much as the kernel looks at
	n, _ := f.Read(buf[:])
	line, ok := bytes.CutPrefix(buf[:n], []byte("#!"))
	if !ok {
		return ""
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	words := strings.FieldsFunc(string(line), func(r rune) bool { return r == ' ' || r == '\t' })
	if len(words) == 0 {
		return ""
	}
	// A carriage return is part of the name for the kernel: show it.
	return strings.ReplaceAll(words[0], "\r", `\r`)
}

// text is the innermost message of err, without the names of calls and paths
// that the error around it gives already.
func text(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err.Error()
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		return call.Err.Error()
	}
	return err.Error()
}
