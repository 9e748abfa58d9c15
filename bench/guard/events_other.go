//go:build !linux

package main

import (
	"errors"
	"time"
)

type event struct {
	exec bool
	pid  int
	at   time.Duration
}

type watcher struct{}

func newWatcher() (*watcher, error) { return nil, errors.ErrUnsupported }

func (*watcher) next() (event, error) { return event{}, errors.ErrUnsupported }

func (*watcher) close() {}
