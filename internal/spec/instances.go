package spec

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tendproc/tend/internal/fault"
)

// MaxInstances bounds the instances of one app: what is above is a slip of the
// finger, and would take the machine down.
const MaxInstances = 10_000

// Instances reads a number of instances as PM2 writes it: "4", "max" or "0"
// for one a CPU, "-1" for one less than there are CPUs, at least one.
func Instances(text string, cpus int) (int, error) {
	if text == "max" {
		text = "0"
	}
	n, err := strconv.Atoi(text)
	if err != nil || n > MaxInstances {
		return 0, &fault.Error{
			Code: fault.Invalid, Field: "--instances",
			Message: fmt.Sprintf("%q is not a number of instances", text),
			Remedy:  fmt.Sprintf("Give a number up to %d, \"max\" or 0 for one a CPU, or -1 for all CPUs but one.", MaxInstances),
		}
	}
	if n <= 0 {
		n = max(1, cpus+n)
	}
	return n, nil
}

// ScaleTo gives the number of instances that "4", "+2" or "-1" makes of now.
// A number that changes nothing is a Conflict.
func ScaleTo(text string, now int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n > MaxInstances {
		return 0, &fault.Error{
			Code: fault.Invalid, Field: "number",
			Message: fmt.Sprintf("%q is not a number of instances", text),
			Remedy:  "Give a number, or a change such as +2 or -1.",
		}
	}
	if strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") {
		n += now
	}
	switch {
	case n < 1:
		return 0, &fault.Error{
			Code: fault.Invalid, Field: "number",
			Message: fmt.Sprintf("%s would leave no instance of %d", text, now),
			Remedy:  "Keep at least one; to end the app use stop or delete.",
		}
	case n > MaxInstances:
		return 0, &fault.Error{
			Code: fault.Invalid, Field: "number",
			Message: fmt.Sprintf("%d instances are more than %d", n, MaxInstances),
		}
	case n == now:
		return 0, &fault.Error{
			Code:    fault.Conflict,
			Message: fmt.Sprintf("nothing to do: it has %d already", now),
		}
	}
	return n, nil
}
