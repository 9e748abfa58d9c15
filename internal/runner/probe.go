package runner

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/spec"
)

const (
	probePause   = 200 * time.Millisecond // between two tries
	probeTimeout = 5 * time.Second        // of one try
)

// Probes says that each process of the app answers its probe for itself: a worker is
// reached by its channel, and a command has the environment of the process. Who
// connects to a socket that processes of other kinds share is served by any.
func Probes(a spec.App) bool {
	return strings.HasPrefix(a.Probe, execProbe) || a.Probe != "" && a.Mode == spec.Cluster && a.Runtime != spec.Bun
}

const execProbe = "exec:"

// servesFirst says that the process is not probed before it listens: a worker where
// connections are what it is asked by, where it is to (a command may ask the port that the
// others serve), or on standby, where that may take days.
func (l *life) servesFirst() bool {
	s := &l.spawn
	return l.worker != 0 && (s.Standby || s.Listens || !strings.HasPrefix(s.App.Probe, execProbe))
}

// becomeReady begins to probe a process, once, when it has done what comes first.
func (l *life) becomeReady() {
	a := l.spawn.App
	switch {
	case a.Probe == "" || l.ready.Load():
	case a.WaitReady && !l.said.Load():
	case l.servesFirst() && !l.serves.Load():
	case l.worker == 0 && !l.alive(): // run comes here again once there is a process
	default:
		l.probed.Do(func() { l.r.wg.Go(l.probe) }) // ends with the process, or the runner
	}
}

// probe asks until the process is ready or has ended. That is no poll of what is
// at rest: it ends with the start.
func (l *life) probe() {
	var ended <-chan struct{} = l.silent // of a worker; it may listen before we have its process
	if l.worker == 0 {
		ended = l.proc.Exited()
	}
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
	if command, ok := strings.CutPrefix(app.Probe, execProbe); ok {
		cred, who, err := identity(app)
		if err != nil {
			return err
		}
		if !l.alive() { // after which there is proc
			return errNotRunning
		}
		env := append(l.environment(who), "MAINPID="+strconv.Itoa(l.proc.PID())) // as in systemd.exec(5)
		return l.r.probeExec(ctx, command, child.ExecOptions{Dir: app.Cwd, Env: env, Credential: cred})
	}
	u, err := url.Parse(app.Probe)
	if err != nil {
		return err
	}
	if u.Scheme == "tcp" {
		return l.probeTCP(ctx, u.Host)
	}
	return l.probeHTTP(ctx, app.Probe)
}

// dial connects to the process: to a worker alone, where others share its port.
func (l *life) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !l.answersAlone() {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	conn, err := l.r.options.Primary.Dial(ctx, l.worker, uint16(n))
	if cause := errors.Unwrap(err); cause != nil {
		err = fmt.Errorf("port %s of the worker: %w", port, cause) // its number means nothing to people
	}
	return conn, err
}

func (l *life) answersAlone() bool { return l.worker != 0 && Probes(l.spawn.App) }

// commands are those of probes that run.
type commands struct {
	going sync.RWMutex  // held for reading by each
	cease chan struct{} // they are to end; written with going held for writing
}

// Freeze ends the commands of probes that run, and lets none begin before thaw is
// called: then they are run anew. A program that is executed in place would not know
// of them. It is not called again before thaw is.
func (r *Runner) Freeze() (thaw func()) {
	close(r.commands.cease)
	r.commands.going.Lock()
	return func() {
		r.commands.cease = make(chan struct{})
		r.commands.going.Unlock()
	}
}

func (r *Runner) probeExec(ctx context.Context, command string, o child.ExecOptions) error {
	for {
		ceased, err := r.tryExec(ctx, command, o)
		if !ceased || ctx.Err() != nil {
			return err
		}
	}
}

// tryExec runs a command. That it has ceased says nothing of the process.
func (r *Runner) tryExec(ctx context.Context, command string, o child.ExecOptions) (ceased bool, err error) {
	r.commands.going.RLock()
	defer r.commands.going.RUnlock()
	ceasing := lifetime(r.commands.cease)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ceasing, cancel)()
	out, err := child.Exec(ctx, command, o)
	if exit, ok := errors.AsType[*child.ExitError](err); ok {
		text := bytes.TrimSpace(append(out.Stdout, out.Stderr...))
		err = fmt.Errorf("%s: %s", exit.Exit.String(), text[:min(200, len(text))])
	}
	return err != nil && ceasing.Err() != nil, err
}

func (l *life) probeTCP(ctx context.Context, address string) error {
	conn, err := l.dial(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// probeHTTP is well with any answer from 200 to 399. What a worker's certificate says is
// of no matter: it was given the other end of the connection itself.
func (l *life) probeHTTP(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Close = true
	t := &http.Transport{DisableKeepAlives: true, DialContext: l.dial}
	if l.answersAlone() {
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // see above
	}
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
