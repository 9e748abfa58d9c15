package supervisor

import (
	"context"
	"errors"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// moving parts list: the apps whose processes get sockets of another kind, all of
// which must have ended before one can start, and the others.
func (l *loop) moving(list []*slot, specs map[int]spec.App) (plans []*plan, others []*slot, err error) {
	moves := map[string]*plan{}
	for _, sl := range list {
		if a, ok := specs[sl.id]; ok && sl.up() && elsewise(sl.spec, a) && moves[sl.spec.Name] == nil {
			p := &plan{specs: specs, from: map[int]spec.App{}}
			moves[sl.spec.Name], plans = p, append(plans, p)
		}
	}
	for _, sl := range list {
		p := moves[sl.spec.Name]
		if p == nil {
			others = append(others, sl)
			continue
		}
		p.stay, p.from[sl.id] = append(p.stay, sl), sl.spec
	}
	for name, p := range moves {
		for _, sl := range l.named(name) {
			if _, moved := p.from[sl.id]; !moved && sl.up() {
				return nil, nil, &fault.Error{
					Code: fault.Conflict, Message: name + " has other instances, which keep its sockets as they are",
					Remedy: "Give the app's name: all of them change their mode together.",
				}
			}
		}
	}
	return plans, others, nil
}

// takeBack has apps that were moved as they were before, since not all of their
// processes came up. err is why; what became of them is added to it.
func (s *Supervisor) takeBack(ctx context.Context, moved []*plan, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code == fault.Conflict || len(moved) == 0 {
		return err // the caller is gone, or somebody else had the last word
	}
	_, back := s.command(ctx, "reload", func(l *loop, w *wait) error {
		w.whole = true
		for _, p := range moved {
			p.specs, p.stay = p.from, l.livingOf(p)
			l.beginAnew(p, w)
		}
		return nil
	})
	if back != nil {
		f.Message += "; nor did the old processes come back: " + back.Error()
	} else {
		f.Message += "; all is back to what it was"
	}
	return f
}

func (l *loop) livingOf(p *plan) (list []*slot) {
	for _, sl := range p.stay {
		if !sl.deleted && !sl.state.Deleting {
			list = append(list, sl)
		}
	}
	return list
}
