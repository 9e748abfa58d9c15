package cluster

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
)

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Role{Name: "worker", Run: goWorker})
}

// goWorker is an ordinary Go server that uses Listen. Its addresses are in
// LISTEN ("tcp :0"), separated by commas.
func goWorker([]string) int {
	var serving sync.WaitGroup
	for _, where := range strings.Split(os.Getenv("LISTEN"), ",") {
		network, address, _ := strings.Cut(where, " ")
		if strings.HasPrefix(network, "udp") {
			c, err := ListenPacket(network, address)
			if err != nil {
				return report(err)
			}
			go echoPID(c)
			continue
		}
		l, err := Listen(network, address)
		if err != nil {
			return report(err)
		}
		if l.Addr() == nil {
			return report(fmt.Errorf("no address"))
		}
		serving.Go(func() { serve(l) })
	}
	if !IsWorker() {
		fmt.Println("alone")
		return 0
	}
	var obeying sync.WaitGroup
	obeying.Go(obey)
	<-Disconnected()
	serving.Wait() // Serve ends when the connections have
	obeying.Wait()
	return 0
}

func serve(l net.Listener) {
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, os.Getpid())
	})}
	server.SetKeepAlivesEnabled(false)
	server.Serve(l)
}

func echoPID(c net.PacketConn) {
	buf := make([]byte, 64)
	for {
		_, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		c.WriteTo([]byte(fmt.Sprint(os.Getpid())), from)
	}
}

// obey echoes messages and leaves on the word; it ends with the channel.
func obey() {
	for {
		m, err := Receive(context.Background())
		if err != nil {
			return
		}
		if string(m.Data) == `"leave"` {
			Disconnect(context.Background())
			return
		}
		Send(context.Background(), map[string]any{"echo": string(m.Data), "id": WorkerID()})
	}
}

func report(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 3
}
