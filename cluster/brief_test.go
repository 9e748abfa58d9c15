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

// A connection goes from the channel to the server at once, where neither Node nor the
// program has a say on the way.
func TestNodeTakesAtOnce(t *testing.T) {
	requests := []struct{ set, came string }{ // what it asks the program to set, and how it came itself
		{"limit", "at once"},
		{"nothing", "by Node"},
		{"listener", "at once"},
		{"nothing", "by Node"},
		{"nothing", "at once"},
	}
	eachNode(t, func(t *testing.T, node string) {
		for _, scheduler := range []Scheduler{RoundRobin, Shared} {
			t.Run(scheduler.String(), func(t *testing.T) {
				k := newKeeping(t, node, "ways", scheduler)
				id := k.worker()
				k.ev.of(id, WorkerDrains)
				client := &http.Client{Timeout: patience, Transport: &http.Transport{
					DisableKeepAlives: true,
					DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
						return k.p.Dial(ctx, id, uint16(k.port))
					},
				}}
				for i, r := range requests {
					resp, err := client.Get("http://worker/" + r.set)
					if err != nil {
						t.Fatal(err)
					}
					came, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || string(came) != r.came {
						t.Errorf("request %d came %s, %v; want %s", i, came, err, r.came)
					}
				}
			})
		}
	})
}
