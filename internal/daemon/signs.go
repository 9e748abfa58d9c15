package daemon

import (
	"context"

	"github.com/tendproc/tend/internal/event"
)

// signs of life are asked for by the keeper, where a service manager asks that.
type signs chan struct{}

// ask does not block: one answer is enough.
func (s signs) ask() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// run answers once the loop that owns all state has: if that hangs, all does.
func (s signs) run(ctx context.Context, l lister, link *Link) error {
	for {
		select {
		case <-s:
		case <-ctx.Done():
			return nil
		}
		if _, err := l.List(ctx, event.Query{Brief: true}); err != nil {
			continue
		}
		if err := link.Alive(); err != nil {
			return err
		}
	}
}
