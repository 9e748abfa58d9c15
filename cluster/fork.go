package cluster

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/ipc"
)

// Fork starts a program as a worker: a Node script run by node, or a Go program
// that uses [Listen]. The channel becomes its descriptor 3. An ID of 0 is
// replaced by the next unused one, which is returned and names
// the worker in events. The worker is removed when its process ends.
//
// The process is the caller's, as from [child.Start]. Fork may be called while
// Run runs.
func (p *Primary) Fork(cmd child.Command, o WorkerOptions) (*child.Process, uint64, error) {
	stdio := slices.Clone(cmd.Stdio)
	for len(stdio) < 4 {
		stdio = append(stdio, child.Ignore())
	}
	if stdio[3] != child.Ignore() {
		return nil, 0, errors.New("cluster: fork: descriptor 3 is the channel's")
	}
	stdio[3] = child.IPC(ipc.JSON)
	if o.ID == 0 {
		o.ID = p.nextID()
	}
	if cmd.Env == nil {
		cmd.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "NODE_CHANNEL_") })
	}
	cmd.Env = append(slices.Clip(cmd.Env), Env(o.ID)...)
	cmd.Stdio = stdio
	process, err := child.Start(cmd)
	if err != nil {
		return nil, 0, fmt.Errorf("cluster: fork: %w", err)
	}
	conn := process.Conn()
	if err := p.Add(conn, o); err != nil {
		conn.Close() // a worker that loses its channel exits
		return process, o.ID, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.watchers.Go(func() {
			select {
			case <-process.Exited():
				p.Remove(o.ID)
			case <-p.done:
			}
		})
	}
	return process, o.ID, nil
}

func (p *Primary) nextID() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		p.lastID++
		if _, ok := p.ids[p.lastID]; !ok {
			return p.lastID
		}
	}
}
