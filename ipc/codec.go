package ipc

import (
	"fmt"

	"github.com/tendproc/tend/internal/jsonvalue"
	"github.com/tendproc/tend/internal/wire"
)

// Codec is what writes Go values as JSON and reads them, in place of encoding/json:
// see [Channel.SetCodec]. A nil function is encoding/json's. Both may be called from
// any goroutine, and at the same time.
type Codec struct {
	// Marshal returns v as JSON text, white space allowed. The channel has copied the
	// text when Send or Post returns. What is not valid JSON is not sent: the call
	// fails with what is wrong with it, and the peer hears nothing.
	Marshal func(v any) ([]byte, error)
	// Unmarshal stores the JSON text data in what v points to. data is the
	// [Message.Data] of the message, so v may refer to it. It may be invalid JSON, as
	// long as it is one line: a peer can send that.
	Unmarshal func(data []byte, v any) error
}

// SetCodec has Send, Post and SendHandle write values with c, and Decode read the
// messages of this channel with it. Call it before the channel is first used. In
// advanced serialization only Decode uses it.
func (ch *Channel) SetCodec(c Codec) {
	ch.codec = c
}

// marshal returns v as JSON text, by the codec.
func (ch *Channel) marshal(v any) ([]byte, error) {
	if ch.codec.Marshal != nil {
		return ch.codec.Marshal(v)
	}
	return jsonvalue.Append(nil, v)
}

// Decode stores the message in what v points to, as encoding/json does, or as the
// channel's [Codec] does.
func (m Message) Decode(v any) error {
	text := m.Data
	if text == nil {
		var err error
		if text, err = wire.AppendJSON(nil, m.Value); err != nil {
			return fmt.Errorf("message: %w", err)
		}
	}
	unmarshal := m.unmarshal
	if unmarshal == nil {
		unmarshal = jsonvalue.Decode
	}
	if err := unmarshal(text, v); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	return nil
}
