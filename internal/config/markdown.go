package config

import (
	"fmt"
	"strings"
)

// examples say how the values of a kind are written.
var examples = map[Kind]string{
	Text: "text", Switch: "`true`, `false`", Number: "number", Duration: "`3000` (ms), `\"3s\"`", Size: "`\"300M\"`, bytes", Count: "`4`, `\"max\"`",
	Words: "list, or text split as a shell would", Texts: "text, or list", Codes: "`[0, 3]`, `\"0 3\"`", Variables: "object", Filter: "`true`, text, or list",
}

// Markdown is the table of keys for the documentation.
func Markdown() string {
	var works, later, ignored strings.Builder
	for _, k := range Keys {
		names := "`" + k.Name + "`"
		if len(k.Aliases) > 0 {
			names += ", `" + strings.Join(k.Aliases, "`, `") + "`"
		}
		switch {
		case k.Later != "":
			fmt.Fprintf(&later, "| %s | %s | %s |\n", names, k.Doc, k.Later)
		case k.Ignored != "":
			fmt.Fprintf(&ignored, "| %s | %s | %s |\n", names, k.Doc, k.Ignored)
		default:
			fmt.Fprintf(&works, "| %s | %s | %s |\n", names, examples[k.Kind], k.Doc)
		}
	}
	return "| key | value | meaning |\n|---|---|---|\n" + works.String() +
		"\nAccepted, with a warning where they ask for something that tend does not do yet:\n\n" +
		"| key | meaning | what is not done |\n|---|---|---|\n" + later.String() +
		"\nAccepted, since nothing needs to be done for them:\n\n" +
		"| key | meaning | why |\n|---|---|---|\n" + ignored.String()
}
