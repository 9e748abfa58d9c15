package pm2

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/fault"
)

// Prepare makes the files that are there once the home was used.
func (h Home) Prepare() error {
	for path, text := range map[string]string{h.ModuleConf: "{}", h.Touch: strconv.FormatInt(time.Now().UnixMilli(), 10)} {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			_, err = f.WriteString(text)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return fmt.Errorf("prepare the home: %w", err)
		}
	}
	return nil
}

// Conf reads module_conf.json; where there is none, nothing is stored.
func (h Home) Conf() (*Object, error) {
	conf := &Object{}
	text, err := os.ReadFile(h.ModuleConf)
	if errors.Is(err, fs.ErrNotExist) {
		return conf, nil
	}
	if err == nil {
		err = json.Unmarshal(text, conf)
	}
	if err != nil {
		return nil, &fault.Error{
			Code: fault.Invalid, Op: "read " + h.ModuleConf, Message: "it is not what pm2 set writes", Err: err,
			Remedy: "Mend it, or remove it.",
		}
	}
	return conf, nil
}

// SetConf writes module_conf.json.
func (h Home) SetConf(conf *Object) error {
	text, err := json.MarshalIndent(conf, "", "    ")
	if err != nil {
		return err
	}
	return Replace(h.ModuleConf, text)
}

// LockReload notes that a reload goes on until unlock is called, and refuses one
// beside it. A lock older than stale is none, nor is any with force.
func (h Home) LockReload(now time.Time, stale time.Duration, force bool) (unlock func() error, err error) {
	text, err := os.ReadFile(h.ReloadLock)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ms, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err == nil && now.Sub(time.UnixMilli(ms)) < stale && !force {
		return nil, &fault.Error{
			Code: fault.Conflict, Message: "Reload already in progress",
			Remedy: "Wait for it to end; --force reloads all the same.",
		}
	}
	if err := Replace(h.ReloadLock, strconv.AppendInt(nil, now.UnixMilli(), 10)); err != nil {
		return nil, err
	}
	return func() error { return Replace(h.ReloadLock, nil) }, nil
}

// FlushLog empties the daemon's log.
func (h Home) FlushLog() error {
	if err := os.Truncate(h.Log, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
