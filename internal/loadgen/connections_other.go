//go:build !linux

package loadgen

import (
	"context"
	"errors"
)

// Connections needs epoll(7).
func Connections(context.Context, Options) (Result, error) {
	return Result{}, errors.New("loadgen: Connections is for Linux")
}
