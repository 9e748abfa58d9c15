package thread

// Event is what happens to a thread, as its parent sees it. They come in this
// order: Online, any number of Message and BadMessage, at most one Failed, and
// Exited as the last. A thread that was terminated before it started has only
// the last.
//
//sumtype:decl
type Event interface{ event() }

type (
	// Online says that the entry is running.
	Online struct{}
	// Message is a message from the thread's own port.
	Message struct{ Value any }
	// BadMessage is a message that cannot be read; Err is a [*MessageError].
	BadMessage struct{ Err error }
	// Failed says that the thread ends because of an error that nobody in it
	// handled: a [*PanicError], [ErrGoexit], or what the entry returned.
	Failed struct{ Err error }
	// Exited is the end.
	Exited struct{ Exit Exit }
)

func (Online) event()     {}
func (Message) event()    {}
func (BadMessage) event() {}
func (Failed) event()     {}
func (Exited) event()     {}
