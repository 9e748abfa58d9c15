package wire

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/tendproc/tend/internal/jsontext"
)

// Act is what a cluster message asks for or says.
type Act string

const (
	ActReply                 Act = ""                      // an answer: it has an ack
	ActOnline                Act = "online"                // worker: booted
	ActQueryServer           Act = "queryServer"           // worker: wants to listen
	ActListening             Act = "listening"             // worker: serves
	ActClose                 Act = "close"                 // worker: serves no longer
	ActExitedAfterDisconnect Act = "exitedAfterDisconnect" // worker: is leaving
	ActNewConn               Act = "newconn"               // primary: take this connection
	ActDisconnect            Act = "disconnect"            // primary: drain and leave
)

// ClusterMessage is any message of kind [Cluster]. Members that the message
// lacks are zero, and Has tells for those where zero means something.
type ClusterMessage struct {
	Act       Act
	Seq, Ack  int64
	HasSeq    bool
	HasAck    bool
	Accepted  bool   // of the answer to newconn
	Key       []byte // JSON text: opaque to the worker, any value
	Errno     int    // of the answer to queryServer: 0 or null is success
	Data      []byte // JSON text; nil when null or absent
	Sockname  []byte // JSON text; nil when null or absent
	Query     Query  // of queryServer and listening
	HasHandle bool   // Bun: a descriptor comes with this line, without an envelope
}

// AddressType is a queryServer's addressType.
type AddressType int

const (
	AddressNone AddressType = iota // null: a listen on a descriptor
	TCP4
	TCP6
	UnixPath
	UDP4
	UDP6
)

var addressTypes = [...]string{"null", "4", "6", "-1", `"udp4"`, `"udp6"`}

func (a AddressType) String() string {
	if a < 0 || int(a) >= len(addressTypes) {
		return "invalid"
	}
	return addressTypes[a]
}

// Query is what a worker says about the server it wants to start.
type Query struct {
	Index       int
	Data        []byte // JSON text, for TLS servers; nil when null
	Address     string // a numeric IP, or an absolute path
	HasAddress  bool   // false: no host was given
	Port        int    // 0 where the worker sent null, nothing or no number
	RawPort     []byte // JSON text as sent; nil when absent
	AddressType AddressType
	FD          int  // of the primary; -1 for none
	HasFD       bool // Node writes -1 for UDP and leaves it out for TCP
	Flags       int  // TCP: 1 = IPv6 only. UDP: 1 = IPv6 only, 4 = reuseAddr
	HasFlags    bool
	Backlog     int // 0: the default
	RawBacklog  []byte
	ReadableAll bool
	WritableAll bool
}

// AbstractName returns the name of an abstract Unix socket. Node's worker makes
// a path of it ("/its/folder/\x00name"), so everything from the NUL on counts.
func (q *Query) AbstractName() (name string, ok bool) {
	if q.AddressType != UnixPath {
		return "", false
	}
	_, name, ok = strings.Cut(q.Address, "\x00")
	return name, ok
}

// ParseCluster reads a message of kind [Cluster]. The results share data's memory.
func ParseCluster(data []byte) (m ClusterMessage, err error) {
	m.Query.FD = -1
	if i := jsontext.Space(data, 0); i >= len(data) || data[i] != '{' {
		return m, fmt.Errorf("%w: a cluster message is an object", ErrSyntax)
	}
	for name, value := range jsontext.Members(data) {
		switch string(name) {
		case `"act"`:
			m.Act = Act(jsontext.Text(value))
		case `"seq"`:
			m.Seq, m.HasSeq = integer(value)
		case `"ack"`:
			m.Ack, m.HasAck = integer(value)
		case `"accepted"`:
			m.Accepted = string(value) == "true"
		case `"key"`:
			m.Key = value
		case `"errno"`:
			n, _ := integer(value)
			m.Errno = int(n)
		case `"data"`:
			if !isNull(value) {
				m.Data, m.Query.Data = value, value
			}
		case `"sockname"`:
			if !isNull(value) {
				m.Sockname = value
			}
		case `"$hasHandle"`:
			m.HasHandle = string(value) == "true"
		default:
			m.Query.set(string(name), value)
		}
	}
	return m, nil
}

func (q *Query) set(name string, value []byte) {
	n, isInt := integer(value)
	switch name {
	case `"index"`:
		q.Index = int(n)
	case `"address"`:
		q.Address, q.HasAddress = jsontext.Text(value), !isNull(value)
	case `"port"`:
		q.RawPort, q.Port = value, int(n)
		if !isInt {
			q.Port = portOf(jsontext.Text(value))
		}
	case `"addressType"`:
		q.AddressType = parseAddressType(value)
	case `"fd"`:
		if isInt {
			q.FD, q.HasFD = int(n), true
		}
	case `"flags"`:
		q.Flags, q.HasFlags = int(n), isInt
	case `"backlog"`:
		q.Backlog, q.RawBacklog = int(n), value // false gives 0
	case `"readableAll"`:
		q.ReadableAll = string(value) == "true"
	case `"writableAll"`:
		q.WritableAll = string(value) == "true"
	}
}

// portOf reads a port that the program passed as a string, as UDP servers do:
// "5000", " 5000 " and "0x1388" are numbers to JavaScript; "" is 0.
func portOf(s string) int {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 0, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

func parseAddressType(value []byte) AddressType {
	for i, t := range addressTypes {
		if string(value) == t {
			return AddressType(i)
		}
	}
	return AddressNone
}

// The start and end of {"cmd":"NODE_CLUSTER","ack":12,"accepted":true,"seq":3}.
const acceptedStart = `{"cmd":"NODE_CLUSTER","ack":`

// ParseAccepted recognizes the answer to newconn as Node and Bun write it,
// without allocating. Any other line is not ok, though it may be the same
// message written otherwise: ask ParseCluster.
func ParseAccepted(data []byte) (ack int64, accepted, ok bool) {
	if len(data) < len(acceptedStart) || string(data[:len(acceptedStart)]) != acceptedStart {
		return 0, false, false
	}
	rest := data[len(acceptedStart):]
	ack, rest, ok = digits(rest)
	if !ok {
		return 0, false, false
	}
	if after, found := bytes.CutPrefix(rest, acceptedTrue); found {
		rest, accepted = after, true
	} else if rest, found = bytes.CutPrefix(rest, acceptedFalse); !found {
		return 0, false, false
	}
	_, rest, ok = digits(rest)
	return ack, accepted, ok && len(rest) == 1 && rest[0] == '}'
}

var (
	acceptedTrue  = []byte(`,"accepted":true,"seq":`)
	acceptedFalse = []byte(`,"accepted":false,"seq":`)
)

// digits reads an unsigned decimal number of at most 18 digits.
func digits(data []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for i < len(data) && i < 18 && data[i] >= '0' && data[i] <= '9' {
		n = n*10 + int64(data[i]-'0')
		i++
	}
	return n, data[i:], i > 0
}
