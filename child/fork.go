package child

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/tendproc/tend/ipc"
)

// ForkOptions are the choices of [Fork] and [ForkSelf]; the zero value is fine.
type ForkOptions struct {
	// Interpreter runs the file, whatever its name; "" means, for a script, the first
	// that is in the PATH of Env: of node, bun and deno for JavaScript, of bun, node and
	// deno for TypeScript (which Node knows from 22.18 on), of bun and deno for .tsx
	// and .jsx.
	Interpreter string
	// InterpreterArgs come before the script, as "--enable-source-maps". Deno has
	// "run", "-A" if there are none.
	InterpreterArgs []string

	Dir           string            // working directory; "" means this process's own
	Env           []string          // as Command.Env
	Silent        bool              // pipes for 0, 1 and 2 instead of this process's own
	Serialization ipc.Serialization // of the channel; the zero value is JSON, as in Node
	Session       bool              // as Command.Session
	Credential    *Credential       // as Command.Credential
}

// interpreters of a script by its extension, in the order in which they are
// looked for.
var interpreters = map[string][]string{
	".js": javaScript, ".cjs": javaScript, ".mjs": javaScript,
	".ts": typeScript, ".cts": typeScript, ".mts": typeScript,
	".jsx": typed, ".tsx": typed,
}

var (
	javaScript = []string{"node", "bun", "deno"}
	typeScript = []string{"bun", "node", "deno"}
	typed      = []string{"bun", "deno"}
)

// Fork starts a program with a channel on descriptor 3, as Node's
// child_process.fork does: a script (.js, .cjs, .mjs, .ts, .cts, .mts, .jsx, .tsx)
// with an interpreter, anything else as the program it is unless one is given. [Process.Conn] is the
// channel. The error is a [*StartError].
func Fork(path string, args []string, o ForkOptions) (*Process, error) {
	candidates, script := interpreters[filepath.Ext(path)]
	if !script && o.Interpreter == "" {
		return Start(o.command(path, args))
	}
	name := o.Interpreter
	if name == "" {
		var err error
		if name, err = o.interpreter(path, candidates); err != nil {
			return nil, err
		}
	}
	before := o.InterpreterArgs
	if before == nil && filepath.Base(name) == "deno" {
		before = []string{"run", "-A"}
	}
	return Start(o.command(name, slices.Concat(before, []string{path}, args)))
}

func (o *ForkOptions) command(path string, args []string) Command {
	cmd := Command{
		Path: path, Args: args, Env: o.Env, Dir: o.Dir, Session: o.Session, Credential: o.Credential,
		Stdio: []Stdio{Inherit(0), Inherit(1), Inherit(2), IPC(o.Serialization)},
	}
	if o.Silent {
		cmd.Stdio[0], cmd.Stdio[1], cmd.Stdio[2] = Pipe(), Pipe(), Pipe()
	}
	return cmd
}

func (o *ForkOptions) interpreter(script string, candidates []string) (string, error) {
	env := o.Env
	if env == nil {
		env = os.Environ()
	}
	for _, name := range candidates {
		if _, err := (&Command{Path: name}).find(env); err == nil {
			return name, nil
		}
	}
	cmd := Command{Path: script}
	reason := fmt.Sprintf("no interpreter for it in PATH: looked for %s", strings.Join(candidates, ", "))
	return "", cmd.fault(BadProgram, script, reason, syscall.ENOENT)
}
