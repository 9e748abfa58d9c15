// Package pool runs tasks on a bounded number of workers. The same task runs on
// threads of this program or in processes of their own; one line says where:
//
//	var sum = pool.NewTask("sum", func(ctx context.Context, n float64) (float64, error) { … })
//
//	p := pool.New(ctx, pool.Thread{}, pool.Options{})  // or pool.Process{}
//	total, err := pool.Run(ctx, p, sum, 1e10)
//
// [Thread] costs half a microsecond a task, shares memory, and a task can neither
// be ended from outside nor outlive a crash of the program. [Process] costs some
// tens of microseconds and a worker's memory, and survives what a task does: a
// worker that crashes, exits, hangs or is killed fails its own task, with an
// error that says how it ended, and is replaced. An [Executor] of another making
// may run tasks on another machine.
//
// # Workers that are processes
//
// The worker is this program, started again; so its main begins with
//
//	if pool.IsWorker() {
//		return pool.Serve(ctx, sum)
//	}
//
// It may as well be another program, in any language that speaks the channel of
// Node's child_process.fork. A Node script is a worker when it does this:
//
//	process.on('message', async ({ id, task, in: input }) => {
//	  try {
//	    process.send({ id, out: await tasks[task](input) });
//	  } catch (err) {
//	    process.send({ id, error: err.message });
//	  }
//	});
//	process.send({ ready: true });
//
// The messages, each a JSON object:
//
//	pool                                        worker
//	                                 ◀──────     {"ready":true}, once
//	  {"id":1,"task":"sum","in":10}  ──────▶
//	                                 ◀──────     {"id":1,"out":45}
//	                                          or {"id":1,"error":"why not"}
//	                                          or {"id":1,"panic":"…","stack":"…"}, and it exits
//	  {"id":1,"cancel":true}         ──────▶     an answer to 1 is still due, within the grace
//	  end of the channel             ──────▶     it exits
//
// A worker does one task at a time, so its death is one task's failure. Messages
// without an id that is asked for are dropped. Workers that run the pool's own program
// have the next few tasks in their socket meanwhile, if tasks are short; none of them
// fails, or waits, for the one in front (docs/protocol/pool.md).
package pool
