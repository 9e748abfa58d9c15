package isolate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

const page = 64 << 10 // of a WebAssembly memory

// Config are the choices of [Compile]; the zero value is fine.
type Config struct {
	// MemoryLimit is how many bytes the memory of each isolate may have, in whole
	// pages of 64 KiB; 0 means 256 MiB. WebAssembly ends at 4 GiB. A stack is no part
	// of it: an endless recursion takes up to some 100 MB before it is a trap.
	MemoryLimit int64
	// MaxMessage is how long a message of a module may be in bytes; 0 means 1 MiB.
	// With [thread.Backlog] it bounds what an isolate can make this process hold.
	MaxMessage int
	// CacheDir keeps compiled code for the next process; "" keeps none. It is made
	// if it is missing. Who can write to it can run code in this process.
	CacheDir string
}

// Module is a compiled module, from which [Module.New] makes isolates. Its methods
// may be called from any goroutine.
type Module struct {
	config Config
	rt     wazero.Runtime
	cache  wazero.CompilationCache // nil if none
	code   wazero.CompiledModule

	mu      sync.Mutex // guards closed and stops
	closed  bool
	stops   map[*guest]context.CancelCauseFunc
	running sync.WaitGroup
}

// Compile compiles a WASI command, which it does not keep. The error is a
// [*CompileError] that says what is wrong with wasm or with the configuration. A module
// may have 50 000 locals in a function, 16 tables, and 1 048 576 elements in each,
// which count beside MemoryLimit with eight bytes each; a table does not grow beyond.
// ctx does not end the compilation, which takes some tenths of a second a megabyte.
func Compile(ctx context.Context, wasm []byte, c Config) (*Module, error) {
	if c.MemoryLimit == 0 {
		c.MemoryLimit = 256 << 20
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = 1 << 20
	}
	if c.MemoryLimit < page || c.MemoryLimit > 4<<30 {
		return nil, bad(nil, "MemoryLimit %d: give 65536 (64 KiB) to 4294967296 (4 GiB)", c.MemoryLimit)
	}
	if c.MaxMessage < 0 {
		return nil, bad(nil, "MaxMessage %d is negative", c.MaxMessage)
	}
	m := &Module{config: c, stops: map[*guest]context.CancelCauseFunc{}}
	if err := m.compile(ctx, wasm); err != nil {
		return nil, errors.Join(err, m.Close(ctx))
	}
	return m, nil
}

func (m *Module) compile(ctx context.Context, wasm []byte) (err error) {
	if wasm, err = bounded(wasm); err != nil {
		return bad(nil, "%v", err)
	}
	rc := wazero.NewRuntimeConfig().WithCloseOnContextDone(true).
		WithMemoryLimitPages(uint32(m.config.MemoryLimit / page))
	if dir := m.config.CacheDir; dir != "" {
		if m.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
			return bad(err, "CacheDir %s: %v", dir, err)
		}
		rc = rc.WithCompilationCache(m.cache)
	}
	m.rt = wazero.NewRuntimeWithConfig(ctx, rc)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, m.rt); err != nil {
		return bad(err, "%v", err)
	}
	if err := provide(ctx, m.rt); err != nil {
		return bad(err, "%v", err)
	}
	if m.code, err = m.rt.CompileModule(ctx, wasm); err != nil {
		return bad(err, "%v", err)
	}
	return m.check()
}

// check finds what would fail later: an import that nobody provides, no beginning.
func (m *Module) check() error {
	for _, f := range m.code.ImportedFunctions() {
		module, name, _ := f.Import()
		if p := m.rt.Module(module); p == nil || p.ExportedFunctionDefinitions()[name] == nil {
			return bad(nil, "it imports the function %s.%s: an isolate has WASI preview 1 and the functions of this package", module, name)
		}
	}
	for _, mem := range m.code.ImportedMemories() {
		module, name, _ := mem.Import()
		return bad(nil, "it imports the memory %s.%s: it must have its own", module, name)
	}
	start := m.code.ExportedFunctions()["_start"]
	if start == nil || len(start.ParamTypes())+len(start.ResultTypes()) > 0 {
		return bad(nil, "it exports no function _start: build a program, not a library")
	}
	return nil
}

// Close ends the isolates that run, which fail with [ErrClosed], waits for them
// and gives back the compiled code. It may be called more than once.
func (m *Module) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	for _, stop := range m.stops {
		stop(ErrClosed)
	}
	m.mu.Unlock()
	m.running.Wait()
	var errs []error
	if m.rt != nil {
		errs = append(errs, m.rt.Close(ctx))
	}
	if m.cache != nil {
		errs = append(errs, m.cache.Close(ctx))
	}
	return errors.Join(errs...)
}

// enter notes that g runs, until leave.
func (m *Module) enter(g *guest, stop context.CancelCauseFunc) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.stops[g] = stop
	m.running.Add(1)
	return nil
}

func (m *Module) leave(g *guest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.stops, g)
	m.running.Done()
}

// provide makes the host functions. They find their guest in the context.
func provide(ctx context.Context, rt wazero.Runtime) error {
	b := rt.NewHostModuleBuilder("tend")
	for _, f := range functions {
		call := f.call
		params := slices.Repeat([]api.ValueType{api.ValueTypeI32}, f.params)
		if f.name == "next" {
			params[1] = api.ValueTypeI64
		}
		b = b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
			g, ok := ctx.Value(guestKey{}).(*guest)
			if !ok {
				panic(fmt.Sprintf("isolate: %s called outside an isolate", f.name))
			}
			stack[0] = api.EncodeI32(int32(call(g, ctx, mod.Memory(), stack)))
		}), params, []api.ValueType{api.ValueTypeI32}).Export(f.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}
