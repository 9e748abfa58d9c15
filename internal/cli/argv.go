package cli

import (
	"strings"

	"github.com/spf13/pflag"
)

// operandMark goes before an operand that looks like a flag, so that the flag
// parser leaves it alone; [unmark] takes it off.
const operandMark = "\x00"

// prepare rewrites a command line to what the flag parser takes: the variadic
// --stop-exit-codes 0 1, a negative operand (scale web -2), "send signal" in
// two words. What follows "--" is the app's and stays.
func prepare(args []string, fs *pflag.FlagSet) []string {
	out := make([]string, 0, len(args)+1)
	operands := make([]int, 0, 4) // their places in out
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return joinSignal(append(out, args[i:]...), operands)
		case arg == "-V":
			out = append(out, "--version")
		case arg == "--stop-exit-codes":
			codes := []string{}
			for i+1 < len(args) && digits(args[i+1]) {
				i++
				codes = append(codes, args[i])
			}
			out = append(out, arg+"="+strings.Join(codes, ","))
		case arg != "" && arg[0] == '-' && digits(arg[1:]):
			operands = append(operands, len(out))
			out = append(out, operandMark+arg)
		case takesNext(arg, fs) && i+1 < len(args):
			i++
			out = append(out, arg, args[i])
		default:
			if arg == "" || arg == "-" || arg[0] != '-' {
				operands = append(operands, len(out))
			}
			out = append(out, arg)
		}
	}
	return joinSignal(out, operands)
}

// takesNext says whether the value of the flag arg is the argument after it.
func takesNext(arg string, fs *pflag.FlagSet) bool {
	if len(arg) < 2 || arg[0] != '-' || strings.Contains(arg, "=") {
		return false
	}
	var f *pflag.Flag
	if name, long := strings.CutPrefix(arg, "--"); long {
		f = fs.Lookup(name)
		return f != nil && f.NoOptDefVal == ""
	}
	for i := 1; i < len(arg); i++ {
		f = fs.ShorthandLookup(arg[i : i+1])
		if f == nil {
			return false
		}
		if f.NoOptDefVal == "" {
			return i == len(arg)-1
		}
	}
	return false
}

// joinSignal makes "send signal SIGHUP web" sendSignal SIGHUP web.
func joinSignal(args []string, operands []int) []string {
	if len(operands) < 3 || args[operands[0]] != "send" || args[operands[1]] != "signal" {
		return args
	}
	args[operands[0]] = "sendSignal"
	return append(args[:operands[1]:operands[1]], args[operands[1]+1:]...)
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func unmark(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = strings.TrimPrefix(arg, operandMark)
	}
	return out
}
