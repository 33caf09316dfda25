package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"meshrotate/state"
)

// valueLimit is in bytes: a sealed value may be a file.
const valueLimit = 16 << 20

const valuesFolder = "values/"

// Create pushes a value.
func (s *Store) Create(ctx context.Context, name string, content []byte) error {
	if err := errors.Join(ctx.Err(), state.CheckBlob(name)); err != nil {
		return err
	}
	if len(content) > valueLimit {
		return fmt.Errorf("%s would have more than %d bytes", name, valueLimit)
	}
	content = append([]byte{}, content...) // nil would remove it
	sent := false
	return s.main.change(ctx, "keep "+name, func(t *tip) (c change, err error) {
		there, ok, err := t.read(valuesFolder + name)
		switch {
		case err != nil || ok && sent && bytes.Equal(there, content): // no two sealed values are alike: it is what was sent
			return c, err
		case ok:
			return c, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
		}
		sent = true
		return change{files: map[string][]byte{valuesFolder + name: content}, message: "Keep " + name}, nil
	})
}

// Read returns a value.
func (s *Store) Read(ctx context.Context, name string) (content []byte, err error) {
	if err := errors.Join(ctx.Err(), state.CheckBlob(name)); err != nil {
		return nil, err
	}
	err = s.main.look(ctx, "read "+name, func(t *tip) error {
		there, ok, err := t.read(valuesFolder + name)
		if err == nil && !ok {
			err = &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
		}
		content = there
		return err
	})
	return content, err
}

// Remove takes a value off the branch. What was pushed stays in the branch's past.
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := errors.Join(ctx.Err(), state.CheckBlob(name)); err != nil {
		return err
	}
	sent := false
	return s.main.change(ctx, "remove "+name, func(t *tip) (c change, err error) {
		if _, ok := t.files[valuesFolder+name]; !ok {
			if !sent {
				err = &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
			}
			return c, err
		}
		sent = true
		return change{files: map[string][]byte{valuesFolder + name: nil}, message: "Forget " + name}, nil
	})
}

// List names the values in a folder, sorted.
func (s *Store) List(ctx context.Context, folder string) (names []string, err error) {
	if err := errors.Join(ctx.Err(), state.CheckFolder(folder)); err != nil {
		return nil, err
	}
	err = s.main.look(ctx, "list "+folder, func(t *tip) error {
		names = nil
		for file := range t.files {
			name, ours := strings.CutPrefix(file, valuesFolder)
			if ours && strings.HasPrefix(name, folder+"/") && state.CheckBlob(name) == nil {
				names = append(names, name)
			}
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

// Folders names those with a value.
func (s *Store) Folders(ctx context.Context) (folders []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = s.main.look(ctx, "list the values", func(t *tip) error {
		folders = nil
		for file := range t.files {
			if name, ours := strings.CutPrefix(file, valuesFolder); ours && state.CheckBlob(name) == nil {
				folder, _, _ := strings.Cut(name, "/")
				folders = append(folders, folder)
			}
		}
		return nil
	})
	slices.Sort(folders)
	return slices.Compact(folders), err
}

// Check asks the server whether it would take a push.
func (s *Store) Check(ctx context.Context) error {
	return s.main.insist(ctx, "see whether the branch can be pushed to", s.main.remote.mayPush)
}

// At is where a value is, for people.
func (s *Store) At(name string) string { return valuesFolder + name + " in " + s.Place() }
