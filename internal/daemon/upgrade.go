package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/state"
)

// An upgrade, with the new program's parts on the right:
//
//	daemon ── fork, exec ──► daemon --home H --check    says who it is and that it can read the state
//	daemon: holds new requests back, stops between two messages, log lines and decisions
//	daemon ── execve ──────► daemon --home H --become CONTROL,LOCK,LISTENER,KEEPER
//	                         the same process: takes over as after a crash, of what the keeper has
//	                         and of its own children; serves; then names itself to the keeper
//
// A program that ends before it serves is not named, so the keeper starts the
// former one again. Nobody is refused: the listener stays open throughout.
const (
	checkFlag  = "--check"
	becomeFlag = "--become"
)

// checkTime is how long a program may take to say that it fits.
const checkTime = 20 * time.Second

// elfMagic begins every program (elf(5)). A script would pass for one until it is
// executed by its descriptor, which its interpreter does not get.
const elfMagic = "\x7fELF"

// keeperTime is how long the keeper may take to answer.
const keeperTime = 2 * time.Second

// handOver is the version of what [Link.Become] leaves: programs with the same
// one can follow each other.
const handOver = 1

// fitness is what a program says when it is asked whether it can take over.
type fitness struct {
	Version  string       `json:"version"`
	HandOver int          `json:"hand_over"`
	Error    *fault.Error `json:"error,omitempty"` // why it cannot
}

// sayFit answers for this program.
func sayFit(w io.Writer, home, version string) error {
	fit := fitness{Version: version, HandOver: handOver}
	if err := state.Check(home); err != nil {
		fit.Error = &fault.Error{Code: fault.CodeOf(err), Message: err.Error()}
		if f, ok := errors.AsType[*fault.Error](err); ok {
			fit.Error.Remedy = f.Remedy
		}
	}
	return json.NewEncoder(w).Encode(fit)
}

func (b bequest) String() string {
	return fmt.Sprintf("%d,%d,%d,%d", b.Control, b.Lock, b.Listener, b.Keeper)
}

func parseBequest(text string) (b bequest, err error) {
	if _, err := fmt.Sscanf(text, "%d,%d,%d,%d", &b.Control, &b.Lock, &b.Listener, &b.Keeper); err != nil {
		return b, fmt.Errorf("%s %q: %w", becomeFlag, text, err)
	}
	return b, nil
}

// upgrade is the request to become another program.
type upgrade struct {
	program *os.File
	failed  chan error // has room
}

// CheckUpgrade says why the program at path cannot take over.
func (s *service) CheckUpgrade(ctx context.Context, path string) error {
	program, err := openProgram(path)
	if err != nil {
		return err
	}
	defer program.Close()
	return s.daemon.ask(ctx, program)
}

func openProgram(path string) (*os.File, error) {
	program, err := os.Open(path)
	if err != nil {
		return nil, &fault.Error{
			Code: fault.Invalid, Field: "program", Message: "cannot be opened", Err: err, Remedy: "Name a tend that is there.",
		}
	}
	magic := make([]byte, len(elfMagic))
	if _, err := program.ReadAt(magic, 0); err != nil || string(magic) != elfMagic {
		return nil, errors.Join(&fault.Error{
			Code: fault.Unsupported, Field: "program", Message: path + " is no program, but a script or something else",
			Remedy: "The running daemon goes on; nothing was changed.",
		}, program.Close())
	}
	return program, nil
}

// Upgrade makes the daemon the program at path, for which CheckUpgrade had no word;
// there is no answer then, since who was asked is gone. The error is why it is still
// this one.
func (s *service) Upgrade(ctx context.Context, path string) error {
	if !s.measured.TryLock() { // its timer would go on, and end a program that does not expect it
		return measuring
	}
	defer s.measured.Unlock()
	program, err := openProgram(path)
	if err != nil {
		return err
	}
	defer program.Close()
	u := upgrade{program, make(chan error, 1)}
	select {
	case s.daemon.upgrades <- u:
		return <-u.failed
	case <-s.daemon.down:
		return &fault.Error{Code: fault.Unavailable, Message: "the daemon is ending"}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask has program say whether it can take over.
func (d *daemon) ask(ctx context.Context, program *os.File) error {
	refused := &fault.Error{
		Code: fault.Unsupported, Field: "program", Remedy: "The running daemon goes on; nothing was changed.",
	}
	said, runErr := child.ExecFile(ctx, program.Name(), []string{"daemon", "--home", d.info.Home, checkFlag}, child.ExecOptions{
		Dir: "/", Env: cleanEnv(os.Environ()), Timeout: checkTime,
	})
	var fit fitness
	err := json.Unmarshal(said.Stdout, &fit)
	switch {
	case runErr != nil || err != nil || fit.HandOver == 0:
		refused.Message = "not a tend that can take over from this one"
		refused.Err = cmp.Or(runErr, err)
		if text := strings.TrimSpace(string(said.Stderr)); text != "" {
			refused.Log = strings.Split(text, "\n")
		}
	case fit.Error != nil:
		refused.Message = "tend " + fit.Version + " cannot take over: " + fit.Error.Message
	case fit.HandOver != handOver:
		refused.Message = fmt.Sprintf("tend %s takes over in another way (%d) than this one leaves (%d)", fit.Version, fit.HandOver, handOver)
	default:
		return nil
	}
	return refused
}

// become stops the parts where nothing of theirs is in memory alone, and executes
// the program. They go on if that fails.
func (d *daemon) become(ctx context.Context, p *parts, program *os.File) error {
	if !d.link.Answers(keeperTime) {
		return &fault.Error{
			Code: fault.Unavailable, Message: "the keeper, who holds all there is meanwhile, does not answer",
			Remedy: "Nothing was changed; try again.",
		}
	}
	thaw, err := p.freeze(ctx)
	defer thaw()
	if err != nil {
		return fmt.Errorf("stop to be upgraded: %w", err)
	}
	d.log.Printf("becoming %s", program.Name())
	// Until the new program listens to signals, those that mean no end must not end it.
	signal.Ignore(syscall.SIGHUP, syscall.SIGUSR2)
	err = d.link.Become(program)
	d.hear()
	d.log.Printf("that failed: %v", err)
	return &fault.Error{Code: fault.Internal, Message: "the kernel does not execute " + program.Name(), Err: err}
}
