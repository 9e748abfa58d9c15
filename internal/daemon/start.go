package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/keeper"
	"github.com/tendproc/tend/internal/sys"
)

// maxReady bounds what is read from a ready pipe.
const maxReady = 64 << 10

// Start starts a keeper for home and returns when a daemon serves there. The
// running program must be one that knows the verbs "keeper" and "daemon". When
// ctx ends first, only the wait is over.
func Start(ctx context.Context, home string) error {
	return start(ctx, ownSeat(home))
}

func ownSeat(home string) seat {
	return seat{"tend", home, filepath.Join(home, keeper.LogName), []string{filepath.Join(home, keeper.LogsName)}}
}

// seat is where a daemon lives.
type seat struct {
	name    string // that it is called by
	home    string
	log     string // file
	folders []string
}

func start(ctx context.Context, at seat) error {
	if err := prepare(at); err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	logFile, err := openLog(at)
	if err != nil {
		return err
	}
	defer logFile.Close()
	from, err := logFile.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	ready, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	// What our own parent left open shall not live on in the keeper.
	if err := sys.CloseOnExecFrom(3); err != nil {
		return errors.Join(err, theirs.Close())
	}
	p, err := sys.StartPart(sys.Part{
		Argv:  []string{at.name, "keeper", "--home", at.home},
		Env:   cleanEnv(os.Environ()),
		Files: []*os.File{null, logFile, logFile, theirs}, Session: true,
	})
	theirs.Close()
	if err != nil {
		return err
	}
	defer p.Close()
	said, err := readReady(ctx, ready)
	if err != nil {
		return err
	}
	if string(said) == keeper.ReadyWord {
		return nil
	}
	// This keeper has nothing to keep and is ending.
	if _, err := p.Wait(); err != nil {
		return err
	}
	if string(said) == keeper.AnsweredWord {
		return nil
	}
	return startFault(at, from, said)
}

// cleanEnv drops what ties a process to the one that guards or parents it: the
// keeper belongs to nobody, also when an app started it.
func cleanEnv(env []string) []string {
	return without(env, append(slices.Clone(ties), "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"))
}

// ties are what an app is told by the one that guards it.
var ties = []string{"TEND_TREE", "NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "NODE_UNIQUE_ID"}

func without(env, names []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(names, name)
	})
}

// readReady reads the pipe to its end: one word, or an error.
func readReady(ctx context.Context, pipe *os.File) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { _ = pipe.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	said, err := io.ReadAll(io.LimitReader(pipe, maxReady))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return bytes.TrimSpace(said), err
}

// startFault is the error a daemon reported, or what its log says since from.
func startFault(at seat, from int64, said []byte) error {
	var f fault.Error
	if err := json.Unmarshal(said, &f); err == nil && f.Code != "" {
		return &f
	}
	return &fault.Error{
		Code: fault.Internal, Message: "it ended before it was ready", Remedy: "See " + at.log + ".", Log: tail(at.log, from),
	}
}

// tail returns the last lines of the file after from.
func tail(path string, from int64) []string {
	const most = 10
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, from, maxReady))
	if err != nil || len(text) == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return lines[max(0, len(lines)-most):]
}

// prepare makes the folders of a home, for their owner only. It refuses a
// folder that others may write to: they could put files of theirs in our place.
func prepare(at seat) error {
	home := at.home
	for _, dir := range append([]string{home, filepath.Dir(at.log)}, at.folders...) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return keeper.HomeFault(home, err)
		}
	}
	info, err := os.Stat(home)
	if err != nil {
		return keeper.HomeFault(home, err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return &fault.Error{
			Code: fault.Denied, Op: "prepare " + home, Field: "TEND_HOME", Message: "others may write to this folder",
			Remedy: "Give tend a folder of its own, or: chmod go-w " + home,
		}
	}
	return nil
}

// openLog opens the daemon's log for appending. The caller owns it.
func openLog(at seat) (*os.File, error) {
	f, err := os.OpenFile(at.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, keeper.HomeFault(at.home, err)
	}
	return f, nil
}

// lastMoment bounds the wait for a daemon and its keeper that were told to end.
const lastMoment = 10 * time.Second

// Ending takes hold of the daemon and its keeper, before they are told to end. What
// it returns waits until both have ended: from then on the home is nobody's.
func Ending(info event.Info) (wait func(ctx context.Context)) {
	var held []*sys.PidFD
	for _, pid := range []int{info.PID, info.KeeperPID} {
		if pid == 0 {
			continue
		}
		if p, err := sys.OpenPidFD(pid); err == nil { // else it has ended, or nobody here can tell
			held = append(held, p)
		}
	}
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, lastMoment)
		defer cancel()
		for _, p := range held {
			_ = p.Ended(ctx) // late: the kill itself has succeeded
			p.Close()
		}
	}
}
