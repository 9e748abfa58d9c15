package runner

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// A later runner takes over what the holder kept: process, output, channel, input.
func TestAdopt(t *testing.T) {
	for _, mode := range []spec.Mode{spec.Fork, spec.Cluster} {
		t.Run(string(mode), func(t *testing.T) {
			first, h := newRig(t), &holder{}
			first.r.options.Hold = h
			a := first.spec(`say={"cmd":"NODE_TEND","act":"hello"}`, `say="ready"`, "wait")
			a.Mode = mode
			k := first.spawn(a)
			pid := await[Spawned](first, k).PID
			await[Ready](first, k)

			next := newRig(t)
			next.r.options.Hold = h
			next.r.held = heldLives(h.give(t))
			if drains := next.r.held[k].meta.Drains; drains != (mode == spec.Cluster) {
				t.Errorf("that it drains is remembered: %v", drains)
			}
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

// A long message that a former runner had half written is ended by the next one;
// what follows comes after it. Who sent it was not told that it was sent.
func TestAdoptUnsent(t *testing.T) {
	first, h := newRig(t), &holder{}
	first.r.options.Hold = h
	a := first.spec("echo", "measure", "measure", "wait")
	k := first.spawn(a)
	await[Spawned](first, k)
	long := `{"long":"` + strings.Repeat("x", 1<<20) + `"}`
	if err := first.r.Send(k, []byte(long)); fault.CodeOf(err) != fault.Timeout {
		t.Errorf("sent to a process that does not read: %v", err)
	}
	first.r.channels.close() // it does nothing more on the channel
	next := newRig(t)
	next.r.options.Hold = h
	next.r.held = heldLives(h.give(t))
	if !next.r.Adopt(Spawn{Key: k, App: a, Index: 2}) {
		t.Fatal("nothing to adopt")
	}
	await[Adopted](next, k)
	if err := next.r.WriteLine(k, "end"); err != nil {
		t.Fatal(err)
	}
	if err := next.r.Send(k, []byte(`"after"`)); err != nil {
		t.Error(err)
	}
	if got := string(await[Message](next, k).Data); got != strconv.Itoa(len(long)) {
		t.Errorf("of the long message came %s bytes, not %d", got, len(long))
	}
	if slices.Contains(h.names(), k.heldName(heldUnsent)) {
		t.Error("what is sent is still held")
	}
	next.r.Terminate(k)
	await[Gone](next, k)
	await[Gone](first, k)
}

// A long message that a former runner had half read comes whole to the next one, and
// what follows it.
func TestAdoptUnread(t *testing.T) {
	const half = 300 << 10
	size := strconv.Itoa(half)
	for _, mode := range []spec.Mode{spec.Fork, spec.Cluster} {
		t.Run(string(mode), func(t *testing.T) {
			first, h := newRig(t), &holder{}
			first.r.options.Hold = h
			a := first.spec("begin="+size, "out=half", "echo", "finish="+size, `say="after"`, "wait")
			a.Mode = mode
			k := first.spawn(a)
			pid := await[Spawned](first, k).PID
			first.awaitOutput(k, "half")   // more than the socket holds
			thaw := first.primary.Freeze() // from here on the first one does nothing on the channel
			if mode == spec.Fork {
				first.r.channels.close()
			}
			if !slices.Contains(h.names(), k.heldName(heldUnread)) {
				thaw()
				t.Fatal("the half that was read is not held")
			}
			next := newRig(t)
			next.r.options.Hold = h
			next.r.held = heldLives(h.give(t))
			next.r.Adopt(Spawn{Key: k, App: a, Index: 2})
			await[Adopted](next, k)
			if err := next.r.WriteLine(k, "end"); err != nil {
				t.Error(err)
			}
			if got := await[Message](next, k).Data; len(got) != 2*half+2 {
				t.Errorf("of the long message came %d bytes, not %d", len(got), 2*half+2)
			}
			thaw()
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
