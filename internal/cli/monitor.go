package cli

import (
	"slices"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/event"
)

// monitorLines is how many lines of each process are kept.
const monitorLines = 1000

// monitor is what the screen of monit shows. It is one goroutine's; nothing here reads a
// clock or writes anything.
type monitor struct {
	command string // what it was called by
	snap    event.Snapshot
	list    []event.Instance // in the order shown
	chosen  int              // id
	lines   map[int][]event.LogLine
	back    int          // how many lines above the end the logs are read
	ask     *monitorWish // that waits for a yes
	note    string       // what came of the last wish
	failed  bool         // it was nothing good
	width   int
	height  int
}

// monitorWish is something to be done with an app.
type monitorWish struct {
	verb string // "restart", "reload", "stop"
	app  string
	id   int
}

// take makes the snapshot what is shown. The process that was chosen stays so.
func (m *monitor) take(snap event.Snapshot) {
	m.snap = snap
	apps, modules := modulesOf(snap.Instances)
	m.list = append(apps, modules...)
	at := m.at()
	if at < 0 && len(m.list) > 0 {
		m.choose(m.list[0].ID)
	}
	for id := range m.lines {
		if !slices.ContainsFunc(m.list, func(in event.Instance) bool { return in.ID == id }) {
			delete(m.lines, id)
		}
	}
}

// hear keeps a line of a log. Who reads back stays at the line they read.
func (m *monitor) hear(line event.LogLine) {
	if m.lines == nil {
		m.lines = map[int][]event.LogLine{}
	}
	list := append(m.lines[line.ID], line)
	if len(list) > monitorLines {
		list = slices.Delete(list, 0, len(list)-monitorLines)
	}
	m.lines[line.ID] = list
	if line.ID == m.chosen && m.back > 0 {
		m.scroll(1)
	}
}

// at is where in the list the chosen one is, -1 for nowhere.
func (m *monitor) at() int {
	return slices.IndexFunc(m.list, func(in event.Instance) bool { return in.ID == m.chosen })
}

func (m *monitor) choose(id int) { m.chosen, m.back = id, 0 }

func (m *monitor) move(by int) {
	if len(m.list) > 0 {
		m.choose(m.list[min(max(0, m.at()+by), len(m.list)-1)].ID)
	}
}

func (m *monitor) scroll(by int) {
	m.back = min(max(0, m.back+by), max(0, len(m.lines[m.chosen])-m.page()))
}

// page is how many lines of a log there is room for.
func (m *monitor) page() int { return max(1, m.layout().logs-2) }

// key takes what was typed: a letter, or the name of a key. It returns what is to be
// done, nil for nothing, and whether that was the end.
func (m *monitor) key(key string) (wish *monitorWish, quit bool) {
	if m.ask != nil {
		wish, m.ask = m.ask, nil
		if key == "y" || key == "Y" || key == "enter" {
			m.note, m.failed = wish.verb+" "+wish.app+" …", false
			return wish, false
		}
		return nil, false
	}
	m.note = ""
	switch key {
	case "q", "esc", "ctrl-c":
		return nil, true
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "home", "g":
		m.move(-len(m.list))
	case "end", "G":
		m.move(len(m.list))
	case "pgup", "b":
		m.scroll(max(1, m.page()-1))
	case "pgdn", "f":
		m.scroll(-max(1, m.page()-1))
	case "r":
		m.wish("restart")
	case "l":
		m.wish("reload")
	case "s":
		m.wish("stop")
	}
	return nil, false
}

func (m *monitor) wish(verb string) {
	if at := m.at(); at >= 0 {
		m.ask = &monitorWish{verb: verb, app: m.list[at].App, id: m.list[at].ID}
	}
}

// done is what came of the last wish.
func (m *monitor) done(err error) {
	if m.note, m.failed = strings.TrimSuffix(m.note, " …")+": done", err != nil; err != nil {
		m.note = err.Error()
	}
}

// keys parts what a terminal sends into keys. What is cut off at the end of typed is
// given back; alone, an escape is the key.
func monitorKeys(typed string) (keys []string, rest string) {
	for typed != "" {
		if typed[0] != 0x1b {
			key := typed[:1]
			switch typed[0] {
			case 3:
				key = "ctrl-c"
			case '\r', '\n':
				key = "enter"
			}
			keys, typed = append(keys, key), typed[1:]
			continue
		}
		end := 1
		if len(typed) > 1 && (typed[1] == '[' || typed[1] == 'O') {
			for end = 2; end < len(typed) && (typed[end] < 0x40 || typed[end] > 0x7e); end++ {
			}
			if end == len(typed) {
				return keys, typed
			}
			end++
		}
		if name := monitorSequences[typed[1:end]]; name != "" {
			keys = append(keys, name)
		}
		typed = typed[end:]
	}
	return keys, ""
}

// monitorSequences are the keys that send more than a letter, without their escape.
var monitorSequences = map[string]string{
	"": "esc", "[A": "up", "OA": "up", "[B": "down", "OB": "down",
	"[H": "home", "OH": "home", "[1~": "home", "[F": "end", "OF": "end", "[4~": "end", "[5~": "pgup", "[6~": "pgdn",
}

// since is how long ago something of the snapshot was.
func (m *monitor) since(at time.Time) string { return age(m.snap.At.Sub(at)) }
