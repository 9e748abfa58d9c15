// Package cli is the command line: verbs, flags, tables or JSON, exit codes.
// It speaks only [api.Service]; how a daemon is reached or started it is told
// by its caller.
package cli

import (
	"context"
	"io"

	"github.com/tendproc/tend/internal/api"
)

// IO is the world a command runs in.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	Env      []string // KEY=value, as os.Environ
	Cwd      string   // absolute
	Terminal bool     // Out is a terminal
	Width    int      // columns of the terminal; 0 means unknown
	Version  string   // of this program
}

// Daemon reaches the daemon of one home.
type Daemon interface {
	// Connect reaches the daemon that runs; a fault.Unavailable says there is none.
	Connect(ctx context.Context) (api.Service, error)
	// Ensure is Connect, but starts a daemon where none answers.
	Ensure(ctx context.Context) (api.Service, error)
	// Home is the folder that holds its socket and logs.
	Home() string
}

// Run carries out one command line (without the program's name) and returns
// its exit code. It starts nothing that outlives it but the daemon.
func Run(ctx context.Context, args []string, stdio IO, d Daemon) int { return 0 }
