package article

import (
	"slices"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
)

// S12: the same program on threads, in Node and in Go.
func TestThreads(t *testing.T) {
	want := []string{
		"main thread: true, id 0",
		"sum 4999999950000000 by two threads, main thread: false",
		"the thread has changed,2,3, the main thread 1,2,3",
		"error: it went wrong, exit 1",
		"error: none, exit 3",
		"the other thread heard hello",
		"after the transfer: 0 bytes",
		"the loop was stopped, exit 1",
	}
	loop := build(t, "./examples/article/s12-threads/loop", "GOOS=wasip1", "GOARCH=wasm")
	programs := map[string][]string{"go": {build(t, "./examples/article/s12-threads"), loop}}
	for _, node := range proctest.Nodes(t) {
		programs[node.Name()] = []string{node.Path, "s12-threads/threads.js"}
	}
	for name, argv := range programs {
		t.Run(name, func(t *testing.T) {
			if got := start(t, nil, argv...).ends(0); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}
