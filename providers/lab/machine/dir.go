package machine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Dir is a disk in a folder of this machine: C:\a\b is the file C/a/b in it. The real script can run beside it, on the
// same files. Names keep their case, and of access rules there is only whether others may read.
type Dir string

// Local is where a Windows path lies in the folder.
func (d Dir) Local(path string) string {
	path = strings.ReplaceAll(path, `\`, "/")
	if len(path) > 1 && path[1] == ':' {
		path = strings.ToUpper(path[:1]) + path[2:]
	}
	return filepath.Join(string(d), filepath.Clean("/"+path))
}

// errno gives an error of this system its Windows number.
func errno(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return ErrFileNotFound
	case errors.Is(err, fs.ErrPermission):
		return ErrAccessDenied
	case errors.Is(err, fs.ErrExist):
		return ErrAlreadyExists
	}
	return err
}

func (d Dir) Names(folder string) []string {
	entries, _ := os.ReadDir(d.Local(folder)) // sorted
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

func (d Dir) Below(folder, suffix string) string {
	found, root := "", d.Local(folder)
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && filepath.Dir(path) != root && strings.HasSuffix(strings.ToLower(path), strings.ToLower(suffix)) {
			found = strings.ReplaceAll(path[len(root)+1:], "/", `\`)
			return fs.SkipAll
		}
		return nil
	})
	return found
}

func (d Dir) Read(path string) ([]byte, Info, error) {
	stat, err := os.Stat(d.Local(path))
	if err != nil {
		return nil, Info{}, errno(err)
	}
	info := Info{Modified: stat.ModTime(), ReadOnly: stat.Mode()&0o200 == 0, UsersCanRead: stat.Mode()&0o004 != 0, Owner: administrators}
	if stat.IsDir() {
		return nil, info, ErrAccessDenied
	}
	content, err := os.ReadFile(d.Local(path))
	return content, info, errno(err)
}

func (d Dir) Create(path string, content []byte, like string) error {
	mode := fs.FileMode(0o644)
	switch like {
	case "":
	case Private:
		mode = 0o600
	default:
		if stat, err := os.Stat(d.Local(like)); err == nil {
			mode = stat.Mode().Perm()
		}
	}
	f, err := os.OpenFile(d.Local(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrPathNotFound
	}
	if err != nil {
		return errno(err)
	}
	_, err = f.Write(content)
	return errno(errors.Join(err, f.Sync(), f.Close()))
}

func (d Dir) Replace(from, to, backup string) error {
	stat, err := os.Stat(d.Local(to))
	if err != nil {
		return errno(err)
	}
	if stat.Mode()&0o200 == 0 {
		return ErrAccessDenied
	}
	_ = os.Remove(d.Local(backup))
	if err := os.Link(d.Local(to), d.Local(backup)); err != nil {
		return errno(err)
	}
	if err := os.Chmod(d.Local(from), stat.Mode().Perm()); err != nil {
		return errno(err)
	}
	return errno(os.Rename(d.Local(from), d.Local(to)))
}

func (d Dir) Move(from, to string) error {
	if _, err := os.Lstat(d.Local(to)); err == nil {
		return ErrAlreadyExists
	}
	return errno(os.Rename(d.Local(from), d.Local(to)))
}

func (d Dir) Remove(path string) error { return errno(os.Remove(d.Local(path))) }

func (d Dir) Touch(path string, t time.Time) error { return errno(os.Chtimes(d.Local(path), t, t)) }

// TryReplace finds nothing: nobody holds files here.
func (d Dir) TryReplace(string) error { return nil }

func (d Dir) TryCreate(path string) error {
	if _, err := os.Stat(filepath.Dir(d.Local(path))); err != nil {
		return ErrPathNotFound
	}
	return nil
}

// Free has no limit: nothing portable tells it.
func (d Dir) Free(string) int64 { return 1 << 40 }
