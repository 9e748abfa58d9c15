package runner

import (
	"slices"
	"testing"

	"github.com/tendproc/tend/internal/spec"
)

// A later runner takes over what the holder kept: process, output, channel, input.
func TestAdopt(t *testing.T) {
	for _, mode := range []spec.Mode{spec.Fork, spec.Cluster} {
		t.Run(string(mode), func(t *testing.T) {
			first, h := newRig(t), &holder{}
			first.r.options.Hold = h
			a := first.spec(`say="ready"`, "wait")
			a.Mode = mode
			k := first.spawn(a)
			pid := await[Spawned](first, k).PID
			await[Ready](first, k)

			next := newRig(t)
			next.r.options.Hold = h
			next.r.held = heldLives(h.give(t))
			s := Spawn{Key: k, App: a, Index: 2}
			if !next.r.Adopt(s) || next.r.Adopt(s) {
				t.Fatal("it is to be had once")
			}
			if got := await[Adopted](next, k).PID; got != pid {
				t.Errorf("adopted %d, want %d", got, pid)
			}
			await[Ready](next, k)
			next.r.Terminate(k)
			await[Gone](next, k)
			await[Gone](first, k)
			if !gone(pid) || len(h.names()) > 0 {
				t.Errorf("gone %v, held %v", gone(pid), h.names())
			}
		})
	}
}

// What is held of a life that never came to a process is no life; a process that
// nobody remembers is ended.
func TestRetain(t *testing.T) {
	first, h := newRig(t), &holder{}
	first.r.options.Hold = h
	k := first.spawn(first.spec(`say="ready"`, "wait"))
	pid := await[Spawned](first, k).PID
	await[Ready](first, k)

	next := newRig(t)
	next.r.options.Hold = h
	half := Key{ID: 9, Gen: 1}
	held := h.give(t)
	for _, e := range h.give(t) {
		if e.Name == k.heldName(heldOut) {
			e.Name = half.heldName(heldOut)
			held = append(held, e)
			continue
		}
		e.File.Close()
	}
	next.r.held = heldLives(held)
	if next.r.Adopt(Spawn{Key: half, App: next.spec()}) {
		t.Error("adopted what has no channel")
	}
	if keys := next.r.Retain(nil); !slices.Equal(keys, []Key{k}) {
		t.Errorf("let go of %v", keys)
	}
	await[Gone](first, k)
	if !gone(pid) {
		t.Error("it runs on")
	}
}
