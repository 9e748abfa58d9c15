package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tendproc/tend/child"
)

const (
	probePause   = 200 * time.Millisecond // between two tries
	probeTimeout = 5 * time.Second        // of one try
)

// probe asks until the process is ready or has ended. That is no poll of what is
// at rest: it ends with the start.
func (l *life) probe(ended <-chan struct{}) {
	ctx, cancel := context.WithCancel(lifetime(l.r.cut))
	defer cancel()
	go func() { // ends with the probe
		select {
		case <-ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	last := ""
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		err := l.probeOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			l.becameReady()
			return
		}
		if text := err.Error(); text != last {
			last = text
			l.report(ProbeFailed{Err: err})
		}
		pause.Reset(probePause)
	}
}

func (l *life) probeOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	app := l.spawn.App
	if command, ok := strings.CutPrefix(app.Probe, "exec:"); ok {
		cred, who, err := identity(app)
		if err != nil {
			return err
		}
		return probeExec(ctx, command, child.ExecOptions{Dir: app.Cwd, Env: l.environment(who), Credential: cred})
	}
	u, err := url.Parse(app.Probe)
	if err != nil {
		return err
	}
	if u.Scheme == "tcp" {
		return probeTCP(ctx, u.Host)
	}
	return probeHTTP(ctx, app.Probe)
}

func probeExec(ctx context.Context, command string, o child.ExecOptions) error {
	out, err := child.Exec(ctx, command, o)
	if exit, ok := errors.AsType[*child.ExitError](err); ok {
		text := bytes.TrimSpace(append(out.Stdout, out.Stderr...))
		return fmt.Errorf("%s: %s", exit.Exit.String(), text[:min(200, len(text))])
	}
	return err
}

func probeTCP(ctx context.Context, address string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// probeHTTP is well with any answer from 200 to 399.
func probeHTTP(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Close = true
	t := &http.Transport{DisableKeepAlives: true}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 399 {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}
