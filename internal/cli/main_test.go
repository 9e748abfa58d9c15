package cli

import (
	"testing"

	"github.com/tendproc/tend/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m) }
