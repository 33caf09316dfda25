package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"meshrotate/state"
	"meshrotate/state/durable"
)

// Create makes DIR/values/NAME durable, with its folders. Where another process was first, and may have been killed
// before it flushed the folders, they are flushed before fs.ErrExist is returned.
func (s *Store) Create(ctx context.Context, name string, content []byte) error {
	if err := errors.Join(ctx.Err(), state.CheckBlob(name)); err != nil {
		return err
	}
	if len(content) > blobLimit {
		return fmt.Errorf("%s would have more than %d bytes", name, blobLimit)
	}
	if err := s.begin(); err != nil {
		return err
	}
	path := s.blob(name)
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		err = &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	case errors.Is(err, fs.ErrNotExist):
		err = s.create(path, content)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return &hinted{err, "see that the folder can be written and the disk has room"}
	}
	for _, dir := range []string{filepath.Dir(path), s.Place(), s.dir} {
		if flushed := durable.SyncDir(dir); flushed != nil {
			return flushed // not fs.ErrExist: what is there may not be durable
		}
	}
	return err
}

func (s *Store) create(path string, content []byte) error {
	err := s.folder()
	if err == nil {
		err = durable.MkdirAll(filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	return durable.Create(path, content)
}

// Read returns a blob.
func (s *Store) Read(ctx context.Context, name string) ([]byte, error) {
	if err := errors.Join(ctx.Err(), state.CheckBlob(name)); err != nil {
		return nil, err
	}
	data, err := durable.ReadFile(s.blob(name), blobLimit)
	return data, s.misplaced(name, err)
}

// Remove takes a blob away.
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := errors.Join(ctx.Err(), state.CheckBlob(name)); err != nil {
		return err
	}
	if err := os.Remove(s.blob(name)); err != nil {
		return s.misplaced(name, err)
	}
	return durable.SyncDir(filepath.Dir(s.blob(name)))
}

// List names the blobs in a folder, sorted. Files that no blob can be named like, and what killed writers left behind,
// are not among them.
func (s *Store) List(ctx context.Context, folder string) ([]string, error) {
	if err := errors.Join(ctx.Err(), state.CheckFolder(folder)); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(filepath.Join(s.Place(), folder))
	if err := s.misplaced(folder, err); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, f := range files {
		if name := folder + "/" + f.Name(); state.CheckBlob(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Folders names those with a blob.
func (s *Store) Folders(ctx context.Context) (folders []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dirs, err := os.ReadDir(s.Place())
	if err := s.misplaced("", err); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, d := range dirs {
		if !d.IsDir() && d.Type() != fs.ModeSymlink || state.CheckFolder(d.Name()) != nil {
			continue
		}
		names, err := s.List(ctx, d.Name())
		if err != nil {
			return nil, err
		}
		if len(names) > 0 {
			folders = append(folders, d.Name())
		}
	}
	slices.Sort(folders)
	return folders, nil
}

// Check writes a file beside the blobs, or where their folder would be made, and removes it.
func (s *Store) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := s.Place()
	for {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	if err := durable.Check(dir); err != nil {
		return &hinted{fmt.Errorf("nothing can be kept in %s: %w", s.Place(), err),
			"see that the folder can be written and the disk has room"}
	}
	return nil
}

// misplaced says of an error whether something else stands in a blob's place, or in its folder's, or in that of all.
func (s *Store) misplaced(name string, err error) error {
	if err == nil {
		return nil
	}
	for _, folder := range []string{s.Place(), filepath.Join(s.Place(), strings.Split(name, "/")[0])} {
		if e := misplaced(folder); e != nil {
			return e
		}
	}
	if astray(s.blob(name)) {
		return nowhere(s.blob(name))
	}
	return unfit(err)
}

// Place is the folder of the blobs.
func (s *Store) Place() string { return s.path("values") }

func (s *Store) blob(name string) string { return filepath.Join(s.Place(), filepath.FromSlash(name)) }
