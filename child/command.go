package child

import (
	"os"

	"github.com/tendproc/tend/ipc"
)

// MarkerVar is the environment variable by which strays of a process tree are
// found. [Start] sets it in every child: to the marker of the child's own tree, and
// after it, each behind a space, those of the trees that this process is in.
const MarkerVar = "TEND_TREE"

// Command says what to start. Only Path is needed.
type Command struct {
	// Path is the program. Without a slash it is looked up in the PATH of Env;
	// a relative path with a slash is relative to Dir.
	Path string
	Args []string // argv[1:]
	// Argv0 is what the program sees as its own name; "" means Path.
	Argv0 string
	// Env is the whole environment, as "KEY=value"; the last of equal keys
	// counts. nil means this process's own, without the variables of its own
	// channel (NODE_CHANNEL_FD, NODE_CHANNEL_SERIALIZATION_MODE, NODE_UNIQUE_ID).
	Env []string
	Dir string // working directory; "" means this process's own
	// Stdio lists the child's descriptors: the index is the number in the
	// child. A missing or zero one of 0, 1 and 2 is /dev/null, any other closed.
	Stdio []Stdio
	// Session starts a new session (setsid): the child has no terminal and
	// outlives one. Otherwise it leads a process group of its own.
	Session    bool
	Credential *Credential // nil: this process's own identity
	// Cgroup is the folder of a control group of version 2 that the child starts in;
	// nil for this process's own.
	Cgroup *os.File
	// Around, unless nil, is called with what forks, and has to call it once: on
	// the same thread, for the child inherits what the thread is.
	Around func(fork func() error) error
	// Tree is the marker of the child's tree, the whole value of [MarkerVar] in the
	// child: one that outlives the trees this process is in. "" means a new random one,
	// for a tree that is part of those. It has no spaces.
	Tree string
}

// Credential is the identity a child runs under. To take another than one's
// own needs privilege.
type Credential struct {
	UID, GID uint32
	Groups   []uint32 // supplementary groups; none if empty
}

// Stdio says what one descriptor of a child is. The zero value is [Ignore].
type Stdio struct {
	kind kind
	fd   int
	file *os.File
	ipc  ipc.ConnOptions
}

type kind uint8

const (
	ignore kind = iota
	inherit
	pipe
	file
	channel
)

// Ignore is /dev/null on 0, 1 and 2, and a closed descriptor elsewhere.
func Ignore() Stdio { return Stdio{} }

// Inherit gives the child this process's descriptor fd.
func Inherit(fd int) Stdio { return Stdio{kind: inherit, fd: fd} }

// Pipe connects the child to [Process.Pipe]: it reads from 0, writes to 1 and
// 2, and has both directions (a Unix socket) on any other.
func Pipe() Stdio { return Stdio{kind: pipe} }

// File gives the child an open file, which stays the caller's: close it any
// time after [Start]. Pipes and terminals are made blocking, as programs
// expect of them.
func File(f *os.File) Stdio { return Stdio{kind: file, file: f} }

// IPC is a channel as Node speaks it: [Process.Conn] is the parent's end, and
// the child is told by NODE_CHANNEL_FD and NODE_CHANNEL_SERIALIZATION_MODE. At
// most one of a child's descriptors can be one.
func IPC(mode ipc.Serialization) Stdio { return IPCWith(ipc.ConnOptions{Serialization: mode}) }

// IPCWith is [IPC] with more to say: how much may be queued, what the child knows.
func IPCWith(o ipc.ConnOptions) Stdio { return Stdio{kind: channel, ipc: o} }
