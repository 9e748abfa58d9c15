package cluster

import (
	"context"
	"net"
)

// IsWorker reports whether a primary started this process as a cluster worker.
func IsWorker() bool { return false }

// WorkerID is the number the primary gave this worker, 0 without one.
func WorkerID() uint64 { return 0 }

// Listen is net.Listen on a socket that the primary shares among its workers;
// without a primary it is net.Listen.
func Listen(network, address string) (net.Listener, error) { return net.Listen(network, address) }

// ListenPacket is the same for UDP.
func ListenPacket(network, address string) (net.PacketConn, error) {
	return net.ListenPacket(network, address)
}

// Disconnected is closed when the primary told this worker to go, or is gone.
// It never is without a primary.
func Disconnected() <-chan struct{} { return nil }

// Disconnect leaves the cluster: closes all listeners, waits for their
// connections to end, tells the primary and closes the channel.
func Disconnect(ctx context.Context) error { return nil }
