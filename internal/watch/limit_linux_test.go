package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/proctest"
)

func init() { roles = append(roles, proctest.Role{Name: "limited", Run: limited}) }

// The limits of the system are named, with what to do. They are lowered in a user
// namespace of the test's own.
func TestLimit(t *testing.T) {
	cmd := proctest.Command("limited", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.Output()
	if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
		t.Skip("no user namespaces here:", err)
	}
	for _, want := range []string{
		"cannot watch", "all watches that the system allows are in use (fs.inotify.max_user_watches", "sysctl fs.inotify.max_user_watches=",
		"still told of: a.js",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}

// limited watches more folders than it may.
func limited(args []string) int {
	if err := os.WriteFile("/proc/sys/user/max_inotify_watches", []byte("3"), 0); err != nil {
		fmt.Println("skip:", err)
		return 1
	}
	dir := args[0]
	for i := range 5 {
		if err := os.Mkdir(fmt.Sprintf("%s/d%d", dir, i), 0o755); err != nil {
			fmt.Println(err)
		}
	}
	reports := make(chan Report, 9)
	w := New(func(_ Key, r Report) { reports <- r })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = w.Run(ctx) }()
	w.Watch(Request{Key: Key{1, 1}, Cwd: dir})
	if r, ok := (<-reports).(Began); ok && r.Err != nil {
		f, _ := r.Err.(*fault.Error)
		fmt.Println(f.Field, f.Error(), f.Remedy)
	}
	_ = os.WriteFile(dir+"/a.js", nil, 0o644)
	if r, ok := (<-reports).(Changed); ok {
		fmt.Println("still told of:", filepath.Base(r.Paths[0]))
	}
	return 0
}
