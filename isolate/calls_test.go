package isolate_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tendproc/tend/isolate"
	"github.com/tendproc/tend/thread"
)

// Whatever a module calls, it goes on to its end, and so does this process.
func TestAnyCalls(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		number := rapid.Int32Range(0, 8)
		address := rapid.SampledFrom([]int32{0, 8, 1000, 65528, 65536, -1})
		one := rapid.Custom(func(t *rapid.T) []byte {
			fn := rapid.SampledFrom([]byte{fnPost, fnAttach, fnNext, fnTake, fnChannel, fnClose}).Draw(t, "fn")
			n := number.Draw(t, "port")
			var code []byte
			switch fn {
			case fnPost:
				size := rapid.SampledFrom([]int32{0, 7, 101, -1}).Draw(t, "size")
				code = call(fn, n, rapid.Int32Range(0, 2).Draw(t, "kind"), address.Draw(t, "at"), size)
			case fnAttach:
				code = call(fn, n, number.Draw(t, "other"))
			case fnNext:
				code = call(fn, n, 0, address.Draw(t, "out"))
			case fnTake:
				code = call(fn, n, address.Draw(t, "at"), address.Draw(t, "ports"))
			case fnChannel:
				code = call(fn, address.Draw(t, "out"))
			default:
				code = call(fn, n)
			}
			return append(code, drop...)
		})
		code := append(call(fnChannel, 16), drop...) // so that there are some ports
		for _, c := range rapid.SliceOfN(one, 1, 60).Draw(rt, "calls") {
			code = append(code, c...)
		}
		m, err := isolate.Compile(soon(t), module(`"hello"`, code), isolate.Config{MaxMessage: 100})
		if err != nil {
			rt.Fatal(err)
		}
		defer m.Close(soon(t))
		th, err := m.New(isolate.Options{})
		if err != nil {
			rt.Fatal(err)
		}
		near, far := thread.NewChannel()
		th.Post(isolate.Message{Value: []any{1, "x"}, Ports: []*thread.Port{far}}, far)
		th.Post([]byte("bytes"))
		near.Post("more")
		if err := th.Start(soon(t)); err != nil {
			rt.Fatal(err)
		}
		if exit, err := th.Wait(soon(t)); err != nil || exit.Code != 0 || exit.Err != nil {
			rt.Fatal(exit, err)
		}
		for _, err := range near.Messages(soon(t)) { // ends: the isolate's ports are closed
			if err != nil {
				if _, ok := err.(*thread.MessageError); !ok {
					rt.Fatal(err)
				}
			}
		}
	})
}
