package interop

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/ipc"
)

var update = flag.Bool("update", false, "write docs/interop.md")

// columns are the runtimes.
var columns = []string{"Go", "Node 18", "Node 20", "Node 22", "Node 24", "Node 26", "Bun"}

// A cell is one thing between Go and one runtime.
type cell struct{ part, row, column string }

// The parts of the matrix.
const (
	below   = "Go is the parent of"
	above   = "Go is the child of"
	to      = "from Go to"
	from    = "to Go from"
	primary = "a Go primary's workers"
	workers = "the primary of Go workers"
)

// limit is what does not work, and why.
type limit struct {
	why   string
	cells []cell
}

// in is the cell in each of the columns.
func in(part, row string, columns ...string) (cells []cell) {
	for _, c := range columns {
		cells = append(cells, cell{part, row, c})
	}
	return cells
}

var limits = []limit{
	{
		"Bun's `advanced` is a format of its own (JavaScriptCore's), which no other runtime reads.",
		append(in(below, "advanced", "Bun"), in(above, "advanced", "Bun")...),
	},
	{
		"`net.BoundSocket` came with Node 26. Earlier ones, and Bun, end of one that comes, so it is sent only to who is said to know it (`ipc.ConnOptions.Node`).",
		in(to, "net.BoundSocket, tcp4", "Node 18", "Node 20", "Node 22", "Node 24", "Bun"),
	},
	{
		"Bun ends of a raw TCP socket that comes. It is refused to a peer that has shown itself as a Bun.",
		in(to, "net.Native, tcp4", "Bun"),
	},
	{
		"Bun sends no raw sockets.",
		append(in(from, "net.Native, tcp4", "Bun"), in(from, "dgram.Native, udp4", "Bun")...),
	},
	{
		"Bun's primary speaks a dialect: its internal messages begin with a byte 2, of which a Node would end, and a worker that says nothing of the kind is not heard. (A Bun worker says it first, so a Go primary can answer in kind. Bun's `http` does not ask its primary at all: each worker binds the port.)",
		append(in(workers, roundRobin, "Bun"), in(workers, shared, "Bun")...),
	},
	{
		"There is no `net.BoundSocket` to send.",
		in(from, "net.BoundSocket, tcp4", "Node 18", "Node 20", "Node 22", "Node 24", "Bun"),
	},
}

// limited tells why a cell does not work; number is that of the note.
func limited(c cell) (why string, number int) {
	for i, l := range limits {
		if slices.Contains(l.cells, c) {
			return l.why, i + 1
		}
	}
	return "", 0
}

// check compares what became of a cell with what is known.
func check(t *testing.T, c cell, failure string) {
	t.Helper()
	why, _ := limited(c)
	switch {
	case why == "" && failure != "":
		t.Errorf("%s %s, %s: %s", c.part, c.column, c.row, failure)
	case why != "" && failure == "":
		t.Errorf("%s %s, %s: works now, though %s", c.part, c.column, c.row, why)
	case why != "":
		t.Logf("%s %s, %s: as known: %s", c.part, c.column, c.row, failure)
	}
}

// runtime is one to try, with its program.
type runtime struct{ column, program string }

// runtimes are Go and all that are at hand.
func runtimes(t *testing.T) []runtime {
	all := []runtime{{"Go", ""}}
	for _, n := range proctest.Nodes(t) {
		if column := "Node " + n.Major(); slices.Contains(columns, column) {
			all = append(all, runtime{column, n.Path})
		}
	}
	if bun, ok := proctest.FindBun(); ok {
		all = append(all, runtime{"Bun", bun})
	}
	return all
}

func TestDocument(t *testing.T) {
	const path = "../../docs/interop.md"
	want := document()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the tests know (%v); to write it anew: go test ./internal/interop -update", path, err)
	}
}

// document is docs/interop.md.
func document() []byte {
	var b bytes.Buffer
	b.WriteString(`# What works with which runtime

Written by the tests of ` + "`internal/interop`" + `, which try each cell between real processes. ` + "`yes`" + ` was tried and works; a
number is a note that says why not, and that was tried too: a runtime that learns it fails the test.

## Messages

JSON is what Node uses by default; ` + "`advanced`" + ` is its structured clone.
`)
	serializations := []string{ipc.JSON.String(), ipc.Advanced.String()}
	table(&b, below, serializations)
	table(&b, above, serializations)
	b.WriteString(`
## Sockets that travel with a message

With the Go end as parent and as child, in both serializations. The first word is what the receiving program gets.
`)
	var rows []string
	for _, k := range kinds {
		rows = append(rows, k.String())
	}
	table(&b, to, rows)
	table(&b, from, rows)
	b.WriteString(`
## Clusters

Two workers share a port, and both answer; then they are told to go, and end with exit code 0.
`)
	table(&b, primary, clusterRows)
	table(&b, workers, clusterRows)
	b.WriteString("\n## Notes\n\n")
	for i, l := range limits {
		fmt.Fprintf(&b, "%d. %s\n", i+1, l.why)
	}
	return b.Bytes()
}

func table(b *bytes.Buffer, part string, rows []string) {
	fmt.Fprintf(b, "\n| %s … | %s |\n|---|%s\n", part, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |", row)
		for _, column := range columns {
			if _, n := limited(cell{part, row, column}); n > 0 {
				fmt.Fprintf(b, " %d |", n)
			} else {
				b.WriteString(" yes |")
			}
		}
		b.WriteString("\n")
	}
}
