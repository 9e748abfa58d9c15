package logs

import (
	"bytes"
	"os"
	"strings"
	"sync"
)

// tailSize is how many bytes of its last output are remembered of a process.
const tailSize = 4 << 10

// Tail remembers the last lines of one generation, of both its streams in the
// order in which they came. It may be used from any goroutine. The zero Tail
// is ready.
type Tail struct {
	mu   sync.Mutex // guards all below
	text []byte     // up to 2*tailSize: cut down to tailSize in one move
	cut  bool       // text begins within a line
	last *Pipe      // wrote the end of text
	raw  []rawTail  // files that the process writes to itself
}

type rawTail struct {
	path string
	from int64
}

func (t *Tail) follow(path string, from int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.raw {
		if r.path == path {
			return
		}
	}
	t.raw = append(t.raw, rawTail{path, from})
}

func (t *Tail) add(p *Pipe, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last != p && len(t.text) > 0 && t.text[len(t.text)-1] != '\n' {
		t.text = append(t.text, '\n')
	}
	t.last = p
	if len(data) > tailSize {
		t.text, t.cut = t.text[:0], true
		data = data[len(data)-tailSize:]
	}
	if len(t.text)+len(data) > 2*tailSize {
		t.cut = true
		n := copy(t.text, t.text[len(t.text)-tailSize:])
		t.text = t.text[:n]
	}
	t.text = append(t.text, data...)
}

// Lines returns the last n lines known, oldest first.
func (t *Tail) Lines(n int) []string {
	t.mu.Lock()
	text, cut := bytes.Clone(t.text), t.cut
	raw := t.raw
	t.mu.Unlock()
	for _, r := range raw {
		text = append(text, r.read()...)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(text) == 0 || n <= 0 {
		return nil
	}
	if cut && len(lines) > 1 {
		lines = lines[1:]
	}
	lines = lines[max(0, len(lines)-n):]
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return lines
}

func (r rawTail) read() []byte {
	f, err := os.Open(r.path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() <= r.from {
		return nil
	}
	from := max(r.from, info.Size()-tailSize)
	buf := make([]byte, info.Size()-from)
	n, _ := f.ReadAt(buf, from)
	return buf[:n]
}
