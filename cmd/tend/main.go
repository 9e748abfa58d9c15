// Tend guards processes: clusters of Node and Go workers, and any other program.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/cli"
	"github.com/tendproc/tend/internal/daemon"
)

func main() {
	ctx := context.Background()
	if part, err := daemon.RunPart(ctx, os.Args[1:], programVersion()); part {
		if err != nil {
			fmt.Fprintf(os.Stderr, "tend %s: %v\n", os.Args[1], err)
			os.Exit(1)
		}
		return
	}
	home, err := daemon.Home()
	if err == nil {
		var cwd string
		if cwd, err = os.Getwd(); err == nil {
			os.Exit(cli.Run(ctx, os.Args[1:], cli.IO{
				In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
				Env: os.Environ(), Cwd: cwd, Version: programVersion(),
			}, reach(home)))
		}
	}
	fmt.Fprintln(os.Stderr, "tend:", err)
	os.Exit(1)
}

// reach is how the command line comes to a daemon: by its home.
type reach string

func (r reach) Home() string { return string(r) }

func (r reach) Connect(ctx context.Context) (api.Service, error) {
	return service(daemon.Connect(ctx, string(r)))
}

func (r reach) Ensure(ctx context.Context) (api.Service, error) {
	return service(daemon.Ensure(ctx, string(r)))
}

// service keeps a nil client from becoming a service that is not nil.
func service(c *api.Client, err error) (api.Service, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}
