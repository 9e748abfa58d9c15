package cluster

import (
	"context"

	"github.com/tendproc/tend/ipc"
)

type dispatcher struct{ p *Primary }

func newDispatcher(p *Primary) *dispatcher                { return &dispatcher{p: p} }
func (d *dispatcher) run(ctx context.Context) error       { <-ctx.Done(); return nil }
func (d *dispatcher) add(conn *ipc.Conn, o WorkerOptions) {}
func (d *dispatcher) send(id uint64, frame []byte)        {}
func (d *dispatcher) unroute(id uint64)                   {}
func (d *dispatcher) disconnect(id uint64)                {}
func (d *dispatcher) remove(id uint64)                    {}
func (d *dispatcher) release(group string)                {}
func messageFrame(message []byte) ([]byte, error)         { return append(message, '\n'), nil }

const defaultWindow = 8
