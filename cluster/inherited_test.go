package cluster

import (
	"net"
	"strconv"
	"testing"
)

func TestServes(t *testing.T) {
	tcp := func(ip string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: port} }
	for _, c := range []struct {
		has              net.Addr
		network, address string
		want             bool
	}{
		{tcp("::", 80), "tcp", ":80", true},
		{tcp("0.0.0.0", 80), "tcp4", "0.0.0.0:80", true},
		{tcp("127.0.0.1", 80), "tcp", "127.0.0.1:80", true},
		{tcp("127.0.0.1", 80), "tcp", ":80", false},
		{tcp("::", 80), "tcp", "127.0.0.1:80", false},
		{tcp("::", 81), "tcp", ":80", false},
		{tcp("::", 80), "unix", ":80", false},
		{tcp("::", 80), "tcp", "nonsense", false},
		{&net.UnixAddr{Name: "/run/x"}, "unix", "/run/x", true},
		{&net.UnixAddr{Name: "/run/x"}, "unix", "/run/y", false},
	} {
		if got := serves(c.has, c.network, c.address); got != c.want {
			t.Errorf("%v serves %s %s: %v", c.has, c.network, c.address, got)
		}
	}
}

// What was meant for another process is left alone.
func TestInheritHeedsThePID(t *testing.T) {
	for _, env := range []map[string]string{
		{}, {"LISTEN_FDS": "2"}, {"LISTEN_FDS": "2", "LISTEN_PID": "1"}, {"LISTEN_FDS": "x", "LISTEN_PID": strconv.Itoa(7)},
	} {
		if b := inherit(7, func(name string) string { return env[name] }); len(b.list) > 0 {
			t.Errorf("%v gives %v", env, b.list)
		}
	}
}
