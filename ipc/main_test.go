package ipc

import (
	"testing"

	"github.com/tendproc/tend/internal/proctest"
)

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Role{Name: "killed reader", Run: killedReader})
}
