package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/daemon"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/keeper"
	"github.com/tendproc/tend/internal/proctest"
)

// upgrade has the daemon become program, and asks who answers then.
func upgrade(t *testing.T, c *api.Client, program string) event.Info {
	t.Helper()
	if err := c.Upgrade(t.Context(), program); fault.CodeOf(err) != fault.Unavailable {
		t.Fatalf("upgrade: %v", err)
	}
	for {
		info, err := c.Ping(t.Context())
		if err == nil {
			return info
		}
		if fault.CodeOf(err) != fault.Unavailable {
			t.Fatal(err)
		}
	}
}

// An upgrade is noticed by nobody: no request fails, no line of a log is lost or
// torn, daemon and apps are the processes they were.
func TestUpgradeUnderLoad(t *testing.T) {
	for _, scheduler := range []string{"rr", "shared", "reuseport"} {
		t.Run(scheduler, func(t *testing.T) {
			home := newHome(t)
			c, info := ensure(t, home)
			url := serve(t, c, scheduler, 2)
			writer := start(t, c, "writer", numbering)
			before, _ := pidsOf(t, c)
			underLoad(t, url, func() {
				for range 3 {
					next := upgrade(t, c, proctest.Self())
					if next.PID != info.PID || next.KeeperPID != info.KeeperPID || !next.StartedAt.After(info.StartedAt) {
						t.Fatalf("%+v, then %+v", info, next)
					}
					info = next
				}
			})
			if after, restarts := pidsOf(t, c); !slices.Equal(after, before) || restarts > 0 {
				t.Errorf("processes %v, then %v; %d restarts", before, after, restarts)
			}
			// Also after all that, an end is seen by how it came about.
			syscall.Kill(writer.PID, syscall.SIGKILL)
			in := await(t, c, writer.ID, func(in event.Instance) bool { return in.Gen == 2 })
			if in.LastExit == nil || in.LastExit.Signal != "SIGKILL" {
				t.Errorf("%+v", in.LastExit)
			}
			numbered(t, filepath.Join(home, keeper.LogsName, "writer-out.log"))
		})
	}
}

// numbering writes numbered lines, each in two pieces.
const numbering = `i=0
while :; do
	printf "line $i be"
	sleep 0.002
	printf "gins and ends\n"
	i=$((i+1))
done
`

// numbered checks that each line of a log is the next one, up to the one at which
// its writer was killed.
func numbered(t *testing.T, path string) {
	t.Helper()
	lines := strings.SplitAfter(read(t, path), "\n")
	for i, line := range lines {
		if want := fmt.Sprintf("line %d begins and ends\n", i); line != want {
			// Killed, within the line or before it, it is followed by another.
			if i < 10 || !strings.HasPrefix(want, strings.TrimSuffix(line, "\n")) && !strings.HasPrefix("line 0 begins and ends\n", line) {
				t.Errorf("line %d is %q", i, line)
			}
			return
		}
	}
}

// pretender makes a program that answers as pretend has it for name.
func pretender(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.Link(proctest.Self(), path); err != nil {
		t.Fatal(err)
	}
	return path
}

// pretend is what this binary does under another name when it is asked to take over.
func pretend() (code int, ok bool) {
	if len(os.Args) < 4 || os.Args[1] != "daemon" {
		return 0, false
	}
	path, err := os.Executable()
	if err != nil {
		return 0, false
	}
	switch filepath.Base(path) {
	case "cannot":
		fmt.Println(`{"version":"9","hand_over":1,"error":{"message":"not this state"}}`)
	case "other":
		fmt.Println(`{"version":"9","hand_over":7}`)
	case "sorry":
		fmt.Fprintln(os.Stderr, "sorry")
		return 3, true
	case "dies":
		if !strings.HasSuffix(os.Args[len(os.Args)-1], "check") {
			return 5, true
		}
		fmt.Println(`{"version":"9","hand_over":1}`)
	default:
		return 0, false
	}
	return 0, true
}

// What cannot take over is refused with the reason, and nothing is changed.
func TestUpgradeRefused(t *testing.T) {
	home := newHome(t)
	c, info := ensure(t, home)
	app := start(t, c, "app", "while :; do sleep 1000; done\n")
	for name, test := range map[string]struct{ program, want string }{
		"not there":     {"/nowhere/tend", "no such file"},
		"no program":    {"/etc/passwd", "is no program"},
		"another":       {"/bin/true", "not a tend that can take over"},
		"it cannot":     {pretender(t, "cannot"), "tend 9 cannot take over: not this state"},
		"another way":   {pretender(t, "other"), "tend 9 takes over in another way (7)"},
		"it says a lot": {pretender(t, "sorry"), "exit 3"},
	} {
		err := c.Upgrade(t.Context(), test.program)
		if code := fault.CodeOf(err); code != fault.Unsupported && code != fault.Invalid || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	newer := filepath.Join(home, "state.json")
	text := read(t, newer)
	if err := os.WriteFile(newer, []byte(strings.Replace(text, `"format":1`, `"format":99`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Upgrade(t.Context(), proctest.Self()); fault.CodeOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "cannot take over") {
		t.Errorf("a state that is too new: %v", err)
	}
	if after, err := c.Ping(t.Context()); err != nil || after != info {
		t.Errorf("%+v, then %+v, %v", info, after, err)
	}
	if in := await(t, c, app.ID, func(event.Instance) bool { return true }); in.PID != app.PID {
		t.Errorf("%+v", in)
	}
}

// A program that ends before it serves is followed by the former one, and so is a
// crash long after a good upgrade, by the new one.
func TestUpgradeFails(t *testing.T) {
	home := newHome(t)
	c, info := ensure(t, home)
	url := serve(t, c, "rr", 2)
	before, _ := pidsOf(t, c)
	dies := pretender(t, "dies")
	underLoad(t, url, func() {
		next := upgrade(t, c, dies)
		if next.PID == info.PID || next.Version != info.Version {
			t.Errorf("%+v, then %+v", info, next)
		}
		// The file goes away, as when a package is replaced.
		copied := filepath.Join(t.TempDir(), "tend")
		text, err := os.ReadFile(proctest.Self())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied, text, 0o755); err != nil {
			t.Fatal(err)
		}
		info = upgrade(t, c, copied)
		if info.PID != next.PID {
			t.Errorf("%+v, then %+v", next, info)
		}
		os.Remove(copied)
		c, info = crash(t, home, info.PID)
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", info.PID))
		if err != nil || exe != copied+" (deleted)" {
			t.Errorf("the next daemon is %s, %v", exe, err)
		}
	})
	if after, restarts := pidsOf(t, c); !slices.Equal(after, before) || restarts > 0 {
		t.Errorf("processes %v, then %v; %d restarts", before, after, restarts)
	}
	if _, err := daemon.Connect(t.Context(), home); err != nil {
		t.Error(err)
	}
}
