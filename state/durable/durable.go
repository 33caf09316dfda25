// Package durable writes small files so that a crash at any moment leaves the old content or the new, never a mix,
// and so that what was reported as written is still there after a power cut.
//
// The order is always the same: write a temporary file in the same folder, flush it, give it its name, flush the
// folder. A file that is not flushed before its rename may come back empty, and a rename is not on disk before its
// folder is (https://man7.org/linux/man-pages/man2/fsync.2.html). Files are 0600 and folders 0700.
//
// A writer that was killed can leave a file named like *.tmp behind. Nobody reads those; the next write in the same
// folder removes the old ones.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// leftoverAge is when a temporary file cannot belong to a living writer any more: a write takes milliseconds.
const leftoverAge = time.Hour

// Replace gives path the content data, atomically. The folder must exist. Two writers at once are safe: one of them
// is last.
func Replace(path string, data []byte) error {
	tmp, err := temporary(path, data)
	if err != nil {
		return err
	}
	if err := patiently(func() error { return os.Rename(tmp, path) }); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return SyncDir(filepath.Dir(path))
}

// Edit is Replace of a file that is there, which stays open to whom it was: who else reads it is not ours to say.
func Edit(path string, data []byte) error {
	is, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp, err := temporary(path, data)
	if err != nil {
		return err
	}
	err = os.Chmod(tmp, is.Mode().Perm())
	if err == nil {
		err = patiently(func() error { return os.Rename(tmp, path) })
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return SyncDir(filepath.Dir(path))
}

// Create makes path with the content data, and fails with fs.ErrExist when it is there already: of many writers, in
// any number of processes, exactly one succeeds. When it returns fs.ErrExist, the file of the one that succeeded is
// durable too. The file system must have hard links.
func Create(path string, data []byte) error {
	tmp, err := temporary(path, data)
	if err != nil {
		return err
	}
	// Unlike a rename, a link never replaces what is there.
	err = os.Link(tmp, path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return errors.Join(err, os.Remove(tmp))
	}
	// The file has its name: a leftover is harmless, a reported failure would not be.
	_ = os.Remove(tmp)
	return errors.Join(err, SyncDir(filepath.Dir(path)))
}

// Check says why no file could be written in a folder now, or nil. It writes one, flushes it and removes it.
func Check(dir string) error {
	tmp, err := temporary(filepath.Join(dir, "check"), []byte("can this be written?\n"))
	if err != nil {
		return err
	}
	return os.Remove(tmp)
}

// patiently tries again, for up to a second, what Windows refuses while another process has the file open for a moment:
// ERROR_ACCESS_DENIED (5) and ERROR_SHARING_VIOLATION (32), see
// https://learn.microsoft.com/windows/win32/debug/system-error-codes--0-499-. Elsewhere it tries once.
func patiently(do func() error) error {
	for try := 0; ; try++ {
		err := do()
		busy := errors.Is(err, syscall.Errno(5)) || errors.Is(err, syscall.Errno(32))
		if !busy || runtime.GOOS != "windows" || try == 100 {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// MkdirAll makes a folder and its missing parents, each of them durable.
func MkdirAll(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New("is there and is not a folder")}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if err := MkdirAll(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncDir(parent)
}

// SyncDir makes the names in a folder durable. Windows has no such call: NTFS journals names itself.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// temporary writes data to a new, flushed file beside path and returns its name.
func temporary(path string, data []byte) (string, error) {
	dir, base := filepath.Dir(path), filepath.Base(path) // never "": that is the system's folder, which may be another disk
	removeLeftovers(dir, base)
	f, err := os.CreateTemp(dir, base+".*.tmp") // 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// removeLeftovers is best effort: what cannot be removed now can be removed by the next write.
func removeLeftovers(dir, base string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), base+".") || !strings.HasSuffix(e.Name(), ".tmp") {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > leftoverAge {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
