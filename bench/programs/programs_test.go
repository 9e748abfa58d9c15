package main

import (
	"io"
	"log"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tendproc/tend/bench/rig"
	"github.com/tendproc/tend/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// quick are the programs that need nothing to be fetched or built, and which of them
// lose no request in a reload.
var quick = map[string]bool{
	"Express": true, "Fastify": true, "Socket.IO": true, "python3 -m http.server": false, "nginx": false, "redis-server": false, "a loop of the shell": true,
}

// The short form of the benchmark: each program serves, comes back when it is killed, is
// reloaded, stopped, started and deleted, and leaves nothing behind.
func TestRealPrograms(t *testing.T) {
	proctest.FirstNode(t)
	proctest.Modules(t)
	t.Chdir("../..")
	log.SetOutput(io.Discard) // of what clients noticed
	dir := t.TempDir()
	bin := filepath.Join(dir, "tend")
	if out, err := exec.Command("go", "build", "-o", bin, "./cmd/tend").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	tend := rig.TendAt(bin)
	t.Cleanup(func() {
		if err := tend.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := warmUp(t.Context(), tend); err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		lossless, ok := quick[p.name]
		if !ok {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			if _, err := exec.LookPath(p.start[0]); err != nil && slices.Contains([]string{"python3", "nginx", "redis-server"}, p.start[0]) {
				t.Skip(err)
			}
			p.start = slices.Clone(p.start)
			if i := slices.Index(p.start, "-i"); i >= 0 {
				p.start[i+1], p.load = "1", askHTTP // Socket.IO's server answers that too
			}
			one := &trial{Guard: tend, program: p, pace: pace{rest: 30 * time.Millisecond, times: 1}, dir: dir}
			o, err := one.try(t.Context())
			if err != nil || o.left != "" || o.running.failed > 0 {
				t.Errorf("%+v %v", o, err)
			}
			if lossless && o.reloaded.failed > 0 {
				t.Errorf("the reload cost %+v", o.reloaded)
			}
		})
	}
}
