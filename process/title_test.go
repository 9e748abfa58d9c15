package process

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tendproc/tend/internal/proctest"
)

// titled gives itself each title that it reads, and says what it sees of itself.
func titled([]string) int {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := SetTitle(lines.Text()); err != nil {
			fmt.Println(err)
			return 1
		}
		title, err := Title()
		fmt.Printf("%q %v %q %v\n", title, err, os.Args[1:], PPID())
	}
	return 0
}

func TestTitle(t *testing.T) {
	cmd := proctest.Command("titled", "first", "second argument")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	dir := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
	environ := read(t, dir+"environ")
	for _, title := range []string{"short", "worker 7: waits for grüße", strings.Repeat("long ", 200), "x"} {
		fmt.Fprintln(in, title)
		line, err := lines.ReadString('\n')
		if want := fmt.Sprintf("%q <nil> [\"first\" \"second argument\"] %d\n", title, os.Getpid()); err != nil || line != want {
			t.Errorf("it says %s, %v; want %s", line, err, want)
		}
		if got := read(t, dir+"cmdline"); got != title+"\x00" {
			t.Errorf("cmdline %q, want %q", got, title)
		}
		if got := strings.TrimSuffix(read(t, dir+"comm"), "\n"); got != title[:min(len(title), 15)] {
			t.Errorf("comm %q", got)
		}
		if ps, err := exec.Command("ps", "-ww", "-o", "args=", "-p", fmt.Sprint(cmd.Process.Pid)).Output(); err != nil {
			t.Logf("no ps: %v", err)
		} else if got := strings.TrimSpace(string(ps)); len(title) < 20 && got != strings.TrimSpace(title) {
			t.Errorf("ps shows %q", got)
		}
		if read(t, dir+"environ") != environ {
			t.Error("the environment is shown differently")
		}
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestUptime(t *testing.T) {
	const tick = 10 * time.Millisecond
	first := Uptime()
	if first < 0 || first > time.Hour {
		t.Errorf("%v", first)
	}
	before := time.Now()
	for time.Since(before) < 3*tick {
	}
	if more := Uptime() - first; more < 2*tick || more > time.Since(before)+2*tick {
		t.Errorf("%v more after %v", more, time.Since(before))
	}
}

// The words are Node's own.
func TestPlatform(t *testing.T) {
	out, err := exec.Command(proctest.FirstNode(t).Path, "-p", "process.platform + ' ' + process.arch").Output()
	if got := Platform() + " " + Arch() + "\n"; err != nil || got != string(out) {
		t.Errorf("%q, Node says %q, %v", got, out, err)
	}
}

func TestTerminal(t *testing.T) {
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer ptmx.Close()
	fd := int(ptmx.Fd())
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: 123, Row: 45}); err != nil {
		t.Fatal(err)
	}
	if columns, rows, ok := Terminal(ptmx); !ok || columns != 123 || rows != 45 {
		t.Errorf("%d × %d, %v", columns, rows, ok)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if _, _, ok := Terminal(null); ok {
		t.Error("/dev/null is a terminal")
	}
}
