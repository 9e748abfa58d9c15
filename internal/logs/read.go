package logs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/sys"
)

const (
	maxLine   = 1 << 20  // a longer line is cut here when read back
	scanBlock = 64 << 10 // how much of a file is read at a time
	maxScan   = 64 << 20 // how far back from its end a file is looked at
)

// Request selects what [Store.Read] gives.
type Request struct {
	Targets []Target // whose files are read back, each file once, in this order
	Lines   int      // how many of the last lines of each file; 0 none
	Follow  bool     // then each new line, until ctx ends

	// Match tells which streams are followed, also those opened later; nil
	// means those of Targets. It must not call the store.
	Match func(Target) bool
}

// Read calls fn with the last lines of the files, oldest first per file, and
// with Follow then with each new line: none is missed between, none comes
// twice. It returns the error of fn, or the context's when that ends a follow.
// A file that is not there has no lines. Raw logs cannot be followed. A follower that is too slow gets
// a line with ID -1 in place of those it missed.
func (s *Store) Read(ctx context.Context, req Request, fn func(event.LogLine) error) error {
	if !req.Follow {
		return s.readBack(ctx, req, nil, fn)
	}
	if err := s.refuseRaw(req.Targets, fn); err != nil {
		return err
	}
	fo, sizes := s.follow(req.matcher())
	defer s.unfollow(fo)
	if err := s.readBack(ctx, req, sizes, fn); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-fo.wake:
		}
		for _, line := range fo.take() {
			if err := fn(line); err != nil {
				return err
			}
		}
	}
}

// refuseRaw fails if there is nothing but raw logs to follow. Among others, a
// line in their name says that they are not.
func (s *Store) refuseRaw(targets []Target, fn func(event.LogLine) error) error {
	raw := 0
	for _, t := range targets {
		if t.Raw {
			raw++
		}
	}
	for _, t := range targets {
		remedy := "follow the file itself: tail -F " + s.path(t)
		switch {
		case !t.Raw:
		case raw == len(targets):
			return &fault.Error{
				Code: fault.Unsupported, Op: "follow " + t.App,
				Message: "its log mode is raw: the lines do not pass through tend", Remedy: remedy,
			}
		default:
			line := event.LogLine{ID: t.ID, App: t.App, Stream: t.Name, Text: "tend: raw log, not followed here; " + remedy}
			if err := fn(line); err != nil {
				return err
			}
		}
	}
	return nil
}

func (req Request) matcher() func(Target) bool {
	if req.Match != nil {
		return req.Match
	}
	keys := make(map[streamKey]bool)
	for _, t := range req.Targets {
		keys[streamKey{t.ID, t.Name}] = true
	}
	return func(t Target) bool { return keys[streamKey{t.ID, t.Name}] }
}

// readBack reads the end of each file, up to its size where that is given.
func (s *Store) readBack(ctx context.Context, req Request, sizes map[string]int64, fn func(event.LogLine) error) error {
	if req.Lines <= 0 {
		return nil
	}
	done := make(map[string]bool)
	for _, t := range req.Targets {
		path := s.path(t)
		if done[path] || path == Null {
			continue
		}
		done[path] = true
		end, bounded := sizes[path]
		if !bounded {
			end = -1
		}
		line := event.LogLine{ID: t.ID, App: t.App, Stream: t.Name}
		err := readTail(path, end, req.Lines, func(text []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			line.Text = string(text)
			return fn(line)
		})
		if err != nil {
			return err
		}
		if line.Text = s.loss(path); line.Text != "" {
			if err := fn(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// loss is what stands at the end of a file that cannot be written now.
func (s *Store) loss(path string) string {
	s.mu.Lock()
	f := s.files[path]
	s.mu.Unlock()
	if f == nil {
		return ""
	}
	return f.loss()
}

// readTail calls fn with the last n lines of the first end bytes of the file,
// of all of it if end is negative. The text is valid during the call.
func readTail(path string, end int64, n int, fn func([]byte) error) error {
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDONLY|sys.OpenNonblock, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &fault.Error{Code: fault.Denied, Op: "read log", Message: "cannot read " + path, Err: err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if end < 0 || end > info.Size() {
		end = info.Size()
	}
	start, err := tailStart(f, end, n)
	if err != nil {
		return err
	}
	return eachLine(io.NewSectionReader(f, start, end-start), fn)
}

// tailStart finds where the last n lines before end begin, reading backwards.
func tailStart(f io.ReaderAt, end int64, n int) (int64, error) {
	buf := make([]byte, min(scanBlock, end))
	seen := 0
	limit := max(0, end-maxScan)
	for at := end; at > limit; {
		size := min(int64(len(buf)), at-limit)
		got, err := f.ReadAt(buf[:size], at-size)
		if err != nil && !(errors.Is(err, io.EOF) && got > 0) {
			if errors.Is(err, io.EOF) {
				return end, nil // truncated meanwhile
			}
			return 0, err
		}
		block := buf[:got]
		for i := bytes.LastIndexByte(block, '\n'); i >= 0; i = bytes.LastIndexByte(block[:i], '\n') {
			offset := at - size + int64(i)
			if offset == end-1 {
				continue // ends the last line
			}
			if seen++; seen == n {
				return offset + 1, nil
			}
		}
		at -= size
	}
	return limit, nil
}

// eachLine calls fn with each line of r, without its newline, cut at maxLine.
func eachLine(r io.Reader, fn func([]byte) error) error {
	in := bufio.NewReaderSize(r, scanBlock)
	var long []byte // a line longer than in's buffer
	for {
		piece, err := in.ReadSlice('\n')
		whole := err == nil
		if whole {
			piece = piece[:len(piece)-1]
		}
		if errors.Is(err, bufio.ErrBufferFull) || len(long) > 0 {
			long = append(long, piece[:min(len(piece), maxLine-len(long))]...)
			piece = long
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case whole || len(piece) > 0:
			if err := fn(piece); err != nil {
				return err
			}
			long = long[:0]
		}
		if !whole {
			return nil
		}
	}
}
