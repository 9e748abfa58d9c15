package child

import (
	"context"
	"errors"
)

// Run starts a program and returns how it ended. When ctx is done before, it is
// stopped with its whole tree as o says, and the error is the cause; as Node's
// spawn with timeout, killSignal and signal, of which only the tree is ours. What
// it left running in the background stays. It is for a Command whose descriptors
// are open already: nobody could read from a [Pipe].
func Run(ctx context.Context, cmd Command, o StopOptions) (Exit, error) {
	if ctx.Err() != nil {
		return Exit{}, context.Cause(ctx)
	}
	p, err := Start(cmd)
	if err != nil {
		return Exit{}, err
	}
	defer p.Close()
	return p.WaitOrStop(ctx, o)
}

// WaitOrStop is [Process.Wait] for who ends what it no longer waits for: when ctx
// is done first, the process is stopped with its whole tree ([Process.Stop]), and
// the error is ctx's cause, joined by a [*SweepError] if something is left.
func (p *Process) WaitOrStop(ctx context.Context, o StopOptions) (Exit, error) {
	exit, err := p.Wait(ctx)
	if err == nil {
		return exit, nil
	}
	exit, serr := p.Stop(context.WithoutCancel(ctx), o)
	return exit, errors.Join(err, serr)
}
