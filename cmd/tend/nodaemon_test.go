package main

import (
	"syscall"
	"testing"
)

// start --no-daemon guards in the foreground, as long as it is let.
func TestStartWithoutADaemon(t *testing.T) {
	const app = "trap 'echo asked; exit 0' INT TERM; echo serving; while :; do sleep 0.05; done"
	f := front(t, build(t), map[string]string{"app.sh": app}, "pm2", "start", "app.sh", "--no-daemon").start()
	f.says("serving").signal(syscall.SIGINT).says("asked").ends(0)
}
