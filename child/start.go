package child

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/ipc"
)

// startTime is when a process started, since boot, in the kernel's ticks.
type startTime = time.Duration

// Variables by which a Node parent tells a child of its channel. A child has
// its own parent's only if asked for.
const (
	channelVar       = "NODE_CHANNEL_FD"
	serializationVar = "NODE_CHANNEL_SERIALIZATION_MODE"
	workerVar        = "NODE_UNIQUE_ID"
)

// plan is a Command with all its descriptors open.
type plan struct {
	spawn   sys.Spawn
	tree    string
	pipes   map[int]*os.File // ours
	conn    *ipc.Conn        // ours
	theirs  []*os.File       // the child's ends: ours to close once it has its own copies
	channel int              // index of the channel, -1 if none
	mode    ipc.Serialization
}

func (p *plan) closeTheirs() {
	for _, f := range p.theirs {
		f.Close()
	}
}

func (p *plan) closeOurs() {
	for _, f := range p.pipes {
		f.Close()
	}
	if p.conn != nil {
		p.conn.Close()
	}
}

// plan opens what the child needs. On error all of it is closed again.
func (c *Command) plan() (*plan, error) {
	p := &plan{tree: c.Tree, pipes: map[int]*os.File{}, channel: -1}
	if p.tree == "" {
		p.tree = newTree()
	}
	if err := c.stdio(p); err != nil {
		p.closeTheirs()
		p.closeOurs()
		return nil, err
	}
	p.spawn.Env = c.environment(p)
	path, err := c.find(p.spawn.Env)
	if err != nil {
		p.closeTheirs()
		p.closeOurs()
		return nil, err
	}
	argv0 := c.Argv0
	if argv0 == "" {
		argv0 = c.Path
	}
	p.spawn.Path = path
	p.spawn.Argv = append([]string{argv0}, c.Args...)
	p.spawn.Dir = c.Dir
	p.spawn.Session = c.Session
	p.spawn.Around = c.Around
	if c.Cgroup != nil {
		if p.spawn.Cgroup, err = p.dup(c.Cgroup); err != nil {
			p.closeTheirs()
			p.closeOurs()
			return nil, &StartError{Program: c.Path, Fault: BadSystem, Subject: "control group", Reason: text(err), Err: err}
		}
	}
	if c.Credential != nil {
		p.spawn.Credential = c.Credential.forKernel()
	}
	return p, nil
}

func newTree() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// forKernel leaves the groups alone where nothing would change but the right
// to set them may be missing.
func (c *Credential) forKernel() *syscall.Credential {
	own := os.Geteuid() != 0 && int(c.UID) == os.Geteuid() && int(c.GID) == os.Getegid() && len(c.Groups) == 0
	return &syscall.Credential{Uid: c.UID, Gid: c.GID, Groups: c.Groups, NoSetGroups: own}
}

// stdio opens the child's descriptors.
func (c *Command) stdio(p *plan) error {
	n := max(len(c.Stdio), 3)
	p.spawn.Files = make([]int, n)
	null := -1
	for i := range n {
		var s Stdio
		if i < len(c.Stdio) {
			s = c.Stdio[i]
		}
		fd, err := c.open(p, i, s, &null)
		if err != nil {
			return &StartError{Program: c.Path, Fault: BadStdio, Subject: "descriptor " + itoa(i), Reason: text(err), Err: err}
		}
		p.spawn.Files[i] = fd
	}
	return nil
}

// open gives the descriptor of this process that the child will have as its i-th.
func (c *Command) open(p *plan, i int, s Stdio, null *int) (int, error) {
	switch s.kind {
	case inherit:
		if !sys.FDOpen(s.fd) {
			return -1, fmt.Errorf("inherit %d: %w", s.fd, os.ErrClosed)
		}
		return s.fd, nil
	case pipe:
		return p.openPipe(i)
	case file:
		return p.dup(s.file)
	case channel:
		return p.openChannel(i, s.ipc)
	}
	if i > 2 {
		return -1, nil
	}
	if *null < 0 {
		f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return -1, err
		}
		p.theirs = append(p.theirs, f)
		*null = int(f.Fd())
	}
	return *null, nil
}

