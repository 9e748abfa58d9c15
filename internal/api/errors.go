package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/tendproc/tend/internal/fault"
)

// wireError gives err the form in which it travels: its code, and its causes
// folded into the message, since only text survives the wire.
func wireError(err error) *fault.Error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		e = &fault.Error{Code: contextCode(err), Message: err.Error()}
		return e
	}
	out := *e
	if e.Err != nil {
		out.Message = joinText(e.Message, e.Err.Error())
		out.Err = nil
	}
	// What wraps the fault says what was being done: keep it in front.
	if outer, found := strings.CutSuffix(err.Error(), e.Error()); found && outer != "" {
		out.Op = joinText(strings.TrimSuffix(outer, ": "), out.Op)
	}
	if _, known := statuses[out.Code]; !known {
		out.Code = fault.Internal
	}
	return &out
}

func joinText(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ": " + b
}

func contextCode(err error) fault.Code {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fault.Timeout
	}
	return fault.Internal
}

// decodeStrict reads exactly one JSON value into v; fields it does not know are
// an error that names them.
func decodeStrict(r io.Reader, v any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return decodeFault(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &fault.Error{
			Code: fault.Invalid, Op: "read request", Message: "more than one JSON value in the body",
			Remedy: "Send one JSON object.",
		}
	}
	return nil
}

// decodeFault turns an error of reading a body into one that names the field.
func decodeFault(err error) error {
	f := &fault.Error{Code: fault.Invalid, Op: "read request"}
	if tooLarge(err) {
		return bodyTooLarge()
	}
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		f.Field = t.Field
		f.Message = "want " + t.Type.String() + ", not " + t.Value
		return f
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		f.Field = strings.Trim(name, `"`)
		f.Message = "unknown field"
		f.Remedy = "Leave it out, or check its spelling; docs/api.md lists the fields. " + older
		return f
	}
	switch {
	case errors.Is(err, io.EOF):
		f.Message = "the body is empty"
		f.Remedy = "Send a JSON object, {} if there is nothing to say."
	case errors.Is(err, io.ErrUnexpectedEOF):
		f.Message = "the JSON breaks off"
	default:
		f.Message = err.Error()
		f.Remedy = "Send one JSON object."
	}
	return f
}

func bodyTooLarge() error {
	return &fault.Error{
		Code: fault.TooLarge, Op: "read request", Message: "the request is larger than 1 MiB",
		Remedy: "Mostly it is the environment that is too large: start with a smaller one (env -i …).",
	}
}

// encode is json.Marshal and a newline, without escaping <, > and &: messages
// of apps shall pass as they are.
func encode(v any) ([]byte, error) {
	if text, ok := v.(json.RawMessage); ok {
		return text, nil
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return buf.Bytes(), err
}
