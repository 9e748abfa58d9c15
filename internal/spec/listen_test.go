package spec

import (
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/fault"
)

func TestListenAddress(t *testing.T) {
	for word, want := range map[string]string{
		"3000": "[::]:3000", ":3000": "[::]:3000", "*:80": "[::]:80", "127.0.0.1:3000": "127.0.0.1:3000", "[::1]:3000": "[::1]:3000",
		"localhost:1": "127.0.0.1:1", "unix:/run/a": "unix:/run/a", "/run/../run/a": "unix:/run/a", "0.0.0.0:80": "0.0.0.0:80",
		"0": "", "65536": "", "-1": "", "a:1": "", "": "", "unix:a": "", "1.2.3.4": "", "[fe80::1%eth0]:1": "", "/" + strings.Repeat("a", 107): "",
	} {
		got, err := listenAddress(word)
		if got != want || (want == "") != (fault.CodeOf(err) == fault.Invalid) {
			t.Errorf("%q: %q, %v", word, got, err)
		}
	}
}

func TestCheckProbe(t *testing.T) {
	for probe, ok := range map[string]bool{
		"": true, "http://127.0.0.1:80/x": true, "https://h/": true, "tcp://h:1": true, "exec:true": true,
		"tcp://h": false, "ftp://h/": false, "h:80": false, "exec:": false, "http://": false, "/x": false,
	} {
		if err := checkProbe(probe); (err == nil) != ok {
			t.Errorf("%q: %v", probe, err)
		}
	}
}

func TestWhatIsForForkMode(t *testing.T) {
	for field, a := range map[string]App{
		"--listen": {Mode: Cluster, Listen: []string{"[::]:1"}}, "--overlap": {Mode: Cluster, Overlap: true},
	} {
		err := a.checkFork()
		if f, ok := err.(*fault.Error); !ok || f.Field != field || f.Remedy == "" {
			t.Errorf("%s: %v", field, err)
		}
		a.Mode = Fork
		if err := a.checkFork(); err != nil {
			t.Errorf("%s: %v", field, err)
		}
	}
}
