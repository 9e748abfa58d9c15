package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/tendproc/tend/bench/rig"
	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/ipc"
	"github.com/tendproc/tend/process"
)

// message is what both ends say: see peer.js.
type message struct {
	Data  string   `json:"data,omitempty"`
	List  []record `json:"list,omitempty"`
	Trip  string   `json:"trip,omitempty"`
	Send  int      `json:"send,omitempty"`
	Size  int      `json:"size,omitempty"`
	Count int      `json:"count,omitempty"`
	Up    bool     `json:"up,omitempty"`
	Done  bool     `json:"done,omitempty"`
}

// record is one of many in a message that is no long string.
type record struct {
	ID     int      `json:"id"`
	Name   string   `json:"name"`
	Active bool     `json:"active"`
	Score  float64  `json:"score"`
	Tags   []string `json:"tags"`
	At     struct {
		X int `json:"x"`
		Y int `json:"y"`
	} `json:"at"`
}

// payload is a message of that size, or one of 10 kB of records.
func payload(size int) (m message) {
	if size > 0 {
		m.Data = text(size)
		return m
	}
	for i := range 77 {
		r := record{ID: i * 1000003, Name: fmt.Sprintf("Name of number %d", i), Active: i%2 == 0, Score: float64(i) * 1.37, Tags: []string{"alpha", "beta", "gamma"}}
		r.At.X, r.At.Y = i, i*7
		m.List = append(m.List, r)
	}
	return m
}

func text(size int) string { return strings.Repeat("y", size-len(`{"data":""}`)) }

// end is one end of a channel: raw passes JSON on without looking into it.
type end struct {
	*ipc.Channel
	raw  bool
	each bool // message is sent by itself
}

func newEnd(ch *ipc.Channel, how string) end {
	if how == faster {
		ch.SetCodec(ipc.Codec{
			Marshal:   func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
			Unmarshal: func(data []byte, v any) error { return jsonv2.Unmarshal(data, v) },
		})
	}
	return end{ch, how == raw, how == each}
}

// The ways to send and receive.
const (
	typed  = "typed"  // Post and Decode, a struct
	faster = "faster" // the same, by another codec than encoding/json
	raw    = "raw"    // PostRaw, and Data as it came
	each   = "each"   // Send in place of Post
)

// many sends the same message over and over.
func (e end) many(ctx context.Context, count, size int) error {
	m := payload(size)
	whole, err := json.Marshal(m)
	if err != nil {
		return err
	}
	for range count {
		switch {
		case e.each:
			err = e.Send(ctx, m)
		case e.raw:
			err = e.PostRaw(ctx, whole)
		default:
			err = e.Post(ctx, m)
		}
		if err != nil {
			return err
		}
	}
	return e.Flush(ctx)
}

// next receives one message.
func (e end) next(ctx context.Context) (m message, err error) {
	got, err := e.Receive(ctx)
	if err != nil {
		return m, err
	}
	if got.Handle != nil {
		m.Data = "handle"
		return m, got.Handle.Close()
	}
	if e.raw && (bytes.HasPrefix(got.Data, []byte(`{"data":`)) || bytes.HasPrefix(got.Data, []byte(`{"list":`))) {
		m.Data = "raw"
		return m, nil
	}
	return m, got.Decode(&m)
}

// obey is the child.
func obey(ctx context.Context, how string) error {
	ch, err := process.Channel()
	if err != nil {
		return err
	}
	e := newEnd(ch, how)
	if err := e.Send(ctx, message{Up: true}); err != nil {
		return err
	}
	left := 0
	for {
		m, err := e.next(ctx)
		switch {
		case err != nil:
			return nil // the parent is done
		case m.Send > 0:
			err = e.many(ctx, m.Send, m.Size)
		case m.Count > 0:
			left = m.Count
		case m.Data != "" || m.List != nil:
			if left--; left == 0 {
				err = e.Send(ctx, message{Done: true})
			}
		default:
			err = e.Send(ctx, m)
		}
		if err != nil {
			return err
		}
	}
}

func self() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}

func goChild(how string) child.Command {
	return child.Command{Path: self(), Args: []string{"child", how}}
}

func nodeChild() child.Command {
	return child.Command{Path: *node, Args: []string{script(), "child"}}
}

// measure is the parent.
func measure(ctx context.Context, cmd child.Command, how string) (map[string]float64, error) {
	got := map[string]float64{}
	start := time.Now()
	cmd.Stdio = []child.Stdio{child.Ignore(), child.Ignore(), child.Inherit(2), child.IPC(ipc.JSON)}
	p, err := child.Start(cmd)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	e := newEnd(ipc.NewChannel(p.Conn()), how)
	defer e.Close()
	if _, err := e.next(ctx); err != nil {
		return nil, err
	}
	got["fork"] = 1 / time.Since(start).Seconds()
	for _, s := range plan {
		start := time.Now()
		before, err := rig.CPU(os.Getpid(), p.PID())
		if err == nil {
			err = e.do(ctx, s)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.What, err)
		}
		if s.Warm {
			continue
		}
		got[s.Name] = float64(s.Count) / time.Since(start).Seconds()
		after, err := rig.CPU(os.Getpid(), p.PID())
		if err != nil {
			return nil, err
		}
		got[cpu+s.Name] = (after - before).Seconds() * 1e6 / float64(s.Count)
	}
	if err := e.Disconnect(ctx); err != nil {
		return nil, err
	}
	_, err = p.Wait(ctx)
	return got, err
}

func (e end) do(ctx context.Context, s Step) error {
	switch s.What {
	case "receive":
		if err := e.Send(ctx, message{Send: s.Count, Size: s.Size}); err != nil {
			return err
		}
		for range s.Count {
			if _, err := e.next(ctx); err != nil {
				return err
			}
		}
		return nil
	case "trip":
		for range s.Count {
			if err := e.Send(ctx, message{Trip: text(s.Size)}); err != nil {
				return err
			}
			if _, err := e.next(ctx); err != nil {
				return err
			}
		}
		return nil
	case "spawn":
		for range s.Count {
			p, err := child.Start(child.Command{Path: "/bin/true"})
			if err != nil {
				return err
			}
			if _, err := p.Wait(ctx); err != nil {
				return err
			}
			p.Close()
		}
		return nil
	}
	if err := e.Send(ctx, message{Count: s.Count}); err != nil {
		return err
	}
	var err error
	if s.What == "handles" {
		err = e.handles(ctx, s.Count)
	} else {
		err = e.many(ctx, s.Count, s.Size)
	}
	if err != nil {
		return err
	}
	_, err = e.next(ctx)
	return err
}

// handles passes one listener again and again.
func (e end) handles(ctx context.Context, count int) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h, err := ipc.NewHandle(l.(*net.TCPListener))
	if err != nil {
		return err
	}
	defer h.Close()
	for range count {
		if err := e.SendHandle(ctx, struct{}{}, h, true); err != nil {
			return err
		}
	}
	return nil
}
