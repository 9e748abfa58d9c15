package wire

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/tendproc/tend/internal/jsontext"
)

// appendCompact appends the JSON text without white space. On error dst may
// hold a part of it.
func appendCompact(dst, message []byte) ([]byte, error) {
	if jsontext.IsCompact(message) { // as most are, and then there is nothing to do
		return append(dst, message...), nil
	}
	buf := bytes.NewBuffer(dst)
	if err := json.Compact(buf, message); err != nil {
		return dst, fmt.Errorf("message is not JSON: %w", err)
	}
	return buf.Bytes(), nil
}
