package lifecycle

// Event is something that happened to an instance: a command, a fact about one
// of its lives, or time passing. Sealed: the types below.
//
//sumtype:decl
type Event interface{ event() }

// Commands.
type (
	// Start: goal Up; spawns unless something runs. With Hold, which says what for,
	// it waits for Permit or Refuse before that.
	Start   struct{ Hold string }
	Restart struct{} // goal Up; ends what runs, then spawns
	Reset   struct{} // counters to zero

	// Stop: goal Down; ends all that runs.
	Stop struct {
		Drain bool // a cluster worker that serves may finish what it has begun
	}
	// Delete: as Stop, then [Forget].
	Delete struct{ Drain bool }
	// Reload: goal Up; what can overlap gets a successor before it goes, all else is a restart.
	Reload struct {
		Trial bool // the successor serves beside the current life until Promote or Reject
	}
	Recycle struct{} // as Reload, of a process that is used up: what can overlap gets a successor first
	Promote struct{} // the successor on trial takes over
	Reject  struct{} // the successor on trial goes
	Permit  struct{} // what is held starts

	// Admit: the life that is on standby, or about to be, gets what it waits for.
	Admit struct{ Gen uint64 }

	// Refuse: what is held will never start; Reason says why.
	Refuse struct{ Reason string }
)

// Facts. Each says which life it is about.
type (
	// Spawned: the process exists.
	Spawned struct {
		Gen uint64
		PID int
	}
	// Adopted: the process of a former daemon is there, or what it left is.
	Adopted struct {
		Gen uint64
		PID int
	}
	// Lost: of this life of a former daemon there is nothing.
	Lost struct{ Gen uint64 }
	// SpawnFailed: there is no process for this generation and will be none.
	SpawnFailed struct {
		Gen    uint64
		Reason string
		Final  bool // trying again cannot help
	}
	// Online: its runtime speaks.
	Online struct{ Gen uint64 }
	// Prepared: it is on standby, as far as to listen.
	Prepared struct{ Gen uint64 }
	// Listening: it serves an address.
	Listening struct{ Gen uint64 }
	// ListenFailed: it did not get the address it asked for, or its probe failed.
	ListenFailed struct {
		Gen    uint64
		Reason string
	}
	// Hung: it has not shown for so long that it still does anything.
	Hung struct {
		Gen    uint64
		Reason string
	}
	// Ready: it said so.
	Ready struct{ Gen uint64 }
	// Leaving: it announced its end.
	Leaving struct{ Gen uint64 }
	// Disconnected: its end of the channel is closed.
	Disconnected struct{ Gen uint64 }
	// Exited: the main process ended, by Signal unless that is "".
	Exited struct {
		Gen    uint64
		Code   int
		Signal string
	}
	// Gone: nothing of it is left.
	Gone struct{ Gen uint64 }
)

// Tick: time passed; due at [State.WakeAt], harmless at any other time.
type Tick struct{}

func (Start) event()        {}
func (Stop) event()         {}
func (Restart) event()      {}
func (Reload) event()       {}
func (Recycle) event()      {}
func (Promote) event()      {}
func (Reject) event()       {}
func (Permit) event()       {}
func (Refuse) event()       {}
func (Delete) event()       {}
func (Reset) event()        {}
func (Spawned) event()      {}
func (Adopted) event()      {}
func (Lost) event()         {}
func (SpawnFailed) event()  {}
func (Online) event()       {}
func (Prepared) event()     {}
func (Admit) event()        {}
func (Listening) event()    {}
func (ListenFailed) event() {}
func (Hung) event()         {}
func (Ready) event()        {}
func (Leaving) event()      {}
func (Disconnected) event() {}
func (Exited) event()       {}
func (Gone) event()         {}
func (Tick) event()         {}

// Action is a decision to carry out, in order. Sealed: the types below.
//
//sumtype:decl
type Action interface{ action() }

type (
	Spawn      struct{ Gen uint64 } // answered by Spawned or SpawnFailed
	Cancel     struct{ Gen uint64 } // need not be spawned any more; if it is not, SpawnFailed answers
	Route      struct{ Gen uint64 } // its standby is over: it may listen
	Unroute    struct{ Gen uint64 } // no new connections
	Disconnect struct{ Gen uint64 } // finish the old connections, then close the channel: within Policy.Drain
	Terminate  struct{ Gen uint64 } // ask to end
	Kill       struct{ Gen uint64 } // the whole tree
	Forget     struct{}             // the instance is deleted and nothing of it is left
)

func (Spawn) action()      {}
func (Cancel) action()     {}
func (Route) action()      {}
func (Unroute) action()    {}
func (Disconnect) action() {}
func (Terminate) action()  {}
func (Kill) action()       {}
func (Forget) action()     {}
