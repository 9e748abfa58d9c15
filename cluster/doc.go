// Package cluster shares listening sockets among processes in the way of
// Node's cluster module, and speaks its protocol: a [Primary] serves
// unmodified Node programs as well as Go ones, and [Listen] makes a Go program
// a worker of a Primary, of the tend daemon or of a Node primary.
//
// # Primary
//
// A Primary owns the listening sockets and the channels of all workers, of any
// number of apps (groups). One goroutine, [Primary.Run], does all the work;
// the other methods only leave it a note and may be called from any goroutine,
// also from the event callback.
//
//	worker                                    primary
//	  online                        ───────▶  Event WorkerOnline
//	  queryServer address port      ───────▶  binds, or joins the socket there is
//	                                ◀───────  key, sockname [+ the socket: shared]
//	  listening                     ───────▶  Event WorkerListening
//	                                ◀───────  newconn key + connection
//	  accepted true | false         ───────▶  forgets it | offers it to another
//	  close key                     ───────▶  Event WorkerClosedListener
//	                                ◀───────  disconnect
//	  exitedAfterDisconnect         ───────▶  Event WorkerLeaving
//	                                ◀───────  ack
//	  end of the channel            ───────▶  Event WorkerDisconnected
//
// A connection is accepted only when some worker has room for it, and the
// Primary keeps a duplicate until the worker took it, so a worker that dies or
// refuses loses nothing that it had not acknowledged.
//
// A listening socket stays open while its group exists, workers or not: until
// [Primary.Release], or until a worker that is not leaving closes its server
// and nobody else serves it for two seconds.
//
// # Worker
//
// [Listen] and [ListenPacket] ask the primary for the socket where there is
// one, and are net.Listen and net.ListenPacket where there is none. When the
// primary tells the worker to go, or is gone, all its listeners close and
// [Disconnected] is closed; once the connections it was given have ended, the
// channel is closed too. Idle keep-alive connections end only if the program
// sees to it, as [ServeHTTP] does:
//
//	l, err := cluster.Listen("tcp", ":3000")
//	…
//	err = cluster.ServeHTTP(ctx, &http.Server{Handler: h}, l, 8*time.Second)
package cluster
