package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/keeper"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/static"
)

// Home returns the folder that holds everything of one daemon: TEND_HOME, else
// $XDG_STATE_HOME/tend, else ~/.local/state/tend; absolute.
func Home() (string, error) {
	if h := os.Getenv("TEND_HOME"); h != "" {
		return filepath.Abs(h)
	}
	// The base directory specification: relative paths there are to be ignored.
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "tend"), nil
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "", &fault.Error{
			Code: fault.Invalid, Op: "find tend's home", Field: "TEND_HOME", Err: err,
			Message: "neither it nor HOME is set", Remedy: "Set TEND_HOME to a folder that is yours.",
		}
	}
	return filepath.Join(user, ".local", "state", "tend"), nil
}

// Connect returns a client for the daemon of home: fault.Unavailable if none
// answers. It costs one connect(2).
func Connect(ctx context.Context, home string) (*api.Client, error) {
	return api.Connect(ctx, filepath.Join(home, keeper.SocketName))
}

// Ensure is as Connect, but starts keeper and daemon if none answers, and
// waits until they serve. The program that runs must know the hidden verbs
// "keeper" and "daemon" (see [RunPart]). Any number of callers may race: there
// is one daemon, and all are connected to it.
func Ensure(ctx context.Context, home string) (*api.Client, error) {
	c, err := Connect(ctx, home)
	if fault.CodeOf(err) != fault.Unavailable {
		return c, err
	}
	if err := Start(ctx, home); err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	return Connect(ctx, home)
}

// StartPM2 is [Start] for a home of PM2, whose files it makes.
func StartPM2(ctx context.Context, h pm2.Home) error {
	err := start(ctx, pm2Seat(h))
	if err != nil {
		return fmt.Errorf("start the daemon: %w", err)
	}
	return nil
}

func pm2Seat(h pm2.Home) seat {
	return seat{pm2.Name, h.Dir, h.Log, []string{h.Logs, h.PIDs, h.Modules, filepath.Dir(h.PID)}}
}

// RunPart runs the part of tend that args name: "keeper --home H", the same with
// "--daemon PID" or "--unit" behind it, or "daemon --home H", as [Ensure] starts them, and what
// an upgrade asks of a program, see upgrade.go. ok is false when args are none of these.
func RunPart(ctx context.Context, args []string, o Options) (ok bool, err error) {
	if len(args) > 0 && args[0] == runner.ListenExec {
		return true, runner.RunListenExec(args[1:])
	}
	if len(args) == 1 && args[0] == static.Program {
		return true, static.Run(ctx, os.Getenv)
	}
	if len(args) < 3 || args[1] != "--home" {
		return false, nil
	}
	home := args[2]
	o.Home = home
	switch {
	case args[0] == "keeper" && len(args) == 3:
		return true, keeper.Run(home)
	case args[0] == "keeper" && len(args) == 5 && args[3] == "--daemon":
		pid, err := strconv.Atoi(args[4])
		if err != nil {
			return true, err
		}
		return true, keeper.Inherit(home, pid)
	case args[0] == "keeper" && len(args) == 4 && args[3] == unitFlag:
		return true, runUnit(ctx, o)
	case args[0] == "daemon" && len(args) == 3:
		return true, Run(ctx, o)
	case args[0] == "daemon" && len(args) == 5 && args[3] == becomeFlag:
		b, err := parseBequest(args[4])
		if err != nil {
			return true, err
		}
		o.former = &b
		return true, Run(ctx, o)
	case args[0] == "daemon" && len(args) == 4 && args[3] == checkFlag:
		return true, sayFit(os.Stdout, home, o.Version)
	}
	return false, nil
}
