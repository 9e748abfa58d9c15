package pool

import "time"

// Stats are a pool at one moment, and what it did since it was made.
type Stats struct {
	Workers int // started, those that are being started too
	Running int // tasks that a worker has, those that it has ahead too
	Queued  int // tasks that wait for one
	Waiting int // calls that wait for room in the queue

	Done     uint64 // tasks that ended, however
	Failed   uint64 // of them, with an error
	Crashed  uint64 // times that a worker ended in the midst of a task
	Replaced uint64 // workers that ended, or had done their share

	Wait Quantiles // for a worker
	Run  Quantiles // on a worker
}

// Quantiles tell how long something took, rounded up by a quarter at most: half of
// all took no longer than P50, 99 of 100 no longer than P99.
type Quantiles struct {
	P50, P99 time.Duration
}

type counters struct {
	admitted, done, failed, crashed, replaced uint64
	wait, run                                 histogram
}

// Stats returns the figures of this moment.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{
		Workers: len(p.slots), Running: p.inside - p.queue.n, Queued: p.queue.n, Waiting: p.waiting.n,
		Done: p.count.done, Failed: p.count.failed, Crashed: p.count.crashed, Replaced: p.count.replaced,
		Wait: p.count.wait.quantiles(), Run: p.count.run.quantiles(),
	}
}

func (h *histogram) quantiles() Quantiles {
	return Quantiles{P50: h.quantile(0.50), P99: h.quantile(0.99)}
}
