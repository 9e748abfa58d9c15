package ipc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/internal/wire"
)

// pair returns a Conn and the raw descriptor of its peer.
func pair(t testing.TB, o ConnOptions) (c *Conn, peer *os.File) {
	t.Helper()
	ours, theirs, err := sys.Socketpair("test")
	if err != nil {
		t.Fatal(err)
	}
	c, err = NewConn(ours, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); theirs.Close() })
	return c, theirs
}

// rawSend writes as the peer, with the descriptor pass beside it.
func rawSend(t testing.TB, peer *os.File, data string, pass int) {
	t.Helper()
	if n, err := sys.Send(int(peer.Fd()), []byte(data), pass); err != nil || n != len(data) {
		t.Fatalf("peer sent %d of %d: %v", n, len(data), err)
	}
}

// rawRecv reads what is there, as the peer.
func rawRecv(t testing.TB, peer *os.File) (data string, passed int) {
	t.Helper()
	buf := make([]byte, 1<<20)
	for {
		n, fds, _, err := sys.Recv(int(peer.Fd()), buf)
		for _, fd := range fds {
			sys.Close(fd)
		}
		passed += len(fds)
		if err != nil || n == 0 {
			return data, passed
		}
		data += string(buf[:n])
	}
}

// got is a Frame to compare.
type got struct {
	Kind Kind
	Data string
	Type HandleType
}

func collect(t testing.TB, list *[]got) func(*Frame) error {
	return func(f *Frame) error {
		g := got{Kind: f.Kind, Data: string(f.Data)}
		if f.Handle != nil {
			g.Type = f.Handle.Type
			f.Handle.Close()
		}
		*list = append(*list, g)
		return nil
	}
}

