package pm2_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/proctest"
)

// What Inspect prints is what Node prints, value by value.
func TestInspectAsNode(t *testing.T) {
	node := proctest.FirstNode(t).Path
	r := rand.New(rand.NewPCG(1, 2))
	values := []any{}
	for range 3000 {
		values = append(values, random(r, 0))
	}
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	const program = `const list = JSON.parse(require('fs').readFileSync(0, 'utf8'))
console.log(JSON.stringify(list.map(v => require('util').inspect(v, { depth: null, colors: false }))))`
	cmd := exec.Command(node, "-e", program)
	cmd.Stdin = strings.NewReader(string(text))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i, v := range values {
		if got := pm2.Inspect(v); got != want[i] && wrong < 5 {
			wrong++
			t.Errorf("got:\n%s\nwant:\n%s", got, want[i])
		}
	}
}

var words = []string{
	"", "a", "node_args", "'", `"`, "it's", `"it's"`, "`'\"", "${'\"}", "line\nline\n", "\x1b[1m\x7f\t\\", "é😀", "km:heapdump",
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "2a", strings.Repeat("x", 70), strings.Repeat("long\n", 20),
}

func random(r *rand.Rand, depth int) any {
	kind := r.IntN(8)
	if depth > 4 {
		kind = r.IntN(5)
	}
	switch kind {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return r.IntN(2000) - 100
	case 3, 4:
		return words[r.IntN(len(words))]
	case 5:
		list := []any{}
		same := r.IntN(4)
		for range r.IntN(1 + 30/(1+3*depth)) {
			switch same {
			case 0:
				list = append(list, r.IntN(1000))
			case 1:
				list = append(list, fmt.Sprint("w", r.IntN(100000)))
			default:
				list = append(list, random(r, depth+1))
			}
		}
		if depth == 0 && r.IntN(10) == 0 {
			for range 110 {
				list = append(list, r.IntN(100))
			}
		}
		return list
	}
	o := &pm2.Object{}
	for range r.IntN(6) {
		key := words[r.IntN(len(words))]
		if key == "" || key[0] >= '0' && key[0] <= '9' {
			key = fmt.Sprint("key", r.IntN(100))
		}
		o.Set(key, random(r, depth+1))
	}
	return o
}
