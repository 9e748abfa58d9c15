package ipc

import "errors"

var (
	ErrClosed     = errors.New("channel is closed")
	ErrWouldBlock = errors.New("channel is full") // nothing was sent
	ErrQueueFull  = errors.New("too much is queued for a peer that does not read")
	ErrProtocol   = errors.New("not a message of Node's IPC protocol")
	ErrTooLong    = errors.New("message is too long")
	ErrHandle     = errors.New("descriptor cannot be sent to a Node process") // see HandleError
)
