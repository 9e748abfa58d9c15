package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/sys"
)

// socketPrefix is what the names begin with under which listening sockets are held.
const socketPrefix = "socket/"

// backlog is how many connections wait in a socket for a process to take them.
const backlog = 4096

// sockets are the listening sockets that processes in fork mode inherit. They
// outlive every process, so that nobody is refused between two of them.
type sockets struct {
	hold Hold // may be nil

	mu   sync.Mutex // guards what follows
	open map[string]*socket
}

// socket is one address.
type socket struct {
	address string
	file    *os.File
	app     string // whose it is; "" once that was released
	wanted  bool   // the app's newest declaration names it
	users   int    // processes
}

type socketMeta struct {
	App     string `json:"app"`
	Address string `json:"address"`
}

func (s *socket) heldName() string {
	sum := sha256.Sum256([]byte(s.address))
	return socketPrefix + hex.EncodeToString(sum[:16])
}

// newSockets takes over those that a former runner had.
func newSockets(hold Hold, held []Held) *sockets {
	s := &sockets{hold: hold, open: map[string]*socket{}}
	for _, h := range held {
		var meta socketMeta
		if json.Unmarshal(h.Meta, &meta) != nil || s.open[meta.Address] != nil {
			h.File.Close()
			continue
		}
		one := &socket{address: meta.Address, app: meta.App, file: h.File, wanted: true}
		s.open[meta.Address] = one
		if hold != nil {
			_ = s.keep(one)
		}
	}
	return s
}

// acquire returns the sockets of app, in the order of addresses, made if need be; one
// that is being renamed has those of the name it was. They stay the receiver's until [sockets.done] with the same addresses.
func (s *sockets) acquire(app, was string, addresses []string) ([]*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files := make([]*os.File, 0, len(addresses))
	var fresh []*socket
	for _, address := range addresses {
		one := s.open[address]
		if one != nil && !slices.Contains([]string{"", app, was}, one.app) {
			s.abandonLocked(fresh)
			return nil, &fault.Error{
				Code: fault.Conflict, Op: "spawn " + app, Field: "--listen", Message: address + " is a socket of " + one.app,
				Remedy: "Give another address, or stop " + one.app + ".",
			}
		}
		if one == nil {
			var err error
			if one, err = s.makeLocked(app, address); err != nil {
				s.abandonLocked(fresh)
				return nil, listenFault(app, address, err)
			}
			fresh = append(fresh, one)
		}
		if one.app == "" {
			one.app = app
		}
		files = append(files, one.file)
	}
	s.useLocked(addresses)
	return files, nil
}

// want says what the declaration of app names: that stays open while no process has
// it, all else closes with the last one.
func (s *sockets) want(app string, addresses []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for address, one := range s.open {
		if one.app == app {
			one.wanted = slices.Contains(addresses, address)
			s.settleLocked(one)
		}
	}
}

// use is acquire for a process that has them already.
func (s *sockets) use(addresses []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.useLocked(addresses)
}

func (s *sockets) useLocked(addresses []string) {
	for _, address := range addresses {
		if one := s.open[address]; one != nil {
			one.users++
		}
	}
}

// done says that a process is over that had these. What its app does not want any
// more closes with the last one.
func (s *sockets) done(addresses []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, address := range addresses {
		if one := s.open[address]; one != nil {
			one.users--
			s.settleLocked(one)
		}
	}
}

// rename goes with an app that gets another name.
func (s *sockets) rename(from, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.open {
		if one.app == from {
			one.app = to
			_ = s.keep(one)
		}
	}
}

// release says that app has no processes and shall have none.
func (s *sockets) release(app string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.open {
		if one.app == app {
			one.app, one.wanted = "", false
			s.settleLocked(one)
		}
	}
}

// retain is release for every app that is not among apps.
func (s *sockets) retain(apps []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.open {
		if !slices.Contains(apps, one.app) {
			one.app, one.wanted = "", false
			s.settleLocked(one)
		}
	}
}

func (s *sockets) settleLocked(one *socket) {
	if one.users > 0 || one.wanted {
		return
	}
	s.closeLocked(one)
}

func (s *sockets) abandonLocked(list []*socket) {
	for _, one := range list {
		s.closeLocked(one)
	}
}

func (s *sockets) closeLocked(one *socket) {
	// Who else has it open, as the keeper for a moment more, does not listen then.
	if raw, err := one.file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { sys.StopListening(int(fd)) })
	}
	if s.hold != nil {
		_ = s.hold.Delete(one.heldName())
	}
	one.file.Close()
	delete(s.open, one.address)
	if path, ok := strings.CutPrefix(one.address, spec.UnixAddress); ok {
		sys.RemoveSocketFile(path)
	}
}

func (s *sockets) makeLocked(app, address string) (*socket, error) {
	fd, err := listen(address)
	if err != nil {
		return nil, err
	}
	one := &socket{address: address, app: app, file: os.NewFile(uintptr(fd), "listen "+address)}
	if err := s.keep(one); err != nil {
		one.file.Close()
		return nil, err
	}
	s.open[address] = one
	return one, nil
}

func (s *sockets) keep(one *socket) error {
	if s.hold == nil {
		return nil
	}
	meta, err := json.Marshal(socketMeta{one.app, one.address})
	if err != nil {
		return err
	}
	raw, err := one.file.SyscallConn()
	if err != nil {
		return err
	}
	var herr error
	err = raw.Control(func(fd uintptr) { herr = s.hold.Store(one.heldName(), int(fd), 0, meta) })
	return errors.Join(err, herr)
}

// listen makes a socket as a program gets it from systemd: blocking, since most
// expect that, and open to be shared.
func listen(address string) (fd int, err error) {
	b := sys.Bind{ReuseAddr: true, Mode: 0o666}
	if path, ok := strings.CutPrefix(address, spec.UnixAddress); ok {
		b.Path = path
	} else {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return -1, err
		}
		b.Addr, b.Port, b.V6Only = at.Addr(), int(at.Port()), !at.Addr().IsUnspecified()
	}
	fd, err = sys.ListenStream(b, backlog)
	if errors.Is(err, syscall.EAFNOSUPPORT) && b.Addr == netip.IPv6Unspecified() { // a machine without IPv6
		b.Addr = netip.IPv4Unspecified()
		fd, err = sys.ListenStream(b, backlog)
	}
	if err == nil {
		err = sys.SetBlocking(fd)
	}
	return fd, err
}

func listenFault(app, address string, err error) error {
	f := &fault.Error{Code: fault.StartFailed, Op: "spawn " + app, Field: "--listen", Message: "cannot listen on " + address, Err: err}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		f.Code, f.Remedy = fault.Conflict, "Stop what listens there, or give another address."
	case errors.Is(err, syscall.EACCES):
		f.Code, f.Remedy = fault.Denied, fmt.Sprintf("Ports below %d are root's: give another, or run tend as root.", firstFree)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		f.Code, f.Remedy = fault.Invalid, "Give an address that this machine has."
	}
	return f
}

// firstFree is the first port that needs no privilege by default (ip(7)).
const firstFree = 1024
