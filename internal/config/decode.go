package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/goccy/go-yaml"
	"github.com/joho/godotenv"
	"github.com/titanous/json5"

	"github.com/tendproc/tend/internal/fault"
)

// Format is a way to write a configuration.
type Format string

const (
	JSON     Format = "json"     // with all that JSON5 allows
	YAML     Format = "yaml"     // 1.2
	TOML     Format = "toml"     // 1.0
	Procfile Format = "procfile" // NAME: COMMAND, a line an app
	Script   Format = "script"   // JavaScript or TypeScript: to be run, not decoded
)

// FormatOf tells the format by the name of the file. Standard input, "-", is JSON.
func FormatOf(file string) Format {
	base := path.Base(file)
	ext := path.Ext(base)
	switch {
	case ext == ".yml" || ext == ".yaml":
		return YAML
	case ext == ".toml":
		return TOML
	case base == "Procfile" || strings.HasPrefix(base, "Procfile."):
		return Procfile
	case len(ext) > 2 && strings.HasSuffix(ext[2:], "s") && strings.Contains(".js.cjs.mjs.ts.cts.mts", ext):
		return Script
	case strings.Contains(base, ".yml") || strings.Contains(base, ".yaml"):
		return YAML
	}
	return JSON
}

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 1 << 20

// maxNodes bounds what a file may mean: references let YAML say much in few words.
const maxNodes = 100_000

// Decode gives what text says as a tree of nil, bool, string, json.Number, []any
// and map[string]any. Its errors are faults that name line and column.
func Decode(format Format, text []byte) (any, error) {
	if len(text) > MaxSize {
		return nil, &fault.Error{Code: fault.TooLarge, Message: "is larger than 1 MiB"}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	var v any
	var err error
	switch format {
	case YAML:
		err = yaml.Unmarshal(text, &v)
	case TOML:
		m := map[string]any{}
		_, err = toml.Decode(string(text), &m)
		v = m
	case Procfile:
		return decodeProcfile(text)
	default:
		err = json5.Unmarshal(text, &v)
	}
	if err != nil {
		return nil, syntaxFault(format, text, err)
	}
	return normal(v)
}

// DecodeResult is [Decode] for what a script exported, as JSON.stringify has it.
func DecodeResult(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return normal(v)
}

// syntaxFault says where text is wrong, in the same words for every format.
func syntaxFault(format Format, text []byte, err error) error {
	f := &fault.Error{Code: fault.Invalid, Message: err.Error(), Remedy: "The file is read as " + strings.ToUpper(string(format)) + "."}
	switch e := err.(type) {
	case *json5.SyntaxError:
		f.Message = place(text, int(e.Offset)-1) + ": " + e.Error()
	case toml.ParseError:
		f.Message = fmt.Sprintf("line %d, column %d: %s", e.Position.Line, e.Position.Col, e.Message)
	default:
		first, excerpt, _ := strings.Cut(err.Error(), "\n")
		if m := regexp.MustCompile(`^\[(\d+):(\d+)\] `).FindStringSubmatch(first); m != nil {
			first = fmt.Sprintf("line %s, column %s: %s", m[1], m[2], first[len(m[0]):])
		}
		f.Message = first
		for line := range strings.Lines(excerpt) {
			f.Log = append(f.Log, strings.TrimRight(line, "\n"))
		}
	}
	return f
}

// place gives an offset as people count.
func place(text []byte, offset int) string {
	before := text[:min(max(offset, 0), len(text))]
	line := bytes.Count(before, []byte("\n")) + 1
	return fmt.Sprintf("line %d, column %d", line, len(before)-bytes.LastIndexByte(before, '\n'))
}

func decodeProcfile(text []byte) (any, error) {
	process := regexp.MustCompile(`^([A-Za-z0-9_.-]+)\s*:\s*(\S.*)$`)
	apps := []any{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		m := process.FindStringSubmatch(line)
		if m == nil {
			return nil, &fault.Error{
				Code: fault.Invalid, Message: fmt.Sprintf("line %d: not NAME: COMMAND", n), Remedy: "Write a process a line: web: node server.js",
			}
		}
		apps = append(apps, map[string]any{"name": m[1], "script": m[2]})
	}
	return map[string]any{"apps": apps}, nil
}

// ParseEnv reads a file of KEY=value lines.
func ParseEnv(text []byte) (map[string]string, error) {
	vars, err := godotenv.UnmarshalBytes(text)
	if err != nil {
		return nil, err
	}
	return vars, nil
}

// normal rewrites what the decoders give to the few types of [Decode].
func normal(v any) (any, error) {
	nodes := 0
	out, err := normalise(v, &nodes)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func normalise(v any, nodes *int) (any, error) {
	if *nodes++; *nodes > maxNodes {
		return nil, &fault.Error{Code: fault.TooLarge, Message: fmt.Sprintf("says more than %d things", maxNodes)}
	}
	switch v := v.(type) {
	case nil, bool, string, json.Number:
		return v, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v), nil
		}
		return number(v)
	case time.Time:
		return v.Format(time.RFC3339), nil
	case []any:
		for i := range v {
			var err error
			if v[i], err = normalise(v[i], nodes); err != nil {
				return nil, err
			}
		}
		return v, nil
	case []map[string]any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return normalise(list, nodes)
	case map[string]any:
		for key := range v {
			var err error
			if v[key], err = normalise(v[key], nodes); err != nil {
				return nil, err
			}
		}
		return v, nil
	case map[any]any:
		return nil, &fault.Error{Code: fault.Invalid, Message: "has a key that is no text"}
	}
	return number(v)
}

// number writes a number as JavaScript does.
func number(v any) (any, error) {
	text, err := json.Marshal(v)
	var n json.Number
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err != nil {
		return nil, &fault.Error{Code: fault.Invalid, Message: fmt.Sprintf("holds a value that is nothing known: %v", v), Err: errors.Unwrap(err)}
	}
	return n, nil
}
