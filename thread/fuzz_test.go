package thread_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/tendproc/tend/thread"
)

// tree is a value of every kind that a message has, as deep as the text makes it.
type tree struct {
	Any   any
	Map   map[string]*tree
	List  []tree
	Pair  [2]*tree
	Text  string
	Bytes []byte
	F     float64
	Up    *tree `json:"-"` // to the one above, which a copy has to find again
}

func (n *tree) link(up *tree) {
	n.Up = up
	for _, c := range n.below() {
		c.link(n)
	}
}

func (n *tree) below() (all []*tree) {
	for _, c := range n.Map {
		if c != nil {
			all = append(all, c)
		}
	}
	for i := range n.List {
		all = append(all, &n.List[i])
	}
	for _, c := range n.Pair {
		if c != nil {
			all = append(all, c)
		}
	}
	return all
}

// spoil changes all that can be changed.
func (n *tree) spoil() {
	for _, c := range n.below() {
		c.spoil()
	}
	clear(n.Bytes)
	switch v := n.Any.(type) {
	case map[string]any:
		clear(v)
	case []any:
		clear(v)
	}
	clear(n.Map)
	n.Text, n.F, n.Pair = "spoilt", -1, [2]*tree{}
}

// A copy is equal, and does not change when the original does; what refers to itself
// does so in the copy.
func FuzzClone(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"Any":[1,"a",{"b":null}],"Text":"x","Bytes":"AAEC"}`, `{"Map":{"a":{"List":[{},{"F":1e300}]},"b":null}}`,
		`{"Pair":[{"Text":"l"},{"Pair":[null,{}]}],"List":[]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var original, reference tree
		if json.Unmarshal(text, &original) != nil || json.Unmarshal(text, &reference) != nil {
			return
		}
		original.link(nil)
		reference.link(nil)
		to, err := thread.Clone(&original)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		original.spoil()
		if !reflect.DeepEqual(to, &reference) {
			t.Errorf("%s: the copy is another, or changed with the original", text)
		}
		for _, c := range to.below() {
			if len(to.List) == 0 && c.Up != to {
				t.Errorf("%s: the copy leads out of itself", text)
			}
		}
	})
}
