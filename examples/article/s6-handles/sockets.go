package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/tendproc/tend/ipc"
)

// take answers "from go" on what came.
func take(kind string, h *ipc.Handle) error {
	if h == nil {
		return errors.New(kind + " came without a handle")
	}
	switch kind {
	case "net.Server": // a listening socket: the next client is ours
		l, err := h.Listener()
		if err != nil {
			return err
		}
		go func() {
			defer l.Close()
			if c, err := l.Accept(); err == nil {
				io.WriteString(c, "from go")
				c.Close()
			}
		}()
		return nil
	case "dgram.Socket":
		c, err := h.PacketConn()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if _, from, err := c.ReadFrom(make([]byte, 1024)); err == nil {
				c.WriteTo([]byte("from go"), from)
			}
		}()
		return nil
	}
	c, err := h.Conn()
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = io.WriteString(c, "from go")
	return err
}

// give makes a socket, sends it, and returns what its client reads.
func give(ctx context.Context, ch *ipc.Channel, kind string) (read string, err error) {
	if kind == "dgram.Socket" {
		return giveUDP(ctx, ch)
	}
	network, address := "tcp", "127.0.0.1:0"
	if kind == "pipe" {
		network, address = "unix", filepath.Join(os.TempDir(), "article-"+strconv.Itoa(os.Getpid())+".sock")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return "", err
	}
	defer l.Close()
	client, err := net.Dial(network, l.Addr().String())
	if err != nil {
		return "", err
	}
	defer client.Close()
	if kind == "net.Server" {
		err = send(ctx, ch, kind, l.(syscall.Conn), "")
	} else {
		var served net.Conn
		if served, err = l.Accept(); err != nil {
			return "", err
		}
		as := ipc.HandleType("")
		if kind == "net.Native" {
			as = ipc.NetNative
		}
		err = send(ctx, ch, kind, served.(syscall.Conn), as)
	}
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(client)
	return string(text), err
}

func giveUDP(ctx context.Context, ch *ipc.Channel) (read string, err error) {
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	client, err := net.Dial("udp4", socket.LocalAddr().String())
	if err != nil {
		socket.Close()
		return "", err
	}
	defer client.Close()
	if err := send(ctx, ch, "dgram.Socket", socket.(syscall.Conn), ""); err != nil {
		return "", err
	}
	if _, err := client.Write([]byte("hello")); err != nil {
		return "", err
	}
	buf := make([]byte, 1024)
	n, err := client.Read(buf)
	return string(buf[:n]), err
}

// send sends socket, as another type than its own if one is given. The peer
// has it then, and our copy is closed.
func send(ctx context.Context, ch *ipc.Channel, kind string, socket syscall.Conn, as ipc.HandleType) error {
	h, err := ipc.NewHandle(socket)
	if err != nil {
		return err
	}
	if as != "" {
		h.Type = as
	}
	defer h.Close() // a connection is closed by then; the others are still ours
	return ch.SendHandle(ctx, message{Kind: kind}, h, false)
}
