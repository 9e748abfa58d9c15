package pm2

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/tendproc/tend/internal/event"
)

// Dump is what save keeps of all processes: see [Home.Save].
func Dump(snap event.Snapshot) []*Object {
	list := make([]*Object, 0, len(snap.Instances))
	for _, in := range snap.Instances {
		if in.Spec == nil || in.Spec.Module != "" { // the next daemon has its modules anyway
			continue
		}
		o := Env(in, *in.Spec)
		for _, key := range []string{"instances", "pm_id"} {
			o.Delete(key)
		}
		list = append(list, o)
	}
	return list
}

// Save writes a dump. The one that was there becomes the backup.
func (h Home) Save(dump []*Object) error {
	text, err := json.MarshalIndent(dump, "", "  ")
	if err != nil {
		return fmt.Errorf("save: %w", err)
	}
	old, err := os.ReadFile(h.Dump)
	if err == nil {
		err = Replace(h.DumpBackup, old)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("save: keep the former dump: %w", err)
	}
	if err := Replace(h.Dump, text); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return nil
}

// Saved reads the dump, or where there is none, or a broken one, the backup. What was
// broken is removed. The dump is nil where neither is there.
func (h Home) Saved() (dump []*Object, broken []string, err error) {
	for _, path := range []string{h.Dump, h.DumpBackup} {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, broken, err
		}
		dump = []*Object{}
		if json.Unmarshal(text, &dump) == nil {
			return dump, broken, nil
		}
		broken = append(broken, path)
		if err := os.Remove(path); err != nil {
			return nil, broken, err
		}
	}
	return nil, broken, nil
}

// Replace writes a file beside and puts it in the place of the one at path: after a
// crash, also of the machine, there is the old one or the new one.
func Replace(path string, text []byte) error { return replace(path, text, (*os.File).Sync) }

// WritePID is [Replace] for a pid file, which means nothing after a crash of the
// machine.
func WritePID(path string, pid int) error {
	return replace(path, strconv.AppendInt(nil, int64(pid), 10), func(*os.File) error { return nil })
}

func replace(path string, text []byte, sync func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o644), sync(f), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
