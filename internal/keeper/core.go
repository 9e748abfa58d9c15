package keeper

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// Lives shorter than stable count as failures in a row.
const (
	stable   = 10 * time.Second
	firstGap = 100 * time.Millisecond
	maxGap   = 10 * time.Second
)

// gap is the pause before the daemon is started again, after it has failed
// short times in a row: none the first time, then doubling.
func gap(short int) time.Duration {
	if short <= 1 {
		return 0
	}
	return min(firstGap<<min(short-2, 10), maxGap)
}

// after is how many lives in a row were short, once another has ended.
func after(short int, served, killed bool, lived time.Duration) int {
	switch {
	case served && killed:
		return 0 // somebody did that to it: it can live with its state
	case lived >= stable:
		return 1
	}
	return short + 1
}

// note is a message about an entry, and the number its descriptor has at the
// service manager.
type note struct {
	Message
	FD uint64 `json:"fd,omitempty"`
}

// whole is how much of text is whole lines.
func whole(text []byte) int { return bytes.LastIndexByte(text, '\n') + 1 }

// replay gives the entries that notes tell of, the oldest first. A line that is
// none says nothing.
func replay(text []byte) (list []note) {
	at := func(name string) int { return slices.IndexFunc(list, func(n note) bool { return n.Name == name }) }
	for line := range bytes.Lines(text) {
		var n note
		if json.Unmarshal(line, &n) != nil {
			continue
		}
		i := at(n.Name)
		switch {
		case n.Type == MsgStore && i < 0:
			list = append(list, n)
		case i < 0:
		case n.Type == MsgStore:
			if list[i].PID == n.PID {
				n.Exited, n.Status = list[i].Exited, list[i].Status
			}
			list[i] = n
		case n.Type == MsgUpdate:
			list[i].Meta = n.Meta
		case n.Type == MsgExited:
			list[i].Exited, list[i].Status = true, n.Status
		case n.Type == MsgDelete:
			list = slices.Delete(list, i, i+1)
		}
	}
	return list
}

// written are notes that tell of list and of no more.
func written(list []note) (text []byte) {
	for _, n := range list {
		if line, err := json.Marshal(n); err == nil {
			text = append(append(text, line...), '\n')
		}
	}
	return text
}
