package spec

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tendproc/tend/internal/fault"
)

// UnixAddress begins an address of App.Listen that is a socket file's path.
const UnixAddress = "unix:"

// applyListen is about programs that do not tell of themselves: what they listen
// on, and when they are ready.
func (a *App) applyListen(_ Machine, o Options) error {
	if o.Listen != nil {
		a.Listen = nil
		for _, word := range list(o.Listen) {
			address, err := listenAddress(word)
			if err != nil {
				return err
			}
			if !slices.Contains(a.Listen, address) {
				a.Listen = append(a.Listen, address)
			}
		}
	}
	if o.Overlap != nil {
		a.Overlap = *o.Overlap
	}
	if o.Probe != nil {
		a.Probe = text(o.Probe)
		return checkProbe(a.Probe)
	}
	return nil
}

// listenAddress reads 3000, 127.0.0.1:3000, [::1]:3000, *:3000, unix:/run/x or /run/x,
// and returns "IP:PORT" or "unix:PATH".
func listenAddress(word string) (string, error) {
	e := &fault.Error{
		Code: fault.Invalid, Field: "--listen", Message: "not an address: " + printable(word),
		Remedy: "Give a port (3000), an address with a port (127.0.0.1:3000, [::1]:3000) or the path of a socket (unix:/run/app.sock).",
	}
	if path := strings.TrimPrefix(word, UnixAddress); strings.HasPrefix(path, "/") {
		if len(path) > 107 || strings.ContainsAny(path, "\x00") {
			e.Message = "not the path of a socket: " + printable(path)
			return "", e
		}
		return UnixAddress + filepath.Clean(path), nil
	}
	host, port := "", word
	if i := strings.LastIndexByte(word, ':'); i >= 0 {
		host, port = strings.Trim(word[:i], "[]"), word[i+1:]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", e
	}
	switch host {
	case "", "*":
		host = "::"
	case "localhost":
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Zone() != "" {
		return "", e
	}
	return netip.AddrPortFrom(ip, uint16(n)).String(), nil
}

// checkProbe holds a probe to the forms there are.
func checkProbe(probe string) error {
	if probe == "" {
		return nil
	}
	e := &fault.Error{
		Code: fault.Invalid, Field: "--probe", Message: "not a probe: " + printable(probe),
		Remedy: "Give http://HOST:PORT/PATH, tcp://HOST:PORT or exec:COMMAND.",
	}
	if command, ok := strings.CutPrefix(probe, "exec:"); ok {
		if strings.TrimSpace(command) == "" || strings.Contains(command, "\x00") {
			return e
		}
		return nil
	}
	u, err := url.Parse(probe)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && (u.Scheme != "tcp" || u.Port() == "") {
		return e
	}
	return nil
}

// checkFork refuses what is for fork mode only.
func (a *App) checkFork() error {
	e := &fault.Error{Code: fault.Invalid, Message: "is for fork mode, and this app runs as a cluster"}
	switch {
	case a.Mode != Cluster:
		return nil
	case len(a.Listen) > 0:
		e.Field, e.Remedy = "--listen", "Leave it out: workers get the sockets that they ask for."
	case a.Overlap:
		e.Field, e.Remedy = "--overlap", "Leave it out: workers are always replaced by one that is up already."
	default:
		return nil
	}
	return e
}

// checkSticky refuses sticky sessions where tend has no part in the workers.
func (a *App) checkSticky() error {
	e := &fault.Error{Code: fault.Invalid, Field: "--sticky"}
	switch {
	case !a.Sticky:
		return nil
	case a.Mode != Cluster:
		e.Message, e.Remedy = "is for cluster mode, and this app runs in fork mode", "Give a number of instances: -i 4"
	case a.Runtime != Node:
		e.Message, e.Remedy = "is for Node programs", "Leave it out, and let a proxy keep the sessions apart."
	case !a.Drain:
		e.Message, e.Remedy = "cannot be without the preload, which --no-drain leaves out", "Leave out one of the two."
	case a.UID != nil || a.GID != nil:
		e.Message, e.Remedy = "cannot be for an app that runs as another user", "Leave out --uid and --gid, or run tend as that user."
	default:
		return nil
	}
	return e
}

// Overlaps says that a new process of the app can run beside the old one.
func (a *App) Overlaps() bool { return a.Mode == Cluster || a.Overlap || len(a.Listen) > 0 }
