package pm2rpc

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"github.com/tendproc/tend/internal/fault"
)

// Call asks the daemon behind a socket of requests, PM2's own or tend's, to carry
// out a method; fault.Unavailable if nobody listens there.
func Call(ctx context.Context, socket, method string, args ...any) (json.RawMessage, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, &fault.Error{Code: fault.Unavailable, Op: "connect " + socket, Message: "no daemon listens there", Err: err}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if args == nil {
		args = []any{map[string]any{}}
	}
	ask, err := jsonPart(map[string]any{"type": "call", "method": method, "args": args})
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(frame(ask, []byte("s:tend"))); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	parts, err := readFrame(bufio.NewReader(conn))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil || len(parts) == 0 {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	return result(method, parts[0])
}

func result(method string, part []byte) (json.RawMessage, error) {
	var reply struct {
		Error string            `json:"error"`
		Args  []json.RawMessage `json:"args"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(part, []byte("j:")), &reply); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	if reply.Error != "" {
		return nil, fmt.Errorf("%s: %s", method, reply.Error)
	}
	if len(reply.Args) == 0 {
		return nil, nil
	}
	return reply.Args[len(reply.Args)-1], nil
}
