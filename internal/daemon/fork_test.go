package daemon_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/loadgen"
	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/spec"
)

// Programs that inherit their socket are reloaded, and left alone by their daemon,
// and nobody notices.
func TestInheritedSocketUnderLoad(t *testing.T) {
	for _, keep := range []bool{true, false} {
		t.Run(fmt.Sprintf("keep-alive %v", keep), func(t *testing.T) { inheritedUnderLoad(t, keep) })
	}
}

func inheritedUnderLoad(t *testing.T, keep bool) {
	home := newHome(t)
	c, info := ensure(t, home)
	dir, address := t.TempDir(), proctest.FreeAddress(t)
	path := filepath.Join(dir, "server")
	if err := os.Symlink(proctest.Self(), path); err != nil {
		t.Fatal(err)
	}
	yes, instances, args, listen := true, "2", []string{address}, []string{address}
	_, err := c.Start(t.Context(), spec.Start{
		Word:    "./server",
		Options: spec.Options{Instances: &instances, Args: &args, Listen: &listen, WaitReady: &yes},
		Caller:  spec.Caller{Cwd: dir, Env: append(os.Environ(), proctest.RoleEnv("worker"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	loaded, answered := make(chan loadgen.Result, 1), make(chan struct{})
	var answers atomic.Int64
	go func() {
		r, err := loadgen.Run(ctx, loadgen.Options{URL: "http://" + address + "/", Clients: 4, KeepAlive: keep, Key: func(body []byte) string {
			if answers.Add(1) == 50 {
				close(answered)
			}
			return string(body)
		}})
		if err != nil {
			t.Error(err)
		}
		loaded <- r
	}()
	<-answered
	for range 2 {
		if _, err := c.Reload(t.Context(), spec.Act{Target: "server"}); err != nil {
			t.Fatal(err)
		}
		c, info = crash(t, home, info.PID)
	}
	info = upgrade(t, c, proctest.Self())
	// A reload that fails leaves all as it was.
	bad := []string{"nowhere"}
	if _, err := c.Reload(t.Context(), spec.Act{Target: "server", Options: spec.Options{Args: &bad}}); fault.CodeOf(err) != fault.StartFailed {
		t.Errorf("reload: %v", err)
	}
	cancel()
	r := <-loaded
	if r.Failed() > 0 || r.Count(loadgen.OK) == 0 {
		t.Errorf("%v", &r)
	}
	if len(r.By) < 3 { // three generations, of which one process at least had each connection
		t.Errorf("answered by %d processes", len(r.By))
	}
}
