package state_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/state"
)

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Role{Name: "count", Run: count})
}

// count puts numbers into the folder args[0], and says each once it is put. It
// never ends by itself.
func count(args []string) int {
	s, err := state.Open(args[0], state.Options{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	n := 0
	if v, ok := s.Found()["n"]; ok {
		n, _ = strconv.Atoi(string(v))
	}
	for {
		n++
		s.Put("n", strconv.AppendInt(nil, int64(n), 10))
		s.Put("filler/"+strconv.Itoa(n%50), fmt.Appendf(nil, "%q", make([]byte, 3000)))
		if _, err := fmt.Fprintln(os.Stdout, n); err != nil {
			return 1
		}
	}
}
