package cli

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/pm2"
)

// PM2_CONCURRENT_ACTIONS is how many workers a reload replaces at a time.
func TestPM2ConcurrentActions(t *testing.T) {
	for value, want := range map[string]string{"": `"parallel":2`, "5": `"parallel":5`, "0": `"parallel":2`} {
		var out, asked bytes.Buffer
		home := t.TempDir()
		if err := os.Mkdir(filepath.Join(home, ".pm2"), 0o700); err != nil {
			t.Fatal(err)
		}
		stdio := IO{Out: &out, Err: &out, Env: []string{"HOME=" + home, "PM2_CONCURRENT_ACTIONS=" + value}}
		d := fakeDaemon{svc: &fakeService{snap: fakeSnapshot(), asked: &asked}}
		code := RunPM2(context.Background(), []string{"reload", "web"}, stdio, PM2{Home: pm2.HomeOf(func(string) string { return "" }, home), Daemon: d})
		if code != 0 || !strings.Contains(asked.String(), want) {
			t.Errorf("%q: exit %d: %q %q, want %s", value, code, &out, &asked, want)
		}
	}
}

// On a terminal what is looked for stands out, and the time is paler than the line.
func TestPM2LogLooks(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.Local)
	for _, tc := range []struct{ args, want string }{
		{"--highlight=wor", "\x1b[36m0|a | \x1b[0mhello \x1b[100mwor\x1b[0mld\n"},
		{"--timestamp=HH:mm", "\x1b[2m05:06 \x1b[0m\x1b[36m0|a | \x1b[0mhello world\n"},
		{"--timestamp", "\x1b[2m2026-03-04-05:06:07 \x1b[0m\x1b[36m0|a | \x1b[0mhello world\n"},
		{"--silent", "\x1b[36m0|a | \x1b[0mhello world\n"},
	} {
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		defineFlags(fs, pm2Flags())
		if err := fs.Parse([]string{tc.args}); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		c := &command{values: &values{fs: fs}, color: true}
		p := &linePrinter{c: c, out: bufio.NewWriter(&out)}
		p.format = p.prefixed
		p.pm2Looks()
		if err := p.print(event.LogLine{App: "a", Text: "hello world", Stream: "out", At: at}); err != nil || out.String() != tc.want {
			t.Errorf("%s: %v %q, want %q", tc.args, err, out.String(), tc.want)
		}
	}
}
