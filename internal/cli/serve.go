package cli

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/static"
)

// runServe starts an app that is this program, as a server of a folder: a cluster of
// one worker, so that a reload has no gap.
func runServe(ctx context.Context, c *command, o operands) error {
	req, err := c.site(o.args)
	if err != nil {
		return err
	}
	return c.each(ctx, []string{*req.Options.Name}, spec.Restarting, "started", func(svc api.Service, _ string) (event.Outcome, error) {
		return svc.Start(ctx, req)
	})
}

// site is the app that serves PATH on PORT.
func (c *command) site(args []string) (spec.Start, error) {
	path, port := ".", "8080"
	if len(args) > 0 {
		path = args[0]
	}
	if len(args) > 1 {
		port = args[1]
	}
	if p := c.values.text("port"); p != nil {
		port = *p
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return spec.Start{}, &fault.Error{Code: fault.Invalid, Op: "serve", Field: "port", Message: strconv.Quote(port) + " is not a port", Remedy: "Give a number from 1 to 65535: tend serve " + path + " 8080"}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.Cwd, path)
	}
	user, password := c.values.text("basic-auth-username"), c.values.text("basic-auth-password")
	if (user == nil) != (password == nil) {
		return spec.Start{}, &fault.Error{Code: fault.Invalid, Op: "serve", Field: "--basic-auth-username", Message: "a username and a password go together", Remedy: "Give both or neither."}
	}
	probe, err := static.New(static.Site{Dir: path})
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		return spec.Start{}, &fault.Error{Code: fault.NotFound, Op: "serve", Field: "path", Message: "folder cannot be read: " + path, Err: err, Remedy: "Name a folder that exists: tend serve ./public"}
	}
	probe.Close()
	env := map[string]string{static.VarPath: path, static.VarPort: port}
	for name, on := range map[string]bool{static.VarSPA: c.values.on("spa"), static.VarList: c.values.on("ftp"), static.VarAuth: user != nil} {
		if on {
			env[name] = "true"
		}
	}
	if user != nil {
		env[static.VarUsername], env[static.VarPassword] = *user, *password
	}
	if host := c.values.text("host"); host != nil {
		env[static.VarHost] = *host
	}
	opts, err := c.values.options()
	if err != nil {
		return spec.Start{}, err
	}
	name, mode := "static-page-server-"+port, string(spec.Cluster)
	if opts.Name == nil {
		opts.Name = &name
	}
	opts.Mode, opts.Exclusive, opts.Args, opts.Env = &mode, new(true), &[]string{static.Program}, env
	return spec.Start{Word: c.Program, Options: opts, Force: c.values.on("force"), Caller: c.caller()}, nil
}
