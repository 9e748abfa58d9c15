package wire

// Topic returns the text of the member "type" of the JSON object in message, ""
// if there is none. Nothing else is decoded, and nothing after it is looked at.
func Topic(message []byte) string {
	for name, value := range members(message) {
		if isName(name, "type") {
			return text(value)
		}
	}
	return ""
}
