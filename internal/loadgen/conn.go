package loadgen

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// maxBody bounds an answer; more counts as a bad one.
const maxBody = 16 << 20

// conn is one client's connection.
type conn struct {
	net.Conn
	r        *bufio.Reader
	body     []byte
	reusable bool // the last answer left the connection usable
}

func dial(addr string, timeout time.Duration) (*conn, error) {
	c, err := net.DialTimeout("tcp", addr, timeout)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, r: bufio.NewReader(c)}, nil
}

func (c *conn) close() {
	if c != nil {
		c.Conn.Close()
	}
}

// roundTrip sends a request and reads the whole answer. The body is valid
// until the next call.
func (c *conn) roundTrip(request []byte, timeout time.Duration) (status int, body []byte, err error) {
	c.reusable = false
	c.SetDeadline(time.Now().Add(timeout))
	if _, err := c.Write(request); err != nil {
		return 0, nil, err
	}
	h, err := c.readHead()
	if err != nil {
		return 0, nil, err
	}
	c.body = c.body[:0]
	if err := c.readBody(h); err != nil {
		return h.status, nil, unexpected(err)
	}
	c.reusable = !h.close
	return h.status, c.body, nil
}

// head is what matters of the head of an answer.
type head struct {
	status  int
	length  int // -1 until the end of the connection
	chunked bool
	close   bool
}

var errMalformed = errors.New("malformed answer")

func (c *conn) readHead() (h head, err error) {
	h.length = -1
	line, err := c.line()
	if err != nil {
		return h, err // io.EOF: closed before it answered
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.")) || len(line) < 12 {
		return h, fmt.Errorf("%w: %q", errMalformed, line)
	}
	if h.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return h, fmt.Errorf("%w: %q", errMalformed, line)
	}
	h.close = line[7] == '0'
	for {
		if line, err = c.line(); err != nil {
			return h, unexpected(err)
		}
		if len(line) == 0 {
			break
		}
		if err := h.field(line); err != nil {
			return h, err
		}
	}
	if h.status == 204 || h.status == 304 {
		h.length = 0
	}
	h.close = h.close || h.length < 0 && !h.chunked
	return h, nil
}

func (h *head) field(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	switch {
	case bytes.EqualFold(name, []byte("content-length")):
		n, err := strconv.Atoi(string(value))
		if err != nil || n < 0 || n > maxBody {
			return fmt.Errorf("%w: content-length %q", errMalformed, value)
		}
		h.length = n
	case bytes.EqualFold(name, []byte("transfer-encoding")):
		h.chunked = bytes.EqualFold(value, []byte("chunked"))
	case bytes.EqualFold(name, []byte("connection")):
		h.close = bytes.EqualFold(value, []byte("close"))
	}
	return nil
}

func (c *conn) readBody(h head) error {
	switch {
	case h.chunked:
		return c.readChunks()
	case h.length >= 0:
		return c.read(h.length)
	}
	body, err := io.ReadAll(io.LimitReader(c.r, maxBody))
	c.body = append(c.body, body...)
	return err
}

func (c *conn) readChunks() error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil || len(c.body)+int(n) > maxBody {
			return fmt.Errorf("%w: chunk of %q", errMalformed, line)
		}
		if err := c.read(int(n)); err != nil {
			return err
		}
		if _, err := c.line(); err != nil { // the end of the chunk, or of the trailer
			return err
		}
		if n == 0 {
			return nil
		}
	}
}

func (c *conn) read(n int) error {
	at := len(c.body)
	c.body = append(c.body, make([]byte, n)...)
	_, err := io.ReadFull(c.r, c.body[at:])
	return err
}

// line reads a line and cuts its end off; it is valid until the next read.
func (c *conn) line() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// unexpected marks the end of the stream inside an answer.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
