package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// orphans leaves some, and waits until process 1 has no child but this one.
const orphans = `
for i in 1 2 3 4 5 6 7 8; do (sh -c 'exit 0' &) ; (setsid sh -c 'sleep 0.1' &) ; done
[ $$ != 1 ] && [ "$(cat /proc/1/comm)" = tend ] && echo guarded by process 1
env -u TEND_HOME tend show app | grep -q '^ *pid *'$$'$' && echo reached by the usual home
while :; do
  others=0
  for f in /proc/[0-9]*/stat; do
    read -r pid comm state parent rest 2>/dev/null < $f || continue
    [ "$parent" = 1 ] && [ $pid != $$ ] && others=1
  done
  [ $others = 0 ] && break
  sleep 0.02
done
exit 6
`

func TestRunAsInit(t *testing.T) {
	bin := build(t)
	const proc = "mount -t proc proc /proc && exec tend run app.sh --no-autorestart"
	f := inNamespaces(t, front(t, bin, map[string]string{"app.sh": orphans}, ""), proc)
	f.ends(6)
	if out := f.out.String(); !strings.Contains(out, "guarded by process 1\nreached by the usual home\n") {
		t.Errorf("it said:\n%s%s", f.out.String(), f.err.String())
	}
}

func TestRunWhereNothingCanBeWritten(t *testing.T) {
	const readOnly = "mount -t proc proc /proc && for d in \"$TMPDIR\" /dev/shm /run; do mount -t tmpfs -o ro none $d || exit 99; done; cd / && exec tend run --no-autorestart sh -- -c 'echo home: $TEND_HOME.; exit 6'"
	f := inNamespaces(t, front(t, build(t), nil, ""), readOnly)
	f.ends(6)
	if out, want := f.out.String(), "home: .\n"; out != want || !strings.Contains(f.err.String(), "no folder can be written") {
		t.Errorf("it said:\n%s%s", out, f.err.String())
	}
}

// reuse waits for the end of a process that the guard had before, and leaves another
// one of its number.
const reuse = `
pid=$(cat former)
while [ -d /proc/$pid ]; do sleep 0.02; done
until [ "$got" = "$pid" ]; do
  echo $((pid - 1)) > /proc/sys/kernel/ns_last_pid || { echo no choice; exit 6; }
  env -i setsid sleep 1000 > /dev/null 2>&1 &
  got=$!
  [ $got = $pid ] || kill $got
done
until read -r name < /proc/$pid/comm && [ "$name" = sleep ]; do sleep 0.02; done # out of the app's session
exit 6
`

// A process that the guard had before it was one is not its to end; one that has got
// the number of such a process since then is.
func TestRunKnowsWhatItHadBefore(t *testing.T) {
	const script = "mount -t proc proc /proc && { sleep 0.3 & echo $! > former; sleep 1000 & exec tend run app.sh --no-autorestart; }"
	f := inNamespaces(t, front(t, build(t), map[string]string{"app.sh": reuse}, ""), script)
	f.ends(6)
	if strings.Contains(f.out.String(), "no choice") {
		t.Skip("numbers of processes cannot be chosen here")
	}
	if !strings.Contains(f.err.String(), "ended 1 processes that were left behind") {
		t.Errorf("it said:\n%s%s", f.out.String(), f.err.String())
	}
}

// inNamespaces starts script as process 1 of namespaces of its own. It skips where the
// kernel lets nobody do so.
func inNamespaces(t *testing.T, f *foreground, script string) *foreground {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	f.cmd.Path, f.cmd.Args = sh, []string{"sh", "-c", script}
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		f.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		f.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		f.cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	switch err := f.cmd.Start(); {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOSPC): // clone(2): not allowed, or their limit is reached
		t.Skipf("no namespaces here: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	return f
}
