package event

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tendproc/tend/internal/jsontext"
	"github.com/tendproc/tend/internal/lifecycle"
)

// cells are what tables show of an instance, by the words of its JSON. The first ones
// are told of each instance, the others where they are not zero.
var cells = []struct {
	name string
	of   func(*Instance) any // where it is
}{
	{"id", func(in *Instance) any { return &in.ID }},
	{"app", func(in *Instance) any { return &in.App }},
	{"namespace", func(in *Instance) any { return &in.Namespace }},
	{"mode", func(in *Instance) any { return (*string)(&in.Mode) }},
	{"phase", func(in *Instance) any { return &in.Phase }},
	{"pid", func(in *Instance) any { return &in.PID }},
	{"restarts", func(in *Instance) any { return &in.Restarts }},
	{"started_at", func(in *Instance) any { return &in.StartedAt }},
	{"reason", func(in *Instance) any { return &in.Reason }},
	{"version", func(in *Instance) any { return &in.Version }},
	{"module", func(in *Instance) any { return &in.Module }},
	{"held", func(in *Instance) any { return &in.Held }},
	{"standby", func(in *Instance) any { return &in.Standby }},
	{"watch", func(in *Instance) any { return &in.Watch }},
	{"user", func(in *Instance) any { return &in.User }},
	{"usage", func(in *Instance) any { return &in.Usage }},
}

const always = 7 // cells

// AppendTable appends a snapshot as far as tables show it, as JSON. To write and read
// it is much of what a command like ls takes, and an encoder that must learn first
// what it is about takes six times as long.
func AppendTable(dst []byte, s *Snapshot) []byte {
	dst = slices.Grow(dst, 200*(1+len(s.Instances)))
	dst = appendTime(append(dst, `{"at":`...), s.At)
	dst = append(dst, `,"instances":[`...)
	for i := range s.Instances {
		if i > 0 {
			dst = append(dst, ',')
		}
		for at, c := range cells {
			dst = appendCell(dst, c.name, c.of(&s.Instances[i]), at < always)
		}
		dst = append(dst, '}')
	}
	return append(dst, "]}\n"...)
}

func appendCell(dst []byte, name string, of any, always bool) []byte {
	start, mark := len(dst), byte(',')
	if dst[start-1] == '[' || dst[start-1] == ',' {
		mark = '{'
	}
	dst = append(jsontext.AppendString(append(dst, mark), name), ':')
	zero := false
	switch v := of.(type) {
	case *int:
		dst, zero = strconv.AppendInt(dst, int64(*v), 10), *v == 0
	case *string:
		dst, zero = jsontext.AppendString(dst, *v), *v == ""
	case *bool:
		dst, zero = strconv.AppendBool(dst, *v), !*v
	case *lifecycle.Phase:
		dst = jsontext.AppendString(dst, v.String())
	case *time.Time:
		dst, zero = appendTime(dst, *v), v.IsZero()
	case **Usage:
		if zero = *v == nil; !zero {
			dst = strconv.AppendFloat(append(dst, `{"cpu":`...), (*v).CPU, 'f', -1, 64)
			dst = append(strconv.AppendUint(append(dst, `,"rss":`...), (*v).RSS, 10), '}')
		}
	}
	if zero && !always {
		return dst[:start]
	}
	return dst
}

func appendTime(dst []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
}

// ReadTable reads what [AppendTable] wrote.
func ReadTable(text []byte) (s Snapshot, err error) {
	for name, value := range jsontext.Members(text) {
		switch string(name) {
		case `"at"`:
			err = s.At.UnmarshalJSON(value)
		case `"instances"`:
			for one := range jsontext.Elements(value) {
				if s.Instances == nil { // the others are about as long
					s.Instances = make([]Instance, 0, len(value)/len(one)+1)
				}
				s.Instances = append(s.Instances, Instance{})
				if err := s.Instances[len(s.Instances)-1].readCells(one); err != nil {
					return s, err
				}
			}
		}
	}
	if err == nil && s.At.IsZero() {
		err = fmt.Errorf("no table: %.40q", text)
	}
	return s, err
}

func (in *Instance) readCells(text []byte) error {
	for name, value := range jsontext.Members(text) {
		for _, c := range cells {
			if string(name[1:len(name)-1]) != c.name {
				continue
			}
			if err := readCell(c.of(in), value); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			break
		}
	}
	return nil
}

func readCell(to any, value []byte) (err error) {
	switch to := to.(type) {
	case *int:
		*to, err = strconv.Atoi(string(value))
	case *string:
		*to = jsontext.Text(value)
	case *bool:
		*to, err = strconv.ParseBool(string(value))
	case *lifecycle.Phase:
		err = to.UnmarshalText([]byte(jsontext.Text(value)))
	case *time.Time:
		err = to.UnmarshalJSON(value)
	case **Usage:
		*to = &Usage{}
		for name, value := range jsontext.Members(value) {
			switch string(name) {
			case `"cpu"`:
				(*to).CPU, err = strconv.ParseFloat(string(value), 64)
			case `"rss"`:
				(*to).RSS, err = strconv.ParseUint(string(value), 10, 64)
			}
			if err != nil {
				return err
			}
		}
	}
	return err
}
