package supervisor

import (
	"context"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

// Scale sets the number of instances of an app. More are copies of the first
// one, with the smallest free numbers; fewer are deleted from the lowest id up,
// as PM2 does it. It returns once the new ones are up or the old ones gone.
func (s *Supervisor) Scale(ctx context.Context, app, number string) (event.Outcome, error) {
	return s.command(ctx, "scale", func(l *loop, w *wait) error {
		err := l.scale(w, app, number)
		return during("scale "+app, err)
	})
}

func (l *loop) scale(w *wait, app, number string) error {
	var list []*slot
	for _, sl := range l.named(app) {
		if !sl.state.Deleting {
			list = append(list, sl)
		}
	}
	if len(list) == 0 {
		_, err := spec.Select(l.entries(), app, "")
		if err == nil {
			err = &fault.Error{Code: fault.NotFound, Message: "no app has this name", Remedy: "Give the name of an app as tend ls shows it."}
		}
		return err
	}
	standby := list[0].spec.Standby
	n, err := spec.ScaleTo(number, len(list)-standby)
	if err != nil {
		return err
	}
	n += standby
	if err := l.conflict([]int{list[0].id}); err != nil {
		return err
	}
	for range n - len(list) {
		sl := l.create(list[0].spec)
		w.fresh = append(w.fresh, sl.id)
	}
	for _, sl := range l.living(w.fresh) {
		l.step(sl, lifecycle.Start{})
		w.awaitUp(sl, 1)
	}
	for _, sl := range list[:max(0, len(list)-n)] {
		l.step(sl, lifecycle.Delete{Drain: true})
		w.awaitGone(sl)
	}
	for _, sl := range l.named(app) {
		w.ids = append(w.ids, sl.id)
	}
	return nil
}
