package ipc

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/tendproc/tend/internal/wire"
)

// AppendFrame appends the frame of one message in this channel's serialization.
// message is a JSON text; it is validated, and white space in it removed. With h
// the message goes in the envelope for that handle: Send it with h's descriptor.
func (c *Conn) AppendFrame(dst, message []byte, h *Handle) ([]byte, error) {
	if c.options.Serialization == Advanced {
		var v any
		if err := json.Unmarshal(message, &v); err != nil {
			return dst, fmt.Errorf("message: %w", err)
		}
		return c.appendValue(dst, v, h)
	}
	if h == nil {
		return wire.AppendMessage(dst, message)
	}
	e := h.envelope()
	e.Msg = message
	return wire.AppendEnvelope(dst, e)
}

func (h *Handle) envelope() wire.Envelope {
	return wire.Envelope{Type: string(h.Type), Key: h.Key, DgramType: h.DgramType}
}

// appendValue appends the advanced frame of v.
func (c *Conn) appendValue(dst []byte, v any, h *Handle) ([]byte, error) {
	if h != nil {
		v = wire.EnvelopeValue(h.envelope(), v)
	}
	return wire.AppendAdvancedFor(dst, v, c.node.Load() >= nodeOfFloat16Array)
}

func (f *Frame) decodeAdvanced(raw []byte) (err error) {
	if f.Value, err = wire.ParseAdvanced(raw); err != nil {
		return err
	}
	f.kind = wire.ClassifyValue(f.Value)
	if f.kind == wire.Cluster {
		f.Data, err = wire.AppendJSON(nil, f.Value)
	}
	return err
}

// open takes the message out of its envelope.
func (f *Frame) open(advanced bool) (e wire.Envelope, err error) {
	if !advanced {
		if e, err = wire.ParseEnvelope(f.Data); err != nil {
			return e, err
		}
		f.Data, f.kind = e.Msg, wire.ClassifyText(e.Msg)
		return e, nil
	}
	if e, f.Value, err = wire.OpenValue(f.Value); err != nil {
		return e, err
	}
	if f.kind = wire.ClassifyValue(f.Value); f.kind == wire.Cluster {
		f.Data, err = wire.AppendJSON(nil, f.Value)
	}
	return e, err
}

// socketMessage reads a message of kind GetCount, NotifyClose and the like.
func (f *Frame) socketMessage() (m wire.SocketMessage, err error) {
	text := f.Data
	if f.Value != nil {
		if text, err = wire.AppendJSON(nil, f.Value); err != nil {
			return m, err
		}
	}
	return wire.ParseSocketMessage(f.kind, text), nil
}

// answerFrame gives an ACK or NACK as a frame.
func (c *Conn) answerFrame(ack bool) []byte {
	switch {
	case c.options.Serialization == Advanced && ack:
		return mustAdvanced(wire.AckValue())
	case c.options.Serialization == Advanced:
		return mustAdvanced(wire.NackValue())
	case ack:
		return []byte(wire.AckLine)
	}
	return []byte(wire.NackLine)
}

func mustAdvanced(v any) []byte {
	frame, err := wire.AppendAdvanced(nil, v)
	if err != nil {
		panic(err) // our own constant
	}
	return frame
}

// checkAdvanced tells what kind of frame this is, and of an envelope the type.
func checkAdvanced(frame []byte) (kind wire.Kind, handleType string, err error) {
	body, rest, err := wire.NextAdvanced(frame, len(frame))
	if err != nil || len(rest) > 0 {
		return kind, "", fmt.Errorf("%w: not one frame", ErrFrame)
	}
	if !bytes.Contains(body, []byte("NODE_")) {
		return wire.Ordinary, "", nil
	}
	v, err := wire.ParseAdvanced(body)
	if err != nil {
		return kind, "", fmt.Errorf("%w: %w", ErrFrame, err)
	}
	if kind = wire.ClassifyValue(v); kind == wire.Handle {
		e, _, err := wire.OpenValue(v)
		return kind, e.Type, err
	}
	return kind, "", nil
}
