package child

import (
	"errors"
	"os"
	"slices"
	"sync"

	"github.com/tendproc/tend/internal/sys"
)

// roleVar tells a program which of its roles it was forked for.
const roleVar = "TEND_ROLE"

// errNoRole keeps a program whose main does not ask for its role from forking
// itself without end.
var errNoRole = errors.New("this process was itself forked for a role: its main must ask child.Role first")

// ForkSelf is [Fork] for this very program, though its file may have been replaced
// since: the child's main finds the name of the role by [Role]. Interpreter and
// InterpreterArgs say nothing here. The error is a [*StartError].
func ForkSelf(role string, args []string, o ForkOptions) (*Process, error) {
	if o.Env == nil {
		o.Env = withoutChannel(os.Environ())
	}
	o.Env = append(slices.Clone(o.Env), roleVar+"="+role)
	cmd := o.command(sys.SelfPath, args)
	cmd.Argv0 = os.Args[0]
	if _, unasked := os.LookupEnv(roleVar); unasked {
		return nil, cmd.fault(BadArguments, "role "+role, errNoRole.Error(), errNoRole)
	}
	return Start(cmd)
}

// Role is the name under which this process was forked by [ForkSelf], "" if it was
// not. A main begins with it:
//
//	switch child.Role() {
//	case "resizer":
//		return resize(ctx)
//	}
//
// What this process starts then has no role.
func Role() string { return role() }

var role = sync.OnceValue(func() string {
	name := os.Getenv(roleVar)
	os.Unsetenv(roleVar)
	return name
})
