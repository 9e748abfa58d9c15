// The multi-process guard in Go, for the same Node workers: the master holds
// the port, sends each worker the listening socket, and recreates workers that
// die. A worker that announces its end gets its successor first.
//
//	s7-guard worker.js
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/ipc"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: s7-guard WORKER.js")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

// master keeps workers alive. Its lives are joined by workers.
type master struct {
	script   string
	listener *net.TCPListener
	workers  sync.WaitGroup
}

func run(script string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Println("listening", l.Addr().(*net.TCPAddr).Port)
	count, err := strconv.Atoi(os.Getenv("WORKERS"))
	if err != nil {
		count = runtime.NumCPU()
	}
	m := &master{script: script, listener: l.(*net.TCPListener)}
	for range count {
		m.workers.Go(func() { m.slot(ctx) })
	}
	m.workers.Wait() // they end when ctx does
	fmt.Println("master: all workers ended")
	return nil
}

// slot has one worker serving until ctx ends. The next life begins when the
// worker dies, or before that, when it announces its end.
func (m *master) slot(ctx context.Context) {
	for ctx.Err() == nil {
		due := make(chan struct{})
		m.workers.Go(func() {
			if err := m.live(ctx, sync.OnceFunc(func() { close(due) })); err != nil {
				log.Print(err)
			}
		})
		<-due
	}
}

// live is one life of a worker, from fork to reaped.
func (m *master) live(ctx context.Context, successor func()) error {
	defer successor()
	p, err := child.Fork(m.script, nil, child.ForkOptions{})
	if err != nil {
		return err
	}
	fmt.Println("master: created", p.PID())
	ch := ipc.NewChannel(p.Conn())
	defer ch.Close()
	err = m.attend(ctx, p, ch, successor)
	if ctx.Err() == nil && err == nil { // it left the channel by itself: give it time
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		p.Wait(ctx)
	}
	exit, stopErr := p.Stop(context.WithoutCancel(ctx), child.StopOptions{Grace: 5 * time.Second, Tree: true})
	fmt.Printf("master: %d exited: %v\n", p.PID(), exit)
	return errors.Join(err, stopErr)
}

// attend sends the worker the socket and listens to it until its channel ends.
func (m *master) attend(ctx context.Context, p *child.Process, ch *ipc.Channel, successor func()) error {
	handle, err := ipc.NewHandle(m.listener)
	if err != nil {
		return err
	}
	const keepOpen = true // the listener stays ours too
	if err := ch.SendHandle(ctx, "server", handle, keepOpen); err != nil {
		return err
	}
	for msg, err := range ch.Messages(ctx) {
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		var notice struct{ Act string }
		if msg.Decode(&notice) == nil && notice.Act == "suicide" {
			fmt.Printf("master: %d announced its end\n", p.PID())
			successor()
		}
	}
	return nil
}
