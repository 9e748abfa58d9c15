package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"time"
)

// ClassifyText tells what the message in a JSON text is for.
func ClassifyText(message []byte) Kind { return classify(message) }

// ClassifyValue tells what a message decoded by [ParseAdvanced] is for.
func ClassifyValue(v any) Kind {
	m, ok := v.(map[string]any)
	if !ok {
		return Ordinary
	}
	cmd, _ := m["cmd"].(string)
	return kindOf(cmd)
}

// OpenValue is [ParseEnvelope] for a value of kind [Handle]. The envelope's Msg
// is left empty: msg is the message.
func OpenValue(v any) (e Envelope, msg any, err error) {
	for range nestedLimit {
		m, ok := v.(map[string]any)
		if !ok {
			break
		}
		e.Type, _ = m["type"].(string)
		e.Key, _ = m["key"].(string)
		e.DgramType, _ = m["dgramType"].(string)
		if msg = m["msg"]; ClassifyValue(msg) != Handle {
			return e, msg, nil
		}
		v = msg
	}
	return Envelope{}, nil, fmt.Errorf("%w: envelopes nested too deep", ErrSyntax)
}

// EnvelopeValue makes the value of e around msg.
func EnvelopeValue(e Envelope, msg any) map[string]any {
	m := map[string]any{"cmd": cmdHandle, "type": e.Type, "msg": msg}
	if e.Key != "" {
		m["key"] = e.Key
	}
	if e.DgramType != "" {
		m["dgramType"] = e.DgramType
	}
	return m
}

// AppendJSON appends v, as [ParseAdvanced] gives it, in the JSON text that
// JavaScript's JSON.stringify would make of it. A BigInt has none.
func AppendJSON(dst []byte, v any) ([]byte, error) {
	plain, err := plainValue(v, 0)
	if err != nil {
		return dst, err
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return dst, fmt.Errorf("%w: %w", ErrClone, err)
	}
	return append(dst, text...), nil
}

// plainValue turns v into what encoding/json writes the same way.
func plainValue(v any, depth int) (any, error) {
	if depth > cloneDepth {
		return nil, fmt.Errorf("%w: nested deeper than %d, or in itself", ErrClone, cloneDepth)
	}
	switch v := v.(type) {
	case Undefined, InvalidDate:
		return nil, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, nil
		}
		return v, nil
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.000Z"), nil
	case Boxed:
		return plainValue(v.Value, depth+1)
	case map[string]any:
		return plainObject(v, depth)
	case []any:
		items := make([]any, len(v))
		for i := range v {
			var err error
			if items[i], err = plainValue(v[i], depth+1); err != nil {
				return nil, err
			}
		}
		return items, nil
	case *Array:
		return plainArray(v, depth)
	case []byte:
		data := make([]int, len(v))
		for i, b := range v {
			data[i] = int(b)
		}
		return map[string]any{"type": "Buffer", "data": data}, nil
	case *Map, *Set, RegExp, *Error, ArrayBuffer:
		return struct{}{}, nil
	case View:
		return nil, fmt.Errorf("%w: a typed array as JSON", ErrClone)
	case *big.Int:
		return nil, fmt.Errorf("%w: a BigInt as JSON", ErrClone)
	}
	return v, nil
}

func plainObject(v map[string]any, depth int) (any, error) {
	m := make(map[string]any, len(v))
	for key, value := range v {
		if _, ok := value.(Undefined); ok {
			continue
		}
		var err error
		if m[key], err = plainValue(value, depth+1); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// maxPlainArray is how long a sparse array may be to be written out.
const maxPlainArray = 1 << 20

func plainArray(v *Array, depth int) (any, error) {
	if v.Length > maxPlainArray {
		return nil, fmt.Errorf("%w: a sparse array of %d as JSON", ErrClone, v.Length)
	}
	items := make([]any, v.Length)
	for i, value := range v.Items {
		var err error
		if items[i], err = plainValue(value, depth+1); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// AckValue and NackValue give the two answers to a NODE_HANDLE as values.
func AckValue() any  { return map[string]any{"cmd": cmdAck} }
func NackValue() any { return map[string]any{"cmd": cmdNack} }
