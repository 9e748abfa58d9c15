package logs

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// isoFormat is JavaScript's way to write a time, in UTC.
const isoFormat = "YYYY-MM-DD[T]HH:mm:ss.SSS[Z]"

// jsonMark begins a stamp that is JSON. It is no text that a format could be.
const jsonMark = "\x00json\x00"

// JSONLine is a [Target.Stamp] as [JSONStamp], with the text alone as the message: not
// the newline after it.
func JSONLine(t Target) string { return lineMark + JSONStamp(t, "") }

const lineMark = "\x00line\x00"

// JSONStamp is a [Target.Stamp] that makes each line a JSON object, in PM2's form.
// date is the format of its time, "" for JavaScript's.
func JSONStamp(t Target, date string) string {
	return jsonMark + strings.Join([]string{t.Name, strconv.Itoa(t.ID), t.App, date}, "\x00")
}

// jsonStamp is the part of each object that is always the same.
type jsonStamp struct {
	tail []byte
	line bool // the newline is no part of the message
}

// cutJSON takes a JSON stamp apart; of another it returns the format.
func cutJSON(stamp string) (j *jsonStamp, format string) {
	rest, line := strings.CutPrefix(stamp, lineMark)
	rest, ok := strings.CutPrefix(rest, jsonMark)
	if !ok {
		return nil, stamp
	}
	parts := strings.SplitN(rest, "\x00", 4)
	if len(parts) < 4 {
		return nil, ""
	}
	tail := `","type":"` + parts[0] + `","process_id":` + parts[1] + `,"app_name":` + string(quoted(nil, []byte(parts[2]))) + "}\n"
	return &jsonStamp{[]byte(tail), line}, parts[3]
}

// lines appends an object for each line of text, and for what is left of one.
func (j *jsonStamp) lines(dst, text, at []byte) []byte {
	for line := range bytes.Lines(text) {
		if j.line {
			line = bytes.TrimSuffix(line, []byte("\n"))
		}
		dst = append(dst, `{"message":`...)
		dst = quoted(dst, line)
		dst = append(dst, `,"timestamp":"`...)
		dst = append(dst, at...)
		dst = append(dst, j.tail...)
	}
	return dst
}

// quoted appends text as a JSON string.
func quoted(dst, text []byte) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(string(text)) // a string always can be
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
