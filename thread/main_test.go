package thread_test

import (
	"context"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/thread"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// soon ends with the test's patience: nothing here waits for its end.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// start makes and starts a thread; the test's end terminates it.
func start(t testing.TB, entry thread.Entry, o thread.Options) *thread.Thread {
	t.Helper()
	th, err := thread.New(entry, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := th.Start(soon(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := th.Terminate(soon(t)); err != nil {
			t.Error(err)
		}
	})
	return th
}

// wait is Wait without an error.
func wait(t testing.TB, th *thread.Thread) thread.Exit {
	t.Helper()
	exit, err := th.Wait(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	return exit
}
