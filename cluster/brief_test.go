package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/tendproc/tend/internal/loadgen"
)

// A worker with the preload answers a connection once, and a handle that is none as ever.
func TestNodeAnswersOnce(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		k := newKeeping(t, node, "counts", RoundRobin)
		id := k.worker()
		k.ev.of(id, WorkerDrains)
		ask := func() (said struct{ Handles, Connections int }) {
			resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(fmt.Sprintf("http://127.0.0.1:%d/", k.port))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
				t.Fatal(err)
			}
			return said
		}
		before := ask()
		for range 20 {
			ask()
		}
		after := ask()
		if after.Connections != before.Connections+21 || after.Handles != before.Handles {
			t.Errorf("it said %+v, and then %+v after 21 connections", before, after)
		}
	})
}

// Sockets that are lent while connections come are acknowledged, and nothing else is.
func TestNodeAnswersOnceAmongHandles(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		k := newKeeping(t, node, "binds", RoundRobin)
		id := k.worker()
		k.ev.of(id, WorkerDrains)
		r, err := loadgen.Run(t.Context(), loadgen.Options{URL: fmt.Sprintf("http://127.0.0.1:%d/", k.port), Clients: 8, Requests: 200, Timeout: patience})
		if err != nil || r.Failed() > 0 {
			t.Fatalf("%v, %v", &r, err)
		}
		k.message(id, "the last") // behind all that it says of sockets and connections
		var left []sent
		k.p.post(func(d *dispatcher) { g := &d.workers[id].sent; left = slices.Clone(g.entries[g.head:]) })
		waitFor(t, k.p)
		if len(left) > 0 {
			t.Errorf("the primary waits for answers to %+v", left)
		}
	})
}

// A connection goes from the channel to the server without Node's events, where neither
// Node nor the program has a say on the way.
func TestNodeTakesAtOnce(t *testing.T) {
	requests := []struct{ set, came string }{ // what it asks the program to set, and how it came itself
		{"limit", "at once"},
		{"nothing", "by Node"},
		{"listener", "at once"},
		{"nothing", "by Node"},
		{"send", "at once"},
		{"nothing", "by Node"},
		{"emit", "at once"},
		{"nothing", "by Node"},
		{"nothing", "at once"},
	}
	eachNode(t, func(t *testing.T, node string) {
		for _, scheduler := range []Scheduler{RoundRobin, Shared} {
			t.Run(scheduler.String(), func(t *testing.T) {
				k := newKeeping(t, node, "ways", scheduler)
				ask := k.asks(k.worker())
				for i, r := range requests {
					if came := ask(r.set); came != r.came {
						t.Errorf("request %d came %s, want %s", i, came, r.came)
					}
				}
			})
		}
		t.Run("listens", func(t *testing.T) {
			k := newKeeping(t, node, "ways", RoundRobin)
			k.env = append(k.env, "LISTENS=1")
			if came := k.asks(k.worker())("nothing"); came != "by Node" {
				t.Errorf("a connection came %s to a program that has listened from the start", came)
			}
		})
	})
}

// Each connection has an async context of its own, as without the preload.
func TestNodeContexts(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		k := newKeeping(t, node, "contexts", RoundRobin)
		ask := k.asks(k.worker())
		for range 3 {
			ask("")
		}
		if got, want := ask(""), `{"found":0,"contexts":4}`; got != want {
			t.Errorf("the program said %s, want %s", got, want)
		}
	})
}

// A server that has closed is garbage, as without the preload.
func TestNodeForgetsServers(t *testing.T) {
	eachNode(t, func(t *testing.T, node string) {
		for _, scheduler := range []Scheduler{RoundRobin, Shared} {
			t.Run(scheduler.String(), func(t *testing.T) {
				k := newKeeping(t, node, "forgets", scheduler)
				if got, want := k.asks(k.worker())(""), "10 of 10"; got != want {
					t.Errorf("the program said that %s servers are gone, want %s", got, want)
				}
			})
		}
	})
}

// asks returns what asks the worker id, once that has heard brief: by a connection
// for each path, whose answer it returns.
func (k *keeping) asks(id uint64) func(path string) string {
	k.t.Helper()
	k.ev.of(id, WorkerDrains)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return k.p.Dial(ctx, id, uint16(k.port))
		},
	}}
	return func(path string) string {
		k.t.Helper()
		resp, err := client.Get("http://worker/" + path)
		if err != nil {
			k.t.Fatal(err)
		}
		defer resp.Body.Close()
		said, err := io.ReadAll(resp.Body)
		if err != nil {
			k.t.Fatal(err)
		}
		return string(said)
	}
}
