package wire

import (
	"fmt"
	"strconv"

	"github.com/tendproc/tend/internal/jsontext"
)

// The functions of this file write whole lines, newline included, in the order
// of members in which Node writes them. With bun set a line gets Bun's prefix,
// without which a Bun worker ignores it and with which a Node peer dies.

const clusterOpen = `{"cmd":"NODE_CLUSTER",`

func appendOpen(dst []byte, bun bool) []byte {
	if bun {
		dst = append(dst, BunPrefix)
	}
	return append(dst, clusterOpen...)
}

func appendSeq(dst []byte, seq int64) []byte {
	dst = append(dst, `"seq":`...)
	dst = strconv.AppendInt(dst, seq, 10)
	return append(dst, '}', '\n')
}

// AppendAct appends a message that has no members of its own: online,
// exitedAfterDisconnect, disconnect.
func AppendAct(dst []byte, act Act, seq int64, bun bool) []byte {
	dst = appendOpen(dst, bun)
	dst = append(dst, `"act":`...)
	dst = jsontext.AppendString(dst, string(act))
	dst = append(dst, ',')
	return appendSeq(dst, seq)
}

// AppendAck appends the bare answer to the message numbered ack.
func AppendAck(dst []byte, ack, seq int64, bun bool) []byte {
	dst = appendOpen(dst, bun)
	dst = append(dst, `"ack":`...)
	dst = strconv.AppendInt(dst, ack, 10)
	dst = append(dst, ',')
	return appendSeq(dst, seq)
}

// AppendAccepted appends a worker's answer to newconn.
func AppendAccepted(dst []byte, ack int64, accepted bool, seq int64) []byte {
	dst = append(dst, acceptedStart...)
	dst = strconv.AppendInt(dst, ack, 10)
	dst = append(dst, `,"accepted":`...)
	dst = strconv.AppendBool(dst, accepted)
	dst = append(dst, ',')
	return appendSeq(dst, seq)
}

// AppendClose appends a worker's notice that it serves the key no longer. key is
// JSON text, as the primary sent it.
func AppendClose(dst, key []byte, seq int64) ([]byte, error) {
	start := len(dst)
	dst = appendOpen(dst, false)
	dst = append(dst, `"act":"close","key":`...)
	dst, err := appendCompact(dst, key)
	if err != nil {
		return dst[:start], err
	}
	dst = append(dst, ',')
	return appendSeq(dst, seq), nil
}

// AppendQuery appends a worker's queryServer or listening message.
func AppendQuery(dst []byte, act Act, q *Query, seq int64) ([]byte, error) {
	start := len(dst)
	dst = appendOpen(dst, false)
	dst = append(dst, `"act":`...)
	dst = jsontext.AppendString(dst, string(act))
	dst = fmt.Appendf(dst, `,"index":%d,"data":`, q.Index)
	dst, err := appendRaw(dst, q.Data)
	if err != nil {
		return dst[:start], err
	}
	dst = append(dst, `,"address":`...)
	if q.HasAddress {
		dst = jsontext.AppendString(dst, q.Address)
	} else {
		dst = append(dst, "null"...)
	}
	dst = fmt.Appendf(dst, `,"port":%d,"addressType":%s`, q.Port, q.AddressType)
	if q.HasFD {
		dst = fmt.Appendf(dst, `,"fd":%d`, q.FD)
	}
	if q.HasFlags {
		dst = fmt.Appendf(dst, `,"flags":%d`, q.Flags)
	}
	if q.AddressType != UDP4 && q.AddressType != UDP6 {
		dst = fmt.Appendf(dst, `,"backlog":%d`, q.Backlog)
	}
	if q.ReadableAll || q.WritableAll {
		dst = fmt.Appendf(dst, `,"readableAll":%t,"writableAll":%t`, q.ReadableAll, q.WritableAll)
	}
	dst = append(dst, ',')
	return appendSeq(dst, seq), nil
}

func appendRaw(dst, value []byte) ([]byte, error) {
	if value == nil {
		return append(dst, "null"...), nil
	}
	return appendCompact(dst, value)
}

// Reply is a primary's answer to queryServer. A line of it alone means round
// robin; in an [Envelope] with a socket it means a shared one.
type Reply struct {
	Errno    int    // 0, or a negative errno: a positive one crashes the worker
	Key      string // differs for each server of one worker
	Ack      int64
	Data     []byte // JSON text; null crashes a TLS server
	Sockname *Sockname
	Shared   bool // a socket comes along: success is then 0, not null
	Bun      bool // the worker is a Bun
}

// Sockname becomes the program's server.address(): to be given for round robin
// over TCP, and only there.
type Sockname struct {
	Address string
	Family  string // "IPv4" or "IPv6"
	Port    int
}

// AppendReply appends the line of r.
func AppendReply(dst []byte, r Reply, seq int64) ([]byte, error) {
	if r.Errno > 0 {
		return dst, fmt.Errorf("reply with errno %d: a positive one crashes a Node worker", r.Errno)
	}
	start := len(dst)
	dst = appendOpen(dst, r.Bun)
	dst = append(dst, `"errno":`...)
	if r.Errno == 0 && !r.Shared {
		dst = append(dst, "null"...)
	} else {
		dst = strconv.AppendInt(dst, int64(r.Errno), 10)
	}
	dst = append(dst, `,"key":`...)
	dst = jsontext.AppendString(dst, r.Key)
	dst = append(dst, `,"ack":`...)
	dst = strconv.AppendInt(dst, r.Ack, 10)
	dst = append(dst, `,"data":`...)
	dst, err := appendRaw(dst, r.Data)
	if err != nil {
		return dst[:start], err
	}
	if s := r.Sockname; s != nil {
		dst = append(dst, `,"sockname":{"address":`...)
		dst = jsontext.AppendString(dst, s.Address)
		dst = append(dst, `,"family":`...)
		dst = jsontext.AppendString(dst, s.Family)
		dst = fmt.Appendf(dst, `,"port":%d}`, s.Port)
	}
	if r.Bun && r.Shared {
		dst = append(dst, bunHandle...)
	}
	dst = append(dst, ',')
	return appendSeq(dst, seq), nil
}

// bunHandle is the member by which Bun knows that a descriptor comes along.
const bunHandle = `,"$hasHandle":true`

// NewConn is the template of newconn lines for one key.
type NewConn struct {
	start []byte
	end   string
}

// NewConnTemplate prepares the lines that hand out connections of key: for Node
// in a net.Native envelope, for Bun in its own dialect.
func NewConnTemplate(key string, bun bool) NewConn {
	var start []byte
	if bun {
		start = append(start, BunPrefix)
	} else {
		start = append(start, `{"cmd":"NODE_HANDLE","type":"net.Native","msg":`...)
	}
	start = append(start, clusterOpen...)
	start = append(start, `"act":"newconn","key":`...)
	start = jsontext.AppendString(start, key)
	if bun {
		start = append(start, bunHandle...)
		return NewConn{append(start, `,"seq":`...), "}\n"}
	}
	return NewConn{append(start, `,"seq":`...), "}}\n"}
}

// Append appends the line numbered seq. It allocates only when dst must grow.
func (t *NewConn) Append(dst []byte, seq int64) []byte {
	dst = append(dst, t.start...)
	dst = strconv.AppendInt(dst, seq, 10)
	return append(dst, t.end...)
}
