package logs

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// stamper puts the time before lines, in a format of day.js tokens. The format
// is taken apart once, and the time's text is kept for the millisecond it holds.
// It is for one goroutine.
type stamper struct {
	json  *jsonStamp // nil for a time before each line
	after string     // follows the time
	parts []stampPart
	milli int64
	text  []byte
}

// stampPart is a token, or text as it is when token is empty.
type stampPart struct {
	token   string
	literal string
}

// stampTokens are tried in this order, so the longer of a kind come first.
var stampTokens = []string{
	"YYYY", "YY", "Y", "MMMM", "MMM", "MM", "M", "DD", "D", "dddd", "ddd", "dd", "d",
	"HH", "H", "hh", "h", "A", "a", "mm", "m", "ss", "s", "SSS", "SS", "S", "ZZ", "Z",
	"Do", "Q", "kk", "k", "X", "x",
}

func newStamper(format string) *stamper {
	s := &stamper{milli: -1, after: ": "}
	if head, ok := strings.CutPrefix(format, headMark); ok {
		format, s.after = head, ""
	}
	if s.json, format = cutJSON(format); s.json != nil && format == "" {
		format = isoFormat
	}
	for format != "" {
		if literal, rest, ok := escaped(format); ok {
			s.parts = append(s.parts, stampPart{literal: literal})
			format = rest
			continue
		}
		token := nextToken(format)
		if token == "" {
			s.parts = append(s.parts, stampPart{literal: format[:1]})
			format = format[1:]
			continue
		}
		s.parts = append(s.parts, stampPart{token: token})
		format = format[len(token):]
	}
	return s
}

// escaped takes a leading [text].
func escaped(format string) (literal, rest string, ok bool) {
	if format[0] != '[' {
		return "", "", false
	}
	end := strings.IndexByte(format, ']')
	if end < 2 {
		return "", "", false
	}
	return format[1:end], format[end+1:], true
}

func nextToken(format string) string {
	if strings.HasPrefix(format, "Do") {
		return "Do"
	}
	for _, t := range stampTokens {
		if strings.HasPrefix(format, t) {
			return t
		}
	}
	return ""
}

// lines appends text to dst with the stamp before each line; not before the
// first if that continues one.
func (s *stamper) lines(dst, text []byte, now time.Time, continues bool) []byte {
	if m := now.UnixMilli(); m != s.milli {
		s.milli = m
		if s.json != nil {
			s.text = s.format(s.text[:0], now.UTC())
		} else {
			s.text = append(s.format(s.text[:0], now), s.after...)
		}
	}
	if s.json != nil {
		return s.json.lines(dst, text, s.text)
	}
	for len(text) > 0 {
		if !continues {
			dst = append(dst, s.text...)
		}
		continues = false
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i+1]...)
		text = text[i+1:]
	}
	return dst
}

func (s *stamper) format(dst []byte, t time.Time) []byte {
	for _, p := range s.parts {
		if p.token == "" {
			dst = append(dst, p.literal...)
			continue
		}
		dst = appendToken(dst, p.token, t)
	}
	return dst
}

// appendToken appends the value of one day.js token.
func appendToken(dst []byte, token string, t time.Time) []byte {
	switch token {
	case "YYYY", "Y":
		return padded(dst, t.Year(), 4)
	case "YY":
		return padded(dst, t.Year()%100, 2)
	case "MMMM":
		return append(dst, t.Month().String()...)
	case "MMM":
		return append(dst, t.Month().String()[:3]...)
	case "MM", "M":
		return padded(dst, int(t.Month()), len(token))
	case "DD", "D":
		return padded(dst, t.Day(), len(token))
	case "Do":
		return append(strconv.AppendInt(dst, int64(t.Day()), 10), ordinal(t.Day())...)
	case "Q":
		return padded(dst, (int(t.Month())+2)/3, 1)
	case "dddd":
		return append(dst, t.Weekday().String()...)
	case "ddd", "dd":
		return append(dst, t.Weekday().String()[:len(token)]...)
	case "d":
		return padded(dst, int(t.Weekday()), 1)
	case "HH", "H":
		return padded(dst, t.Hour(), len(token))
	case "hh", "h":
		return padded(dst, (t.Hour()+11)%12+1, len(token))
	case "kk", "k":
		return padded(dst, (t.Hour()+23)%24+1, len(token))
	case "A":
		return append(dst, half(t)...)
	case "a":
		return append(dst, strings.ToLower(half(t))...)
	case "mm", "m":
		return padded(dst, t.Minute(), len(token))
	case "ss", "s":
		return padded(dst, t.Second(), len(token))
	case "SSS":
		return padded(dst, t.Nanosecond()/1e6, 3)
	case "SS":
		return padded(dst, t.Nanosecond()/1e7, 2)
	case "S":
		return padded(dst, t.Nanosecond()/1e8, 1)
	case "ZZ":
		return t.AppendFormat(dst, "-0700")
	case "Z":
		return t.AppendFormat(dst, "-07:00")
	case "X":
		return strconv.AppendInt(dst, t.Unix(), 10)
	case "x":
		return strconv.AppendInt(dst, t.UnixMilli(), 10)
	}
	return append(dst, token...)
}

func half(t time.Time) string {
	if t.Hour() < 12 {
		return "AM"
	}
	return "PM"
}

func ordinal(day int) string {
	switch {
	case day/10 == 1:
		return "th"
	case day%10 == 1:
		return "st"
	case day%10 == 2:
		return "nd"
	case day%10 == 3:
		return "rd"
	}
	return "th"
}

func padded(dst []byte, n, width int) []byte {
	for limit := 10; width > 1; width-- {
		if n < limit {
			dst = append(dst, '0')
		}
		limit *= 10
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

// Stamp writes times in a format of such tokens.
type Stamp struct{ s *stamper }

// NewStamp is a Stamp; not for several goroutines at once.
func NewStamp(format string) *Stamp { return &Stamp{newStamper(format)} }

// Text is t in the format.
func (s *Stamp) Text(t time.Time) string { return string(s.s.format(nil, t)) }