func tcpListener(t testing.TB) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// fdOf returns the descriptor of src; src stays open for the test's time.
func fdOf(t testing.TB, h *Handle) (fd int) {
	t.Helper()
	if err := h.control(func(n int) error { fd = n; return nil }); err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestConnReadsWholeFramesOnly(t *testing.T) {
	c, peer := pair(t, ConnOptions{})
	var frames []got
	rawSend(t, peer, "1\n{\"cmd\":\"NODE_CLUSTER\",\"act\":\"online\",\"seq\":0}\n{\"cmd\":\"NO", -1)
	if err := c.Read(collect(t, &frames)); err != nil {
		t.Fatal(err)
	}
	// The unfinished frame is still in the socket, for a successor.
	buf := make([]byte, 100)
	if n, _, err := sys.PeekInto(c.Fd(), buf); string(buf[:n]) != `{"cmd":"NO` || err != nil {
		t.Errorf("in the socket: %q %v", buf[:n], err)
	}
	rawSend(t, peer, "DE_X\"}\n\"end\"\n", -1)
	peer.Close()
	if err := c.Read(collect(t, &frames)); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	want := []got{
		{Ordinary, "1", ""},
		{Cluster, `{"cmd":"NODE_CLUSTER","act":"online","seq":0}`, ""},
		{OtherInternal, `{"cmd":"NODE_X"}`, ""},
		{Ordinary, `"end"`, ""},
	}
	if !reflect.DeepEqual(frames, want) {
		t.Errorf("%+v", frames)
	}
}

func TestConnLeavesWhatFnDidNotSee(t *testing.T) {
	c, peer := pair(t, ConnOptions{})
	l := tcpListener(t)
	fd := fdOf(t, &Handle{source: l})
	stop := errors.New("stop")
	var seen []string
	read := func() error {
		return c.Read(func(f *Frame) error {
			seen = append(seen, string(f.Data))
			if f.Handle != nil {
				f.Handle.Close()
			}
			return stop
		})
	}
	rawSend(t, peer, "1\n2\n3\n", -1)
	rawSend(t, peer, `4`+"\n"+`{"cmd":"NODE_HANDLE","type":"net.Server","msg":5}`+"\n6\n", fd)
	for range 6 {
		if err := read(); !errors.Is(err, stop) {
			t.Fatal(err)
		}
	}
	if err := read(); err != nil || strings.Join(seen, "") != "123456" {
		t.Errorf("%v %v", seen, err)
	}
}

// TestConnAnyCut sends a stream of messages and handles cut at random places.
func TestConnAnyCut(t *testing.T) {
	fd := fdOf(t, &Handle{source: tcpListener(t)})
	for seed := range uint64(60) {
		for _, eager := range []bool{false, true} {
			r := rand.New(rand.NewPCG(seed, 3))
			c, peer := pair(t, ConnOptions{})
			c.in.eager = eager
			var frames, want []got
			for i := range 15 {
				line := fmt.Sprintf(`{"n":%d,"s":"%s"}`, i, strings.Repeat("é", r.IntN(400)))
				if r.IntN(3) == 0 {
					want = append(want, got{Ordinary, line, NetServer})
					sendCut(t, r, c, peer, `{"cmd":"NODE_HANDLE","type":"net.Server","msg":`+line+"}\n", fd, collect(t, &frames))
				} else {
					want = append(want, got{Ordinary, line, ""})
					sendCut(t, r, c, peer, line+"\n", -1, collect(t, &frames))
				}
			}
			if err := c.Read(collect(t, &frames)); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(frames, want) {
				t.Fatalf("seed %d: %+v, want %+v", seed, frames, want)
			}
			handles := 0
			for _, w := range want {
				if w.Type != "" {
					handles++
				}
			}
			if answers, _ := rawRecv(t, peer); answers != strings.Repeat(wire.AckLine, handles) {
				t.Fatalf("seed %d: %d handles, answers %q", seed, handles, answers)
			}
			c.Close()
			peer.Close()
		}
	}
}

// sendCut sends line in pieces, the descriptor with the first, reading now and then.
func sendCut(t *testing.T, r *rand.Rand, c *Conn, peer *os.File, line string, fd int, fn func(*Frame) error) {
	t.Helper()
	for first := true; len(line) > 0; first = false {
		n := min(len(line), 1+r.IntN(500))
		if !first {
			fd = -1
		}
		rawSend(t, peer, line[:n], fd)
		line = line[n:]
		if r.IntN(2) == 0 || fd >= 0 && r.IntN(2) == 0 {
			if err := c.Read(fn); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestConnPairing(t *testing.T) {
	fd := fdOf(t, &Handle{source: tcpListener(t)})
	envelope := `{"cmd":"NODE_HANDLE","type":"net.Server","msg":1}` + "\n"
	type send struct {
		data string
		fd   bool
	}
	nested := `{"cmd":"NODE_HANDLE","type":"net.Native","msg":{"cmd":"NODE_HANDLE","type":"net.Server","msg":2}}` + "\n"
	for name, c := range map[string]struct {
		sends   []send
		want    []got
		answers string
	}{
		"with the line":       {[]send{{envelope, true}}, []got{{Ordinary, "1", NetServer}}, wire.AckLine},
		"coalesced":           {[]send{{"0\n" + envelope, true}}, []got{{Ordinary, "0", ""}, {Ordinary, "1", NetServer}}, wire.AckLine},
		"in the middle":       {[]send{{envelope[:9], false}, {envelope[9:20], true}, {envelope[20:], false}}, []got{{Ordinary, "1", NetServer}}, wire.AckLine},
		"on the newline":      {[]send{{envelope[:len(envelope)-1], false}, {"\n", true}}, []got{{Ordinary, "1", NetServer}}, wire.AckLine},
		"on a line before":    {[]send{{"0\n", true}, {envelope, false}}, []got{{Ordinary, "0", ""}, {Ordinary, "1", NetServer}}, wire.AckLine},
		"none":                {[]send{{envelope, false}}, nil, wire.NackLine},
		"none, then one":      {[]send{{envelope, false}, {envelope, true}}, []got{{Ordinary, "1", NetServer}}, wire.AckLine + wire.NackLine}, // as Node
		"two, one envelope":   {[]send{{"0\n", true}, {envelope, true}}, []got{{Ordinary, "0", ""}, {Ordinary, "1", NetServer}}, wire.AckLine},
		"sent again by Node":  {[]send{{nested, true}}, []got{{Ordinary, "2", NetServer}}, wire.AckLine},
		"of another type":     {[]send{{strings.Replace(envelope, "net.Server", "net.Socket", 1), true}}, nil, wire.NackLine},
		"of no type":          {[]send{{strings.Replace(envelope, "net.Server", "net.Plug", 1), true}}, nil, wire.NackLine},
		"an answer inside it": {[]send{{strings.Replace(envelope, ":1}", `:{"cmd":"NODE_HANDLE_ACK"}}`, 1), true}}, []got{{OtherInternal, `{"cmd":"NODE_HANDLE_ACK"}`, NetServer}}, wire.AckLine},
	} {
		for _, eager := range []bool{false, true} {
			conn, peer := pair(t, ConnOptions{})
			conn.in.eager = eager
			for _, s := range c.sends {
				pass := -1
				if s.fd {
					pass = fd
				}
				rawSend(t, peer, s.data, pass)
			}
			var frames []got
			if err := conn.Read(collect(t, &frames)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !reflect.DeepEqual(frames, c.want) {
				t.Errorf("%s: %+v", name, frames)
			}
			if answers, _ := rawRecv(t, peer); answers != c.answers {
				t.Errorf("%s: answered %q", name, answers)
			}
		}
	}
}

func TestConnLongFrames(t *testing.T) {
	for _, size := range []int{AtomicFrame, peekSize - 2, peekSize, peekSize + 1, 1 << 20} {
		a, b := connPair(t, ConnOptions{MaxMessage: 2 << 20})
		text := `"` + strings.Repeat("x", size-2) + `"`
		frame, err := a.AppendFrame(nil, []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Send(frame, -1); err != nil {
			t.Fatal(err)
		}
		if err := a.Send([]byte("1\n"), -1); err != nil {
			t.Fatal(err)
		}
		var frames []got
		for deadline := time.Now().Add(10 * time.Second); len(frames) < 2 && time.Now().Before(deadline); {
			if err := b.Read(collect(t, &frames)); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if len(frames) != 2 || frames[0].Data != text || frames[1].Data != "1" {
			t.Errorf("%d bytes: %d frames", size, len(frames))
		}
	}
}

// connPair returns both ends of a channel.
func connPair(t testing.TB, o ConnOptions) (a, b *Conn) {
	t.Helper()
	a, theirs := pair(t, o)
	b, err := NewConn(theirs, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return a, b
}

func TestConnLimits(t *testing.T) {
	c, peer := pair(t, ConnOptions{MaxMessage: 1000, MaxQueue: 1 << 20})
	rawSend(t, peer, strings.Repeat("1", 1001)+"\n", -1)
	for range 2 {
		if err := c.Read(func(*Frame) error { return nil }); !errors.Is(err, ErrTooLong) {
			t.Errorf("long message: %v", err)
		}
	}
	frame := []byte(`"` + strings.Repeat("x", 20000) + "\"\n")
	full := 0
	for ; full < 1000; full++ {
		if err := c.TrySend(frame, -1); err != nil {
			if !errors.Is(err, ErrWouldBlock) {
				t.Fatal(err)
			}
			break
		}
	}
	queued := 0
	for ; queued < 1000; queued++ {
		if err := c.Send(frame, -1); err != nil {
			if !errors.Is(err, ErrQueueFull) {
				t.Fatal(err)
			}
			break
		}
	}
	if queued != (1<<20)/len(frame) {
		t.Errorf("%d frames queued", queued)
	}
	if err := c.TrySend([]byte("1\n"), -1); !errors.Is(err, ErrWouldBlock) {
		t.Errorf("overtook the queue: %v", err)
	}
	var all string
	for pending := true; pending; {
		data, _ := rawRecv(t, peer)
		all += data
		var err error
		if pending, err = c.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	data, _ := rawRecv(t, peer)
	if all += data; all != strings.Repeat(string(frame), full+queued) {
		t.Errorf("%d bytes arrived, or others", len(all))
	}
}

func TestConnRefusesToKillThePeer(t *testing.T) {
	c, peer := pair(t, ConnOptions{})
	l := tcpListener(t)
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	server, regular := fdOf(t, &Handle{source: l}), fdOf(t, &Handle{File: file})
	envelope := func(t string) string { return `{"cmd":"NODE_HANDLE","type":"` + t + `","msg":1}` + "\n" }
	var he *HandleError
	for name, s := range map[string]struct {
		frame string
		fd    int
		typed bool
	}{
		"empty":             {"", -1, false},
		"blank":             {"\n", -1, false},
		"spaces":            {"  \n", -1, false},
		"no newline":        {"1", -1, false},
		"two lines":         {"1\n2\n", -1, false},
		"no JSON":           {"hello\n", -1, false},
		"ACK":               {wire.AckLine, -1, false},
		"NACK":              {wire.NackLine, -1, false},
		"odd ACK":           {`{"a":1,"cmd":"NODE_HANDLE_ACK"}` + "\n", -1, false},
		"Bun's dialect":     {"\x02" + `{"cmd":"NODE_CLUSTER","act":"disconnect","seq":1}` + "\n", -1, false},
		"envelope alone":    {envelope("net.Server"), -1, false},
		"handle alone":      {"1\n", server, false},
		"listener socket":   {envelope("net.Socket"), server, true},
		"TCP as UDP":        {envelope("dgram.Socket"), server, true},
		"regular file":      {envelope("net.Native"), regular, true},
		"regular as server": {envelope("net.Server"), regular, true},
		"unknown type":      {envelope("net.Plug"), server, true},
		"before its time":   {envelope("net.BoundSocket"), server, true},
	} {
		for _, send := range []func([]byte, int) error{c.TrySend, c.Send} {
			err := send([]byte(s.frame), s.fd)
			if err == nil || s.typed != errors.As(err, &he) || !s.typed && !errors.Is(err, ErrFrame) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if data, passed := rawRecv(t, peer); data != "" || passed != 0 {
		t.Errorf("the peer got %q and %d descriptors", data, passed)
	}
	for _, send := range []func([]byte, int) error{c.TrySend, c.Send} {
		if err := send([]byte(envelope("net.Server")), server); err != nil {
			t.Error(err)
		}
	}
	if data, passed := rawRecv(t, peer); data != envelope("net.Server")+envelope("net.Server") || passed != 1 && passed != 2 {
		t.Errorf("the peer got %q and %d descriptors", data, passed)
	}
}

func TestConnGarbageIsFinal(t *testing.T) {
	for _, garbage := range []string{"hello\n", "\n", "\x00\x00\x00\x01x\n", "1\n\n"} {
		c, peer := pair(t, ConnOptions{})
		rawSend(t, peer, garbage, -1)
		for range 2 {
			if err := c.Read(func(*Frame) error { return nil }); !errors.Is(err, ErrProtocol) {
				t.Errorf("%q: %v", garbage, err)
			}
		}
	}
}

func TestConnHalfALineAtTheEnd(t *testing.T) {
	c, peer := pair(t, ConnOptions{})
	rawSend(t, peer, "1\n{\"half", -1)
	peer.Close()
	var frames []got
	if err := c.Read(collect(t, &frames)); !errors.Is(err, io.EOF) || len(frames) != 1 {
		t.Errorf("%v %v", frames, err)
	}
	if err := c.Send([]byte("1\n"), -1); !errors.Is(err, ErrClosed) {
		t.Errorf("send to nobody: %v", err)
	}
	c.Close()
	if err := c.Read(collect(t, &frames)); !errors.Is(err, ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if err := c.TrySend([]byte("1\n"), -1); !errors.Is(err, ErrClosed) {
		t.Errorf("send after close: %v", err)
	}
}

func TestConnAnswersPassTheQueue(t *testing.T) {
	c, peer := pair(t, ConnOptions{})
	fd := fdOf(t, &Handle{source: tcpListener(t)})
	big := []byte(`"` + strings.Repeat("x", 400_000) + "\"\n")
	for _, frame := range [][]byte{big, big, []byte("1\n")} {
		if err := c.Send(frame, -1); err != nil {
			t.Fatal(err)
		}
	}
	rawSend(t, peer, `{"cmd":"NODE_HANDLE","type":"net.Server","msg":1}`+"\n", fd)
	var frames []got
	if err := c.Read(collect(t, &frames)); err != nil || len(frames) != 1 {
		t.Fatal(frames, err)
	}
	var all string
	for pending := true; pending; {
		data, _ := rawRecv(t, peer)
		all += data
		pending, _ = c.Flush()
	}
	data, _ := rawRecv(t, peer)
	if all+data != string(big)+wire.AckLine+string(big)+"1\n" {
		t.Error("the answer is not right behind the message that was begun")
	}
}

func TestConnDoesNotAllocate(t *testing.T) {
	a, b := connPair(t, ConnOptions{})
	frame := []byte(`{"type":"x","data":"` + strings.Repeat("y", 80) + "\"}\n")
	count := 0
	fn := func(f *Frame) error { count++; return nil }
	if n := testing.AllocsPerRun(200, func() {
		if a.TrySend(frame, -1) != nil || b.Read(fn) != nil {
			t.Fatal("channel broken")
		}
	}); n != 0 {
		t.Errorf("%v allocations for a message", n)
	}
	tmpl := wire.NewConnTemplate("k", false)
	l := tcpListener(t)
	fd := fdOf(t, &Handle{source: l})
	buf := make([]byte, 0, 200)
	peerBuf := bytes.Repeat([]byte{0}, 4096)
	if n := testing.AllocsPerRun(200, func() {
		buf = tmpl.Append(buf[:0], 5)
		if err := a.TrySend(buf, fd); err != nil {
			t.Fatal(err)
		}
		sys.PeekInto(b.Fd(), peerBuf)
		passed, _ := sys.Discard(b.Fd(), peerBuf[:len(buf)])
		for _, p := range passed {
			sys.Close(p)
		}
	}); n > 8 { // what Discard needs for the descriptor; none of it is the sender's
		t.Errorf("%v allocations for a connection", n)
	}
}
