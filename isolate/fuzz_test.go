package isolate_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tendproc/tend/isolate"
)

// Any bytes are refused by name or make a module, and whatever that does, it ends
// when it is told to and leaves this process alone.
func FuzzModule(f *testing.F) {
	f.Add(hello())
	f.Add(module("", call(fnChannel, 16), drop, call(fnNext, 2, 0, 8), drop, trap))
	f.Add(module("", loop))
	for _, s := range squares {
		wasm, err := os.ReadFile(filepath.Join("testdata", "square", s.wasm))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wasm)
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		ctx := context.Background()
		m, err := isolate.Compile(ctx, wasm, isolate.Config{MemoryLimit: 1 << 20, MaxMessage: 1 << 10})
		if err != nil {
			if _, ok := errors.AsType[*isolate.CompileError](err); !ok {
				t.Errorf("%v", err)
			}
			return
		}
		defer m.Close(ctx)
		th, err := m.New(isolate.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if err := th.Start(ctx); err != nil {
			t.Fatal(err)
		}
		wait(t, th)
	})
}
