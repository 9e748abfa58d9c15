package isolate_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tendproc/tend/isolate"
	"github.com/tendproc/tend/thread"
)

// The ends of a module, with no more than the host functions.
func TestEnds(t *testing.T) {
	hi := append(call(fnPost, 0, 0, 0, 7), drop...)
	for _, tt := range []struct {
		name string
		code [][]byte
		exit string
	}{
		{"returns", [][]byte{hi}, "exit 0"},
		{"exit code", [][]byte{hi, call(fnExit, 42), trap}, "exit 42"},
		{"exit code of a stop", [][]byte{hi, call(fnExit, -1)}, "exit 4294967295"},
		{"unreachable", [][]byte{hi, trap}, "exit 1: trap: unreachable"},
		{"stack", [][]byte{again}, "exit 1: trap: stack overflow"},
		{"memory", [][]byte{hi, store(-8, i32(1))}, "exit 1: trap: out of bounds memory access"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			th := start1(t, module(`"hello"`, tt.code...))
			var got []string
			for ev := range th.Events(soon(t)) {
				switch ev := ev.(type) {
				case thread.Online:
					got = append(got, "online")
				case thread.Message:
					got = append(got, fmt.Sprint(ev.Value))
				case thread.BadMessage:
					got = append(got, ev.Err.Error())
				case thread.Failed:
					if _, ok := errors.AsType[*isolate.TrapError](ev.Err); !ok || !strings.HasSuffix(tt.exit, ev.Err.Error()) {
						t.Errorf("failed: %v", ev.Err)
					}
					got = append(got, "failed")
				case thread.Exited:
					got = append(got, ev.Exit.String())
				}
			}
			want := []string{"online", "hello", tt.exit}
			if strings.Contains(tt.exit, "trap") {
				want = []string{"online", "hello", "failed", tt.exit}
			}
			if tt.name == "stack" {
				want = slices.Delete(want, 1, 2) // it calls itself and nothing else
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func start1(t *testing.T, wasm []byte) *thread.Thread {
	t.Helper()
	return start(t, compile(t, wasm, isolate.Config{}), isolate.Options{})
}

// An endless loop ends, by Terminate, by a deadline, by Close; also one that has
// filled its parent's queue.
func TestEndlessLoopIsStopped(t *testing.T) {
	post := append(call(fnPost, 0, 0, 0, 7), drop...)
	flood := append(append([]byte{0x03, 0x40}, post...), 0x0c, 0x00, 0x0b)
	for name, wasm := range map[string][]byte{
		"loop": module(`"hello"`, post, loop), "waits": module(`"hello"`, post, call(fnNext, 0, -1, 0), drop), "flood": module(`"hello"`, flood),
	} {
		t.Run(name, func(t *testing.T) {
			m := compile(t, wasm, isolate.Config{})
			th := start(t, m, isolate.Options{})
			receive(t, th)
			exit, err := th.Terminate(soon(t))
			if err != nil || exit.Code != 1 || exit.Err != thread.ErrTerminated {
				t.Error(exit, err)
			}

			late, err := m.New(isolate.Options{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(soon(t), 20*time.Millisecond)
			defer cancel()
			if err := late.Start(ctx); err != nil {
				t.Fatal(err)
			}
			if exit := wait(t, late); exit.Code != 1 || exit.Err != context.DeadlineExceeded {
				t.Error(exit)
			}

			closed := start(t, m, isolate.Options{})
			receive(t, closed)
			if err := m.Close(soon(t)); err != nil {
				t.Error(err)
			}
			if exit := wait(t, closed); exit.Code != 1 || exit.Err != isolate.ErrClosed {
				t.Error(exit)
			}
			if exit := wait(t, start(t, m, isolate.Options{})); exit.Err != isolate.ErrClosed {
				t.Error(exit)
			}
		})
	}
}

// The memory grows up to the limit, each isolate's for itself.
func TestMemoryLimit(t *testing.T) {
	grow := []byte{0x40, 0x00} // memory.grow
	wasm := module("", store(0, append(i32(7), grow...)), store(4, append(i32(9), grow...)), store(8, append(i32(1), grow...)), call(fnPost, 0, 1, 0, 12), drop)
	m := compile(t, wasm, isolate.Config{MemoryLimit: 16 * 65536})
	for range 2 {
		got := receive(t, start(t, m, isolate.Options{})).([]byte)
		if want := words(1, -1, 8); !reflect.DeepEqual(got, want) { // the size before, or -1
			t.Errorf("%v, want %v", got, want)
		}
	}
}

func words(n ...int32) (b []byte) {
	for _, n := range n {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return b
}

// What the host functions say to nonsense, and that nothing comes of it.
func TestBadCalls(t *testing.T) {
	const far, text, results = 65536, 1000, 2000 // no such memory; where a message goes; where the results do
	calls := []struct {
		code []byte
		want int32
	}{
		{call(fnNext, 0, -1, text), 0}, // the parent's message, with port 1
		{call(fnTake, 0, text, text), 0},
		{call(fnPost, 9, 0, 0, 7), -2},
		{call(fnPost, 0, 2, 0, 7), -3},
		{call(fnPost, 0, 0, far, 7), -3},
		{call(fnPost, 0, 0, 0, -1), -5},
		{call(fnPost, 0, 0, 0, 301), -5},
		{call(fnAttach, 9, 1), -2},
		{call(fnAttach, 0, 9), -2},
		{call(fnAttach, 0, 0), -3}, // the parent port stays
		{call(fnNext, 9, 0, 0), -2},
		{call(fnNext, 0, 0, text), -4},
		{call(fnNext, 0, 1, text), -4},
		{call(fnTake, 9, 0, 0), -2},
		{call(fnTake, 0, 0, 0), -3}, // before next
		{call(fnChannel, far), -3},
		{call(fnChannel, far-4), -3},
		{call(fnChannel, 16), 0}, // ports 2 and 3
		{call(fnPost, 2, 1, 0, 7), 0},
		{call(fnNext, 3, -1, far-8), -3},
		{call(fnNext, 3, 0, text), 0}, // still there
		{call(fnTake, 3, far, text), -3},
		{call(fnTake, 3, text, far+4), -3},
		{call(fnAttach, 0, 3), -3}, // half read
		{call(fnTake, 3, text, text), 0},
		{call(fnAttach, 0, 2), 0},
		{call(fnAttach, 0, 2), -3},
		{call(fnPost, 0, 0, 0, 7), 0}, // forgotten
		{call(fnAttach, 0, 2), 0},
		{call(fnPost, 0, 9, 0, 7), -3},
		{call(fnPost, 0, 0, 0, 7), 0}, // forgotten
		{call(fnAttach, 0, 3), 0},
		{call(fnAttach, 0, 2), 0},
		{call(fnAttach, 1, 2), 0},
		{call(fnPost, 0, 0, 0, 7), 0},  // both go
		{call(fnPost, 1, 0, 0, 7), -2}, // so one of them cannot go there
		{call(fnPost, 2, 0, 0, 7), -2},
		{call(fnClose, 2), -2},
		{call(fnChannel, 16), 0}, // 4 and 5
		{call(fnAttach, 4, 5), 0},
		{call(fnPost, 4, 0, 0, 7), -3}, // its own other end
		{call(fnPost, 4, 1, 0, 7), 0},
		{call(fnClose, 4), 0},
		{call(fnNext, 5, -1, text), 0},
		{call(fnTake, 5, text, text), 0},
		{call(fnNext, 5, -1, text), -1},
		{call(fnPost, 5, 0, 0, 7), -1},
		{call(fnClose, 5), 0},
		{call(fnPost, 0, 0, 1, 1), 0}, // no JSON
		{call(fnClose, 0), 0},
		{call(fnPost, 0, 0, 0, 7), -1},
		{call(fnNext, 0, -1, text), -1},
	}
	var code [][]byte
	var want []int32
	for i, c := range calls {
		code = append(code, store(results+4*int32(i), c.code))
		want = append(want, c.want)
	}
	code = append(code, call(fnPost, 1, 1, results, int32(4*len(calls))), drop)
	m := compile(t, module(`"hello"`, code...), isolate.Config{MaxMessage: 300})
	th := start(t, m, isolate.Options{})
	near, far2 := thread.NewChannel()
	if err := th.Post(isolate.Message{Ports: []*thread.Port{far2}}, far2); err != nil {
		t.Fatal(err)
	}
	got := receive(t, near).([]byte)
	for i := range want {
		if n := int32(binary.LittleEndian.Uint32(got[4*i:])); n != want[i] {
			t.Errorf("call %d: %d, want %d", i, n, want[i])
		}
	}
	for range 2 {
		if v := receive(t, th); v != "hello" {
			t.Error(v)
		}
	}
	if m := receive(t, th).(isolate.Message); m.Value != "hello" || len(m.Ports) != 2 {
		t.Errorf("%#v", m)
	}
	_, err := th.Receive(soon(t))
	if e, ok := errors.AsType[*thread.MessageError](err); !ok || string(e.Value.([]byte)) != "h" {
		t.Error(err)
	}
	if _, err := th.Receive(soon(t)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if exit := wait(t, th); exit.Code != 0 {
		t.Error(exit)
	}
}

// The module of the examples is the one that is spelled out here.
func TestHelloIsWhatItSays(t *testing.T) {
	file, err := os.ReadFile("testdata/hello.wasm")
	if err != nil || !bytes.Equal(file, hello()) {
		t.Errorf("testdata/hello.wasm is another: %v", err)
	}
}

func TestCompileRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		wasm   []byte
		c      isolate.Config
		reason string
	}{
		{[]byte("#!/bin/sh"), isolate.Config{}, "magic"},
		{module("")[:40], isolate.Config{}, ""},
		{moduleOf("_start", "env", ""), isolate.Config{}, "imports the function env.post"},
		{moduleOf("main", "tend", ""), isolate.Config{}, "exports no function _start"},
		{module(""), isolate.Config{MemoryLimit: 1}, "MemoryLimit 1"},
		{module(""), isolate.Config{MemoryLimit: 5 << 30}, "MemoryLimit 5368709120"},
		{module(""), isolate.Config{MaxMessage: -1}, "MaxMessage -1"},
		{module(""), isolate.Config{CacheDir: file}, "CacheDir"},
	} {
		m, err := isolate.Compile(soon(t), tt.wasm, tt.c)
		if e, ok := errors.AsType[*isolate.CompileError](err); !ok || m != nil || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%s: %v", tt.reason, err)
		}
	}
	m := compile(t, module(""), isolate.Config{})
	for want, o := range map[string]isolate.Options{
		"WorkerData": {WorkerData: func() {}}, `Env: "A"`: {Env: []string{"A"}}, `Env: "=x"`: {Env: []string{"=x"}}, "Args": {Args: []string{"a\x00b"}},
	} {
		if _, err := m.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// The program of testdata/guest, made by the Go compiler.
func TestGoProgram(t *testing.T) {
	c := isolate.Config{MemoryLimit: 64 << 20, CacheDir: filepath.Join(t.TempDir(), "a", "cache")}
	wasm := program(t)
	began := time.Now()
	m := compile(t, wasm, c)
	compiling := time.Since(began)
	role := func(name string) isolate.Options { return isolate.Options{Args: []string{name}} }

	t.Run("echo", func(t *testing.T) {
		th := start(t, m, role("echo"))
		for _, v := range []any{nil, true, 1.5, "text", []any{1.0, "x"}, map[string]any{"a": map[string]any{}}, []byte("raw"), []byte{}} {
			if err := th.Post(v); err != nil {
				t.Fatal(err)
			}
			if got := receive(t, th); !reflect.DeepEqual(got, v) {
				t.Errorf("%#v became %#v", v, got)
			}
		}
		buf := thread.NewBuffer([]byte("moved"))
		th.Post(buf, buf)
		if got := receive(t, th); !reflect.DeepEqual(got, []byte("moved")) {
			t.Errorf("%#v", got)
		}
		th.Post(map[bool]int{true: 1}) // has a clone and no JSON
		if got := receive(t, th); got != "no JSON" {
			t.Errorf("%#v", got)
		}
		near, far := thread.NewChannel()
		near.Post("waits")
		if err := th.Post(isolate.Message{Value: "port", Ports: []*thread.Port{far}}, far); err != nil {
			t.Fatal(err)
		}
		back := receive(t, th).(isolate.Message)
		if back.Value != "port" || receive(t, back.Ports[0]) != "waits" {
			t.Errorf("%#v", back)
		}
		th.CloseWrite()
		if exit := wait(t, th); exit.Code != 0 {
			t.Error(exit)
		}
	})
	t.Run("surroundings", func(t *testing.T) {
		var out, complaints locked
		th := start(t, m, isolate.Options{
			Name: "name", Args: []string{"data", "x y"}, Env: []string{"A=b=c"}, WorkerData: []int{1, 2}, Stdout: &out, Stderr: &complaints,
			Files: fstest.MapFS{"hello.txt": {Data: []byte("hello")}},
		})
		want := map[string]any{
			"data": []any{1.0, 2.0}, "id": float64(th.ID()), "args": []any{"name", "data", "x y"}, "env": "b=c", "home": "", "file": "hello",
			"outside": true, "made": false, "late": true,
		}
		if got := receive(t, th); !reflect.DeepEqual(got, want) {
			t.Errorf("%v", got)
		}
		if exit := wait(t, th); exit.Code != 0 || out.String() != "printed\n" || complaints.String() != "complained\n" {
			t.Error(exit, out.String(), complaints.String())
		}
	})
	for _, name := range []string{"loop", "sleep", "wait", "flood"} {
		t.Run(name, func(t *testing.T) {
			th := start(t, m, role(name))
			receive(t, th)
			if exit, err := th.Terminate(soon(t)); err != nil || exit.Err != thread.ErrTerminated {
				t.Error(exit, err)
			}
		})
	}
	t.Run("bomb", func(t *testing.T) {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var complaints locked
		o := role("bomb")
		o.Stderr = &complaints
		th := start(t, m, o)
		neighbour := start(t, m, role("echo"))
		last := 0.0
		for v, err := th.Receive(soon(t)); err == nil; v, err = th.Receive(soon(t)) {
			last = v.(float64)
		}
		if exit := wait(t, th); exit.Code != 2 || !strings.Contains(complaints.String(), "out of memory") || last < 16 || last > 64 {
			t.Errorf("%v after %v MiB: %.200s", exit, last, complaints.String())
		}
		for ctx := soon(t); ; { // until the last goroutine has let go of it
			runtime.GC()
			runtime.ReadMemStats(&after)
			grown := int64(after.HeapAlloc) - int64(before.HeapAlloc)
			if grown < 32<<20 {
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("%d bytes are left in use", grown)
			}
		}
		neighbour.Post("still here")
		if got := receive(t, neighbour); got != "still here" {
			t.Error(got)
		}
	})
	for name, code := range map[string]int{"exit": 7, "panic": 2, "timeout": 0, "limits": 0} {
		t.Run(name, func(t *testing.T) {
			var complaints locked
			o := role(name)
			o.Stderr = &complaints
			if exit := wait(t, start(t, m, o)); exit.Code != code || exit.Err != nil {
				t.Error(exit, complaints.String())
			}
		})
	}
	t.Run("ports", func(t *testing.T) {
		th := start(t, m, role("ports"))
		port := receive(t, th).(isolate.Message).Ports[0]
		port.Post("hello")
		if got := receive(t, port); got != `heard "hello"` {
			t.Error(got)
		}
		left := receive(t, th).(isolate.Message).Ports[0]
		for _, p := range []*thread.Port{port, left} { // closed by the program; by its end
			if _, err := p.Receive(soon(t)); !errors.Is(err, io.EOF) {
				t.Error(err)
			}
		}
		if exit := wait(t, th); exit.Code != 0 {
			t.Error(exit)
		}
	})
	t.Run("from the cache", func(t *testing.T) {
		began := time.Now()
		again := compile(t, wasm, c)
		if took := time.Since(began); took > compiling/2 {
			t.Errorf("%v with the cache, %v without", took, compiling)
		}
		if exit := wait(t, start(t, again, role("exit"))); exit.Code != 7 {
			t.Error(exit)
		}
	})
}
