package supervisor

import (
	"context"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
)

// metricsTime is how long processes are waited for that are asked for their metrics.
// One that is busy for longer tells later, for the next who looks.
const metricsTime = 250 * time.Millisecond

// question is an asking of all. The loop writes it until done is closed.
type question struct {
	keys []runner.Key // whom to ask
	left int          // who has not answered
	over bool
	done chan struct{}
}

// askMetrics asks the Node apps for their metrics, and waits for the answers.
func (s *Supervisor) askMetrics(ctx context.Context) error {
	q := &question{done: make(chan struct{})}
	if err := s.ask(ctx, func(l *loop) { l.question(q) }); err != nil {
		return err
	}
	for _, k := range q.keys {
		asked := s.o.Runner.AskMetrics(k)
		s.inbox.put(func(l *loop) { l.asked(q, k, asked) })
	}
	late := time.NewTimer(metricsTime)
	defer late.Stop()
	select {
	case <-q.done:
		return nil
	case <-late.C:
	case <-s.over:
	case <-ctx.Done():
	}
	s.inbox.put(func(*loop) { q.over = true })
	return ctx.Err()
}

// question notes who is to be asked, and waits for each. Who has not answered yet is not
// asked again: one that hangs must not have its channel filled.
func (l *loop) question(q *question) {
	q.left = 1 // until all are noted
	for _, id := range l.order {
		sl := l.slots[id]
		if sl.state.Phase != lifecycle.Running || sl.spec.Runtime != spec.Node || sl.spec.NoMetrics {
			continue
		}
		k, before := sl.key(), sl.said()
		if before.Asked <= before.Answers {
			q.keys = append(q.keys, k)
		}
		q.left++
		sl.settle() // of an earlier question that is over
		sl.await(func(sl *slot) bool {
			if !q.over && sl.key() == k && sl.state.Phase == lifecycle.Running && sl.said().Answers == before.Answers {
				return false
			}
			q.answered()
			return true
		})
	}
	q.answered()
}

// asked notes that a process was asked, or could not be.
func (l *loop) asked(q *question, k runner.Key, was bool) {
	if !was {
		q.answered()
		return
	}
	if sl := l.slots[k.ID]; sl != nil && sl.key() == k {
		next := sl.said()
		next.Asked++
		sl.view.Said = &next
	}
}

func (q *question) answered() {
	if q.left--; q.left == 0 && !q.over {
		q.over = true
		close(q.done)
	}
}

// said is a copy of what the current process told of itself.
func (sl *slot) said() event.Said {
	if sl.view.Said == nil {
		return event.Said{}
	}
	return *sl.view.Said
}