func (p *plan) openPipe(i int) (int, error) {
	name := "pipe " + itoa(i)
	var ours, theirs *os.File
	var err error
	if i > 2 {
		ours, theirs, err = sys.Socketpair(name)
	} else {
		ours, theirs, err = sys.ChildPipe(name, i == 0)
	}
	if err != nil {
		return -1, err
	}
	p.pipes[i] = ours
	p.theirs = append(p.theirs, theirs)
	return int(theirs.Fd()), nil
}

// dup holds a copy of f until the spawn is done, so that a close of f elsewhere
// cannot put another file in its place. f itself keeps its mode but for
// blocking, and stays in the runtime poller.
func (p *plan) dup(f *os.File) (fd int, err error) {
	if f == nil {
		return -1, os.ErrInvalid
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	var derr error
	if raw.Control(func(from uintptr) { fd, derr = sys.Dup(int(from)) }) != nil {
		return -1, os.ErrClosed // the only reason to fail
	}
	if derr != nil {
		return -1, derr
	}
	p.theirs = append(p.theirs, os.NewFile(uintptr(fd), f.Name()))
	return fd, sys.MakeBlocking(fd)
}

func (p *plan) openChannel(i int, o ipc.ConnOptions) (int, error) {
	if p.channel >= 0 {
		return -1, fmt.Errorf("a second channel, the first is %d", p.channel)
	}
	ours, theirs, err := sys.Socketpair("channel")
	if err != nil {
		return -1, err
	}
	p.theirs = append(p.theirs, theirs)
	if p.conn, err = ipc.NewConn(ours, o); err != nil {
		ours.Close()
		return -1, err
	}
	p.channel, p.mode = i, o.Serialization
	return int(theirs.Fd()), nil
}

// environment is Env with the marker and the channel's variables, the last of
// equal keys, in a stable order. The marker comes first, where it is found at once.
func (c *Command) environment(p *plan) []string {
	env := c.Env
	if env == nil {
		env = withoutChannel(os.Environ())
	}
	own := map[string]string{MarkerVar: p.tree}
	if outer := os.Getenv(MarkerVar); c.Tree == "" && outer != "" {
		own[MarkerVar] += " " + outer
	}
	if p.channel >= 0 {
		own[channelVar] = itoa(p.channel)
		own[serializationVar] = p.mode.String()
	}
	result := make([]string, 0, len(env)+len(own))
	for _, key := range slices.Sorted(maps.Keys(own)) {
		result = append(result, key+"="+own[key])
	}
	slices.Reverse(result) // MarkerVar sorts last
	last := make(map[string]int, len(env))
	for i, entry := range env {
		key, _, _ := strings.Cut(entry, "=")
		last[key] = i
	}
	for i, entry := range env {
		key, _, ok := strings.Cut(entry, "=")
		if _, mine := own[key]; ok && !mine && last[key] == i {
			result = append(result, entry)
		}
	}
	return result
}

// withoutChannel takes out what tells of this process's own channel.
func withoutChannel(env []string) []string {
	return slices.DeleteFunc(env, func(entry string) bool {
		key, _, _ := strings.Cut(entry, "=")
		return key == channelVar || key == serializationVar || key == workerVar
	})
}

// find looks the program up in the PATH of the child's environment. Relative
// and empty elements of PATH are passed over.
func (c *Command) find(env []string) (string, error) {
	if c.Path == "" {
		return "", c.fault(BadProgram, "", "no program given", syscall.ENOENT)
	}
	if strings.Contains(c.Path, "/") {
		return c.Path, nil
	}
	denied := false
	for _, dir := range filepath.SplitList(lookup(env, "PATH")) {
		if !filepath.IsAbs(dir) {
			continue
		}
		path := filepath.Join(dir, c.Path)
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue
		}
		if sys.MayExecute(path) {
			return path, nil
		}
		denied = true
	}
	if denied {
		return "", c.fault(BadProgram, c.Path, "found in PATH, but not executable", syscall.EACCES)
	}
	return "", c.fault(BadProgram, c.Path, "no such program in PATH", syscall.ENOENT)
}

func lookup(env []string, key string) string {
	for _, entry := range slices.Backward(env) {
		if k, v, ok := strings.Cut(entry, "="); ok && k == key {
			return v
		}
	}
	return ""
}

func itoa(n int) string { return strconv.Itoa(n) }
