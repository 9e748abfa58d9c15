package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/ipc"
)

// The variables by which a parent, be it Node or tend, tells a child of its channel.
const (
	channelFD     = "NODE_CHANNEL_FD"
	channelMode   = "NODE_CHANNEL_SERIALIZATION_MODE"
	clusterWorker = "NODE_UNIQUE_ID"
)

// ErrNoChannel says that the parent has opened no channel to this process.
var ErrNoChannel = errors.New("the parent has opened no channel")

// inherited is what the environment said at the first question.
type inherited struct {
	conn     *ipc.Conn
	err      error
	workerID string
	isWorker bool
}

var fromParent = sync.OnceValue(func() inherited {
	var in inherited
	in.workerID, in.isWorker = os.LookupEnv(clusterWorker)
	in.conn, in.err = open(os.Getenv(channelFD), os.Getenv(channelMode))
	// As in Node: what this process starts is no child of that parent.
	for _, name := range []string{channelFD, channelMode, clusterWorker} {
		os.Unsetenv(name)
	}
	return in
})

func open(number, mode string) (*ipc.Conn, error) {
	if number == "" {
		return nil, ErrNoChannel
	}
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 0 {
		return nil, fmt.Errorf("channel to the parent: %s=%q is no descriptor", channelFD, number)
	}
	var o ipc.ConnOptions
	switch mode {
	case "", "json":
	case "advanced":
		o.Serialization = ipc.Advanced
	default:
		return nil, fmt.Errorf("channel to the parent: %s=%q is unknown", channelMode, mode)
	}
	// A duplicate that children do not inherit, and then not the original: else
	// they would hold the channel open after us.
	dup, err := sys.Dup(fd)
	if err != nil {
		return nil, fmt.Errorf("channel to the parent: descriptor %d: %w", fd, err)
	}
	file := os.NewFile(uintptr(dup), "channel to the parent")
	conn, err := ipc.NewConn(file, o)
	if err != nil {
		file.Close() // fd is not ours: it is no channel
		return nil, fmt.Errorf("to the parent: descriptor %d: %w", fd, err)
	}
	sys.Close(fd)
	return conn, nil
}

// Conn returns the channel to the parent in its non-blocking form, or
// ErrNoChannel. The first call takes it out of the environment, so call it before
// starting a process. It is the same for every call, and for [Channel].
func Conn() (*ipc.Conn, error) {
	in := fromParent()
	return in.conn, in.err
}

var channel = sync.OnceValue(func() *ipc.Channel { return ipc.NewChannel(fromParent().conn) })

// Channel returns the channel to the parent, or ErrNoChannel. It is the same for
// every call; the first takes it out of the environment, so call it before
// starting a process. A program uses either this or [Conn].
func Channel() (*ipc.Channel, error) {
	if in := fromParent(); in.err != nil {
		return nil, in.err
	}
	return channel(), nil
}

// WorkerID returns what a cluster's primary calls this process, and whether
// there is a primary at all.
func WorkerID() (id string, ok bool) {
	in := fromParent()
	return in.workerID, in.isWorker
}
