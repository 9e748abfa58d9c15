package supervisor

import (
	"maps"
	"reflect"
	"testing"

	"github.com/tendproc/tend/internal/spec"
)

// Apps of one shell have one map, and no app another one's variables.
func TestEnvironmentIsCommon(t *testing.T) {
	l := &loop{slots: map[int]*slot{}}
	for i, test := range []struct {
		env    map[string]string
		shared bool
	}{
		{map[string]string{"A": "1", "B": "2"}, false},
		{map[string]string{"A": "1", "B": "2"}, true},
		{map[string]string{"A": "1", "B": "3"}, false},
		{map[string]string{"A": "1"}, false},
		{map[string]string{"A": "1"}, true},
	} {
		got := l.common(test.env)
		if shared := reflect.ValueOf(got).Pointer() != reflect.ValueOf(test.env).Pointer(); shared != test.shared || !maps.Equal(got, test.env) {
			t.Errorf("%d: %v is %v, shared %v", i, test.env, got, shared)
		}
		l.slots[i] = &slot{id: i, spec: spec.App{Env: got}}
		l.order = append(l.order, i)
	}
}
