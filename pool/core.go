package pool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"
)

// request is what the pool sends to a worker process.
type request struct {
	ID     uint64          `json:"id"`
	Task   string          `json:"task"`
	In     json.RawMessage `json:"in"`
	Cancel bool            `json:"cancel"`

	whole []byte // the text, if In is a guess
}

// answer is what a worker process sends.
type answer struct {
	Ready    bool            `json:"ready"`
	Ahead    int             `json:"ahead"`
	ID       uint64          `json:"id"`
	Returned bool            `json:"returned"`
	Out      json.RawMessage `json:"out"`
	Error    *string         `json:"error"`
	Panic    *string         `json:"panic"`
	Stack    string          `json:"stack"`

	whole []byte // the text, if Out is a guess
}

const (
	idPrefix   = `{"id":`
	taskPrefix = `,"task":`
	inPrefix   = `,"in":`
	outPrefix  = `,"out":`
)

// appendRequest appends the message for one task; input is JSON text.
func appendRequest(dst []byte, id uint64, c Call) ([]byte, error) {
	dst = strconv.AppendUint(append(dst, idPrefix...), id, 10)
	dst = append(dst, taskPrefix...)
	name, err := json.Marshal(c.Name())
	if err != nil {
		return dst, err
	}
	dst = append(append(dst, name...), inPrefix...)
	if dst, err = c.AppendInput(dst); err != nil {
		return dst, err
	}
	return append(dst, '}'), nil
}

func appendCancel(dst []byte, id uint64) []byte {
	dst = strconv.AppendUint(append(dst, idPrefix...), id, 10)
	return append(dst, `,"cancel":true}`...)
}

func appendReturn(dst []byte, id uint64) []byte {
	dst = strconv.AppendUint(append(dst, idPrefix...), id, 10)
	return append(dst, `,"returned":true}`...)
}

func appendReady(dst []byte, ahead int) []byte {
	dst = strconv.AppendInt(append(dst, `{"ready":true,"ahead":`...), int64(ahead), 10)
	return append(dst, '}')
}

// quickRequest reads a request as a pool writes it, without parsing its input. It is
// a guess: of what is no JSON text then the whole has to be parsed.
func quickRequest(text []byte) (r request, ok bool) {
	rest, ok := bytes.CutPrefix(text, []byte(idPrefix))
	if !ok {
		return r, false
	}
	digits, rest, ok := bytes.Cut(rest, []byte(taskPrefix+`"`))
	if !ok {
		return r, false
	}
	name, rest, ok := bytes.Cut(rest, []byte(`"`+inPrefix))
	if !ok || bytes.ContainsAny(name, `\"`) || !utf8.Valid(name) {
		return r, false
	}
	id, err := strconv.ParseUint(string(digits), 10, 64)
	if rest, ok = bytes.CutSuffix(rest, []byte("}")); !ok || err != nil {
		return r, false
	}
	return request{ID: id, Task: string(name), In: rest, whole: text}, true
}

// input stores the input in what v points to.
func (r *request) input(v any) error {
	err := json.Unmarshal(r.In, v)
	if _, bad := errors.AsType[*json.SyntaxError](err); !bad || r.whole == nil {
		return err
	}
	whole := r.whole
	*r = request{}
	if err := json.Unmarshal(whole, r); err != nil {
		return err
	}
	return json.Unmarshal(r.In, v)
}

// appendOutput appends the answer to id up to its output, which is to be followed by "}".
func appendOutput(dst []byte, id uint64) []byte {
	dst = strconv.AppendUint(append(dst, idPrefix...), id, 10)
	return append(dst, outPrefix...)
}

// appendJSON appends v as json.Marshal writes it.
func appendJSON(dst []byte, v any) ([]byte, error) {
	to := (*text)(&dst)
	if err := json.NewEncoder(to).Encode(v); err != nil {
		return dst, err
	}
	return dst[:len(dst)-1], nil // without the newline
}

// text is a Writer.
type text []byte

func (t *text) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	return len(p), nil
}

// quickOutput finds the output in the answer to id as Go and Node write it, without
// parsing. It is a guess: what is no JSON text then has to be parsed whole.
func quickOutput(text []byte, id uint64) (out []byte, ok bool) {
	var digits [20]byte
	rest, ok := bytes.CutPrefix(text, []byte(idPrefix))
	if !ok {
		return nil, false
	}
	if rest, ok = bytes.CutPrefix(rest, strconv.AppendUint(digits[:0], id, 10)); !ok {
		return nil, false
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(outPrefix)); !ok {
		return nil, false
	}
	return bytes.CutSuffix(rest, []byte("}"))
}

// settle gives the outcome to c, or returns why there is none.
func (a *answer) settle(c Call) error {
	if a.whole != nil {
		if err := c.SetOutput(a.Out); err == nil {
			return nil
		}
		whole := a.whole
		*a = answer{}
		if err := json.Unmarshal(whole, a); err != nil {
			return fmt.Errorf("task %s: answer: %w", c.Name(), err)
		}
	}
	switch {
	case a.Panic != nil:
		return &PanicError{Task: c.Name(), Value: *a.Panic, Stack: a.Stack}
	case a.Error != nil:
		return &TaskError{Task: c.Name(), Message: *a.Error}
	case a.Out == nil:
		return c.SetOutput([]byte("null")) // JavaScript leaves out what is undefined
	}
	return c.SetOutput(a.Out)
}

// histogram counts durations in classes of which each is at most a quarter wider
// than the one before.
type histogram struct {
	classes [4 * 64]uint64
	n       uint64
}

func (h *histogram) add(d time.Duration) {
	h.classes[class(d)]++
	h.n++
}

func class(d time.Duration) int {
	n := uint64(max(d, 4))
	e := bits.Len64(n) - 1
	return 4*e + int(n>>(e-2)&3)
}

// quantile is the upper end of the class in which the part q of all durations ends.
func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.n))
	for i, n := range h.classes {
		if rank < n {
			return time.Duration(uint64(5+i%4)<<(i/4-2)) - 1
		}
		rank -= n
	}
	return 0
}
