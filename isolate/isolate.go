package isolate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/sys"

	"github.com/tendproc/tend/thread"
)

// Options are the choices of [Module.New]; the zero value is fine.
type Options struct {
	// Name is for people, and the program's argv[0]; "" means "isolate".
	Name string
	Args []string // argv[1:]
	// Env is the whole environment, as "KEY=value". Nothing of this process's own
	// is added but what the package documentation names.
	Env []string
	// WorkerData is put into the environment as JSON.
	WorkerData any
	// Stdout and Stderr take what the program prints; nil drops it. A Write in
	// progress is waited for when the isolate is terminated.
	Stdout, Stderr io.Writer
	// Files is the program's file system, to read only; nil is none.
	Files fs.FS
}

// New makes an isolate, a thread that runs the module: see package thread for what
// can be done with it. The error names the option at fault.
func (m *Module) New(o Options) (*thread.Thread, error) {
	if o.Name == "" {
		o.Name = "isolate"
	}
	config, err := o.config()
	if err != nil {
		return nil, err
	}
	return thread.New(func(ctx context.Context, self *thread.Self) error {
		code, err := m.run(ctx, self, config)
		if err == nil && code != 0 {
			self.Exit(code)
		}
		return err
	}, thread.Options{Name: o.Name})
}

func (o Options) config() (wazero.ModuleConfig, error) {
	c := wazero.NewModuleConfig().WithName(""). // many of one module
							WithArgs(append([]string{o.Name}, o.Args...)...).
							WithStdout(orDrop(o.Stdout)).WithStderr(orDrop(o.Stderr)).
							WithSysWalltime().WithSysNanotime().WithRandSource(rand.Reader)
	for _, kv := range o.Env {
		key, value, ok := strings.Cut(kv, "=")
		if !ok || key == "" || strings.ContainsRune(kv, 0) {
			return nil, fmt.Errorf("isolate: Env: %q is not KEY=value", kv)
		}
		c = c.WithEnv(key, value)
	}
	for _, arg := range append(o.Args, o.Name) {
		if strings.ContainsRune(arg, 0) {
			return nil, fmt.Errorf("isolate: Args: %q holds a zero byte", arg)
		}
	}
	if o.WorkerData != nil {
		text, err := json.Marshal(o.WorkerData)
		if err != nil {
			return nil, fmt.Errorf("isolate: WorkerData: %w", err)
		}
		c = c.WithEnv("TEND_WORKER_DATA", string(text))
	}
	if o.Files != nil {
		c = c.WithFSConfig(wazero.NewFSConfig().WithFSMount(o.Files, "/"))
	}
	return c, nil
}

func orDrop(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// run runs the module in a new instance, up to its end.
func (m *Module) run(ctx context.Context, self *thread.Self, config wazero.ModuleConfig) (code int, err error) {
	g := newGuest(self.Port(), m.config.MaxMessage)
	defer g.closeAll()
	ctx, stop := context.WithCancelCause(context.WithValue(ctx, guestKey{}, g))
	defer stop(nil)
	if err := m.enter(g, stop); err != nil {
		return 0, err
	}
	defer m.leave(g)
	config = config.WithEnv("TEND_THREAD_ID", strconv.Itoa(self.ID())).WithNanosleep(func(ns int64) { sleep(ctx, ns) })
	mod, err := m.rt.InstantiateModule(ctx, m.code, config)
	if mod != nil {
		mod.Close(ctx)
	}
	if err == nil {
		return 0, nil
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if exit, ok := errors.AsType[*sys.ExitError](err); ok {
		return int(exit.ExitCode()), nil
	}
	return 0, trapOf(err)
}

// sleep is the program's, which its end cuts short.
func sleep(ctx context.Context, ns int64) {
	if ns <= 0 {
		return
	}
	t := time.NewTimer(time.Duration(ns))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
