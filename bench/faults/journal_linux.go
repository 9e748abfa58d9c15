package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// journal follows what a daemon writes to its journal from now on.
type journal struct {
	file   *os.File
	lines  *bufio.Reader
	rest   []byte   // of a line that is not whole yet
	notify *os.File // tells of each write
	writes chan struct{}
}

// follow begins at the journal's end.
func follow(home string) (*journal, error) {
	path := filepath.Join(home, "state.journal")
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err == nil {
		_, err = unix.InotifyAddWatch(fd, path, unix.IN_MODIFY)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	j := &journal{file: f, lines: bufio.NewReader(f), notify: os.NewFile(uintptr(fd), "inotify"), writes: make(chan struct{}, 1)}
	go j.listen() // ends with close
	return j, nil
}

func (j *journal) listen() {
	buf := make([]byte, 4096)
	for {
		if _, err := j.notify.Read(buf); err != nil && !errors.Is(err, syscall.EINTR) {
			return
		}
		select {
		case j.writes <- struct{}{}:
		default:
		}
	}
}

// next waits for the next record; it is not ok if there is none when done is closed.
func (j *journal) next(done <-chan struct{}) (r record, ok bool) {
	over := false
	for {
		part, err := j.lines.ReadBytes('\n')
		j.rest = append(j.rest, part...)
		if err == nil {
			line := j.rest
			j.rest = nil
			if _, text, found := bytes.Cut(line, []byte(" ")); found && json.Unmarshal(text, &r) == nil {
				return r, true
			}
			continue
		}
		if over {
			return r, false
		}
		select {
		case <-j.writes:
		case <-done:
			over = true // what was written before is still read
		}
	}
}

func (j *journal) close() {
	j.notify.Close()
	j.file.Close()
}
