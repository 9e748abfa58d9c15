package child

import (
	"path/filepath"

	"github.com/tendproc/tend/ipc"
)

// ForkOptions are the choices of [Fork]; the zero value is fine.
type ForkOptions struct {
	Interpreter     string   // runs scripts; "" means "node"
	InterpreterArgs []string // before the script, as "--enable-source-maps"
	Dir             string
	Env             []string // as Command.Env
	Silent          bool     // pipes for 0, 1 and 2 instead of this process's own
	Serialization   ipc.Serialization
	Session         bool
	Credential      *Credential
}

// Fork starts a program with a channel on descriptor 3, as Node's
// child_process.fork does: a Node script (.js, .cjs, .mjs, .ts, …) with the
// interpreter, anything else as the program it is. [Process.Conn] is the
// channel.
func Fork(path string, args []string, o ForkOptions) (*Process, error) {
	cmd := Command{
		Path: path, Args: args, Env: o.Env, Dir: o.Dir,
		Session: o.Session, Credential: o.Credential,
		Stdio: []Stdio{Inherit(0), Inherit(1), Inherit(2), IPC(o.Serialization)},
	}
	if o.Silent {
		cmd.Stdio[0], cmd.Stdio[1], cmd.Stdio[2] = Pipe(), Pipe(), Pipe()
	}
	if isScript(filepath.Ext(path)) {
		cmd.Path = o.Interpreter
		if cmd.Path == "" {
			cmd.Path = "node"
		}
		cmd.Args = append(append(append([]string{}, o.InterpreterArgs...), path), args...)
	}
	return Start(cmd)
}
