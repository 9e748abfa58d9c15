package wire

import "github.com/tendproc/tend/internal/jsontext"

// Topic returns the text of the member "type" of the JSON object in message, ""
// if there is none. Nothing else is decoded, and nothing after it is looked at.
func Topic(message []byte) string {
	for name, value := range jsontext.Members(message) {
		if isName(name, "type") {
			return jsontext.Text(value)
		}
	}
	return ""
}
