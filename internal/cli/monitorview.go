package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/lifecycle"
)

// painter puts text into a style.
type painter func(style, string) string

const reverse style = "7"

// How wide the list is beside the logs: there is room for a name, the status, CPU and
// memory.
const narrowest, widest = 44, 58

// view is the picture: as many lines as the screen has, each as wide as it is.
func (m *monitor) view(paint painter) []string {
	if m.width < 20 || m.height < 6 {
		return []string{shorten("the window is too small", max(1, m.width))}
	}
	lines := []string{m.head(paint)}
	l := m.layout()
	if l.narrow {
		lines = append(lines, m.processes(m.width, l.list, paint)...)
		lines = append(lines, m.log(m.width, l.logs, paint)...)
		return append(lines, m.foot(paint))
	}
	left := min(max(m.width*2/5, narrowest), widest)
	lines = append(lines, beside(m.processes(left, l.list, paint), m.log(m.width-left, l.logs, paint))...)
	if l.low > 0 {
		lines = append(lines, beside(m.metrics(left, l.low, paint), m.details(m.width-left, l.low, paint))...)
	}
	return append(lines, m.foot(paint))
}

// layout is how high the boxes are. In a narrow one the logs are below the list, and there
// is nothing else.
type layout struct {
	narrow          bool
	list, logs, low int
}

func (m *monitor) layout() layout {
	body := m.height - 2
	if m.width < 80 {
		list := min(len(m.list)+2, max(4, body/3))
		return layout{narrow: true, list: list, logs: body - list}
	}
	low := min(14, max(0, body-8))
	if low < 5 {
		low = 0
	}
	return layout{list: body - low, logs: body - low, low: low}
}

func beside(left, right []string) []string {
	lines := make([]string, len(left))
	for i := range left {
		lines[i] = left[i] + right[i]
	}
	return lines
}

// head says what this is, and how things are.
func (m *monitor) head(paint painter) string {
	running := 0
	var cpu float64
	var memory uint64
	for _, in := range m.list {
		if in.Phase == lifecycle.Running {
			running++
		}
		cpu, memory = cpu+usage(in).CPU, memory+usage(in).RSS
	}
	text := fmt.Sprintf(" %s monit   %s, %d online   cpu %s   mem %s", m.command, count(len(m.list), "process"), running, percent(cpu), size(memory))
	return paint(reverse, padded(text, m.width))
}

// foot says what can be done, or asks whether it is to be.
func (m *monitor) foot(paint painter) string {
	switch {
	case m.ask != nil:
		return paint(yellow, padded(fmt.Sprintf(" %s %s (id %d)?  y yes   any other key: no", m.ask.verb, clean(m.ask.app), m.ask.id), m.width))
	case m.note != "" && m.failed:
		return paint(red, padded(" "+clean(m.note), m.width))
	case m.note != "":
		return padded(" "+clean(m.note), m.width)
	}
	return paint(dim, padded(" ↑↓ choose   pgup pgdn logs   r restart   l reload   s stop   q quit", m.width))
}

// box frames lines, which are as wide as its inside.
func (paint painter) box(title string, w, h int, lines []string) []string {
	title = shortened(title, w-5)
	out := []string{paint(dim, "╭─ ") + paint(bold, title) + paint(dim, " "+strings.Repeat("─", max(0, w-5-width(title)))+"╮")}
	for i := range h - 2 {
		line := strings.Repeat(" ", w-4)
		if i < len(lines) {
			line = lines[i]
		}
		out = append(out, paint(dim, "│")+" "+line+" "+paint(dim, "│"))
	}
	return append(out, paint(dim, "╰"+strings.Repeat("─", w-2)+"╯"))
}

func (m *monitor) processes(w, h int, paint painter) []string {
	room, inside := h-2, w-4
	at := m.at()
	from := min(max(0, at-room/2), max(0, len(m.list)-room))
	var lines []string
	for i := from; i < len(m.list) && len(lines) < room; i++ {
		lines = append(lines, m.process(m.list[i], inside, i == at, paint))
	}
	if len(m.list) == 0 {
		lines = append(lines, paint(dim, padded("nothing runs", inside)))
	}
	return paint.box("processes", w, h, lines)
}

