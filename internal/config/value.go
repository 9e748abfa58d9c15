package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/spec"
)

// Kind is what a key's value can be.
type Kind string

const (
	Text      Kind = "text"      // a text; a number is its digits
	Switch    Kind = "switch"    // true or false
	Number    Kind = "number"    // a whole number, or one in a text
	Duration  Kind = "time"      // milliseconds, or a text with a unit
	Size      Kind = "size"      // bytes, or a text with a unit
	Count     Kind = "instances" // a number or "max"
	Words     Kind = "words"     // a list, or a text that is split as a shell would
	Texts     Kind = "texts"     // a list, or one text
	Codes     Kind = "codes"     // a list of numbers, or a text of them
	Variables Kind = "variables" // an object of scalars
	Filter    Kind = "filter"    // true, or as Texts
	Anything  Kind = "anything"
)

// remedies say how a value of the kind is written; %s is the key.
var remedies = map[Kind]string{
	Text:      `Write a text: %s: "…".`,
	Switch:    `Write %s: true or %[1]s: false.`,
	Number:    `Write a whole number: %s: 3.`,
	Duration:  `Give milliseconds (%s: 3000) or a unit (%[1]s: "3s").`,
	Size:      `Give bytes, or a text with a unit: %s: "300M".`,
	Count:     `Give a number, or "max" for one a CPU: %s: 4.`,
	Words:     `Write a list, or one text that is split as a shell would: %s: ["--port", "80"].`,
	Texts:     `Write a list of texts, or one text: %s: ["…"].`,
	Codes:     `Write a list of exit codes: %s: [0, 3].`,
	Variables: `Write an object: %s: { "PORT": 3000 }.`,
	Filter:    `Write true, a text or a list of texts: %s: ["SECRET"].`,
}

// errKind says that a value is not of its key's kind.
type errKind struct{ got any }

func (e errKind) Error() string { return "cannot be " + described(e.got) }

// described is a value as a message shows it.
func described(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return "the number " + v.String()
	case string:
		return "the text " + strconv.Quote(short(v))
	case []any:
		return "a list"
	}
	return "an object"
}

func short(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// scalar gives a text, a number or a boolean as a text.
func scalar(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", errKind{v}
}

func asText(v any) (string, error) {
	if _, is := v.(bool); is {
		return "", errKind{v}
	}
	return scalar(v)
}

func asSwitch(v any) (bool, error) {
	b, ok := v.(bool)
	if !ok {
		return false, errKind{v}
	}
	return b, nil
}

func asNumber(v any) (int, error) {
	text, err := asText(v)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 0 {
		return 0, errKind{v}
	}
	return n, nil
}

func asDuration(v any) (time.Duration, error) {
	text, err := asText(v)
	if err != nil {
		return 0, err
	}
	d, err := spec.Duration(strings.TrimSpace(text))
	if err != nil || d < 0 {
		return 0, errKind{v}
	}
	return d, nil
}

func asSize(v any) (string, error) {
	text, err := asText(v)
	if err != nil {
		return "", err
	}
	if _, err := spec.Memory(text); err != nil {
		return "", errKind{v}
	}
	return text, nil
}

func asCount(v any) (string, error) {
	text, err := asText(v)
	if err != nil {
		return "", err
	}
	if _, err := spec.Instances(text, 1); err != nil {
		return "", errKind{v}
	}
	return text, nil
}

func asWords(v any) ([]string, error) {
	if text, ok := v.(string); ok {
		words, err := spec.Words(text)
		if err != nil {
			return nil, err
		}
		return append([]string{}, words...), nil
	}
	if _, ok := v.([]any); !ok {
		return nil, errKind{v}
	}
	return asTexts(v)
}

func asTexts(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		text, err := asText(v)
		return []string{text}, err
	}
	out := make([]string, 0, len(list))
	for _, v := range list {
		text, err := scalar(v)
		if err != nil {
			return nil, fmt.Errorf("one of the list %w", err)
		}
		out = append(out, text)
	}
	return out, nil
}

func asFilter(v any) ([]string, error) {
	if all, ok := v.(bool); ok {
		if all {
			return []string{spec.AllEnv}, nil
		}
		return []string{}, nil
	}
	return asTexts(v)
}

func asCodes(v any) ([]int, error) {
	var texts []string
	switch v := v.(type) {
	case string:
		texts = strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ',' })
	default:
		var err error
		if texts, err = asTexts(v); err != nil {
			return nil, err
		}
	}
	codes := make([]int, 0, len(texts))
	for _, text := range texts {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 255 {
			return nil, errKind{v}
		}
		codes = append(codes, n)
	}
	return codes, nil
}

// asVariables gives every value as the text that the process will see: objects
// and lists as JSON.
func asVariables(v any) (map[string]string, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errKind{v}
	}
	vars := make(map[string]string, len(m))
	for key, v := range m {
		text, err := scalar(v)
		if err != nil {
			if text, err = compact(v); err != nil {
				return nil, err
			}
		}
		if key == "" || strings.ContainsAny(key, "=\x00") || strings.Contains(text, "\x00") {
			return nil, fmt.Errorf("%q cannot be a variable", short(key))
		}
		vars[key] = text
	}
	return vars, nil
}

func compact(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// asks says whether a value of a key that does nothing yet asks for anything.
func asks(v, usual any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v != (usual == true)
	case string:
		return v != ""
	case json.Number:
		return v != "0"
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}
