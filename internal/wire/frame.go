package wire

import (
	"bytes"
	"errors"

	"github.com/tendproc/tend/internal/jsontext"
)

var (
	ErrShort   = errors.New("more bytes are needed")
	ErrTooLong = errors.New("message is longer than the limit")
	ErrSyntax  = errors.New("not a message of Node's IPC protocol")
)

// BunPrefix is the byte that stands before Bun's internal messages.
const BunPrefix = 0x02

// Kind is what a frame is for.
type Kind int

const (
	Ordinary    Kind = iota // a message of the program's own, or one that is no valid JSON
	Cluster                 // NODE_CLUSTER
	Handle                  // NODE_HANDLE: an envelope, a descriptor comes with it
	Ack                     // NODE_HANDLE_ACK
	Nack                    // NODE_HANDLE_NACK
	GetCount                // NODE_SOCKET_GET_COUNT
	Count                   // NODE_SOCKET_COUNT
	NotifyClose             // NODE_SOCKET_NOTIFY_CLOSE
	AllClosed               // NODE_SOCKET_ALL_CLOSED
	Unknown                 // any other internal message
)

var kindNames = [...]string{
	"ordinary", "cluster", "handle", "ack", "nack", "get count", "count", "notify close", "all closed", "unknown",
}

func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "invalid"
	}
	return kindNames[k]
}

// The commands of the internal messages.
const (
	cmdPrefix      = "NODE_"
	cmdCluster     = "NODE_CLUSTER"
	cmdHandle      = "NODE_HANDLE"
	cmdAck         = "NODE_HANDLE_ACK"
	cmdNack        = "NODE_HANDLE_NACK"
	cmdGetCount    = "NODE_SOCKET_GET_COUNT"
	cmdCount       = "NODE_SOCKET_COUNT"
	cmdNotifyClose = "NODE_SOCKET_NOTIFY_CLOSE"
	cmdAllClosed   = "NODE_SOCKET_ALL_CLOSED"
)

// NextLine returns the first line in buf, without its newline, and what follows
// it. ErrShort says that buf holds no whole line yet, ErrTooLong that the line is,
// or is going to be, longer than limit. The results share buf's memory.
func NextLine(buf []byte, limit int) (line, rest []byte, err error) {
	end := bytes.IndexByte(buf, '\n')
	switch {
	case end > limit, end < 0 && len(buf) > limit:
		return nil, buf, ErrTooLong
	case end < 0:
		return nil, buf, ErrShort
	}
	return buf[:end], buf[end+1:], nil
}

// The beginnings that Node writes: it puts cmd first and no white space.
var (
	clusterStart = []byte(`{"cmd":"NODE_CLUSTER",`)
	handleStart  = []byte(`{"cmd":"NODE_HANDLE",`)
	internalHint = []byte(cmdPrefix)
	escapeHint   = []byte(`\u00`)
)

// Classify tells what a line is for, without decoding it. data is the line
// without Bun's prefix. A line that cannot begin a JSON text is ErrSyntax; that
// the rest of it is JSON finds out who decodes it.
func Classify(line []byte) (kind Kind, data []byte, bun bool, err error) {
	if len(line) > 0 && line[0] == BunPrefix {
		line, bun = line[1:], true
	}
	if !beginsJSON(line) {
		return Ordinary, line, bun, ErrSyntax
	}
	return classify(line), line, bun, nil
}

func beginsJSON(line []byte) bool {
	for _, c := range line {
		switch c {
		case ' ', '\t', '\r':
			continue
		case '{', '[', '"', '-', 't', 'f', 'n', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			return true
		}
		return false
	}
	return false
}

func classify(line []byte) Kind {
	switch {
	case IsAck(line):
		return Ack
	case bytes.HasPrefix(line, clusterStart):
		return Cluster
	case bytes.HasPrefix(line, handleStart):
		return Handle
	case !bytes.Contains(line, internalHint) && !bytes.Contains(line, escapeHint):
		return Ordinary
	}
	var cmd []byte
	for name, value := range jsontext.Members(line) {
		if isName(name, "cmd") {
			cmd = value // as in JavaScript the last one counts
		}
	}
	return kindOf(jsontext.Text(cmd))
}

func kindOf(cmd string) Kind {
	switch cmd {
	case cmdCluster:
		return Cluster
	case cmdHandle:
		return Handle
	case cmdAck:
		return Ack
	case cmdNack:
		return Nack
	case cmdGetCount:
		return GetCount
	case cmdCount:
		return Count
	case cmdNotifyClose:
		return NotifyClose
	case cmdAllClosed:
		return AllClosed
	}
	if len(cmd) > len(cmdPrefix) && cmd[:len(cmdPrefix)] == cmdPrefix {
		return Unknown
	}
	return Ordinary
}