func (m *monitor) process(in event.Instance, w int, chosen bool, paint painter) string {
	cpu, memory := "", ""
	if in.PID > 0 {
		cpu, memory = percent(usage(in).CPU), size(usage(in).RSS)
	}
	state := 0
	for _, other := range m.list {
		state = max(state, width(status(other)))
	}
	right := []field{{status(in), min(state, 9), statusStyle(in.Phase)}, {cpu, 5, ""}, {memory, 7, ""}}
	for len(right) > 1 && w-widthOf(right) < 13 {
		right = right[:len(right)-1]
	}
	mark := " "
	if chosen {
		mark = "▸"
	}
	name := padded(fmt.Sprintf("%s%3d %s", mark, in.ID, clean(in.App)), w-widthOf(right))
	if chosen {
		name = paint(reverse, name)
	}
	for _, r := range right {
		name += " " + paint(r.shade, strings.Repeat(" ", max(0, r.width-width(r.text)))+shortened(r.text, r.width))
	}
	return name
}

// field is one of a line, at its right end.
type field struct {
	text  string
	width int
	shade style
}

func widthOf(fields []field) (n int) {
	for _, f := range fields {
		n += f.width + 1
	}
	return n
}

func (m *monitor) log(w, h int, paint painter) []string {
	room, inside := h-2, w-4
	all := m.lines[m.chosen]
	end := max(0, len(all)-m.back)
	var lines []string
	for _, l := range all[max(0, end-room):end] {
		text := padded(clean(l.Text), inside)
		if l.Stream == "err" {
			text = paint(red, text)
		}
		lines = append(lines, text)
	}
	title := "logs"
	if at := m.at(); at >= 0 {
		title = "logs of " + clean(m.list[at].App) + " " + strconv.Itoa(m.chosen)
	}
	if m.back > 0 {
		title += fmt.Sprintf(", %d further down", m.back)
	}
	return paint.box(title, w, h, lines)
}

func (m *monitor) metrics(w, h int, paint painter) []string {
	var lines []string
	if at := m.at(); at >= 0 && m.list[at].Said != nil {
		for _, one := range metricList(m.list[at].Said.Monitor) {
			text := shortened(clean(one.text), max(1, w-4))
			lines = append(lines, padded(clean(one.name), max(0, w-4-width(text)))+text)
		}
	}
	return paint.box("metrics", w, h, lines)
}

func (m *monitor) details(w, h int, paint painter) []string {
	var lines []string
	if at := m.at(); at >= 0 {
		in := m.list[at]
		for _, f := range m.facts(in) {
			if f.value != "" {
				lines = append(lines, paint(dim, padded(f.key, 11))+padded(clean(f.value), max(0, w-15)))
			}
		}
	}
	return paint.box("details", w, h, lines)
}

func (m *monitor) facts(in event.Instance) []fact {
	pid, uptime, end := "", "", ""
	if in.PID > 0 {
		pid, uptime = strconv.Itoa(in.PID), m.since(in.StartedAt)
	}
	if e := in.LastExit; e != nil {
		end = howEnded(e) + ", " + m.since(e.At) + " ago"
	}
	return []fact{
		{"status", status(in)},
		{"reason", in.Reason},
		{"pid", pid},
		{"uptime", uptime},
		{"restarts", strconv.Itoa(in.Restarts)},
		{"last end", end},
		{"mode", string(in.Mode)},
		{"namespace", in.Namespace},
		{"version", in.Version},
		{"module", in.Module},
		{"output log", in.OutFile},
		{"error log", in.ErrorFile},
	}
}

// shortened is text in at most w columns, padded in exactly so many.
func shortened(text string, w int) string {
	if w <= 0 {
		return ""
	}
	if width(text) > w {
		return shorten(text, w)
	}
	return text
}

func padded(text string, w int) string {
	text = shortened(text, w)
	return text + strings.Repeat(" ", max(0, w-width(text)))
}
