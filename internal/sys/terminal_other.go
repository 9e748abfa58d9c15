//go:build !linux

package sys

import "os"

// Terminal cannot tell here.
func Terminal(*os.File) (width, height int, ok bool) { return 0, 0, false }
