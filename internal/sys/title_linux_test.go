package sys

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Where the kernel keeps no other place for the arguments, they are overwritten; what
// os.Args holds stays.
func TestOverwriteArguments(t *testing.T) {
	const role = "TEND_TEST_OVERWRITE"
	if os.Getenv(role) != "" {
		l, err := ownLayout()
		if err == nil {
			err = l.overwriteArguments("a title " + strings.Repeat("z", 1000))
		}
		shown, _ := os.ReadFile("/proc/self/cmdline")
		fmt.Printf("%v\n%q\n%q\n", err, os.Args[1:], strings.TrimRight(string(shown), "z\x00"))
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestOverwriteArguments$", "more")
	cmd.Env = append(os.Environ(), role+"=1")
	out, err := cmd.CombinedOutput()
	if want := "<nil>\n[\"-test.run=^TestOverwriteArguments$\" \"more\"]\n\"a title \"\n"; err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("%s%v; want %s", out, err, want)
	}
}
