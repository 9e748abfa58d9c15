package spec

import "slices"

// Argv returns the executable of the app and its whole argument vector, the
// name it is called by first.
func (a App) Argv() (path string, argv []string) {
	switch {
	case a.Shell && len(a.Args) > 0:
		// The shell quotes what it puts in for "$@"; we need not.
		return a.Interpreter, slices.Concat([]string{a.Interpreter, "-c", a.Script + ` "$@"`, a.Interpreter}, a.Args)
	case a.Shell:
		return a.Interpreter, []string{a.Interpreter, "-c", a.Script}
	case a.Interpreter == "":
		return a.Script, slices.Concat([]string{a.Script}, a.Args)
	}
	return a.Interpreter, slices.Concat([]string{a.Interpreter}, a.InterpreterArgs, []string{a.Script}, a.Args)
}
