package mssql

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"meshrotate/state"
)

// valueLimit is in bytes: a sealed value may be a file.
const valueLimit = 16 << 20

// Create inserts a value. After a lost answer it is looked at: what is there and the same is what was sent, as no two sealed
// values are alike.
func (s *Store) Create(ctx context.Context, name string, content []byte) error {
	if err := errors.Join(ctx.Err(), state.CheckBlob(name)); err != nil {
		return err
	}
	if len(content) > valueLimit {
		return fmt.Errorf("%s would have more than %d bytes", name, valueLimit)
	}
	folder, file, _ := strings.Cut(name, "/")
	if content == nil {
		content = []byte{}
	}
	sent := false
	return s.insist(ctx, "keep "+name, func(ctx context.Context, x Session) error {
		if err := s.begin(ctx, x); err != nil {
			return err
		}
		again := sent
		sent = true
		err := x.Select(ctx, s.sql(createKept), []any{folder, file, content}, nothing)
		if !has(err, duplicate) {
			return err
		}
		if again {
			if there, err := s.readKept(ctx, x, name); err != nil || bytes.Equal(there, content) {
				return err
			}
		}
		return &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	})
}

// Read returns a value.
func (s *Store) Read(ctx context.Context, name string) (content []byte, err error) {
	if err := errors.Join(ctx.Err(), state.CheckBlob(name)); err != nil {
		return nil, err
	}
	err = s.insist(ctx, "read "+name, func(ctx context.Context, x Session) error {
		content, err = s.readKept(ctx, x, name)
		return err
	})
	return content, err
}

func (s *Store) readKept(ctx context.Context, x Session, name string) (content []byte, err error) {
	folder, file, _ := strings.Cut(name, "/")
	missing := &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	_, there, err := s.head(ctx, x)
	switch {
	case err != nil:
		return nil, err
	case !there:
		return nil, missing
	}
	there = false
	err = x.Select(ctx, s.sql(readKept), []any{folder, file}, func(_ int, scan func(...any) error) error {
		there = true
		return scan(&content)
	})
	if err == nil && !there {
		err = missing
	}
	return content, err
}

// Remove takes a value away, for whom the database lets: the role of who runs meshrotate may not. After a lost answer it is looked
// at: what is not there any more was removed.
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := errors.Join(ctx.Err(), state.CheckBlob(name)); err != nil {
		return err
	}
	folder, file, _ := strings.Cut(name, "/")
	sent := false
	return s.insist(ctx, "remove "+name, func(ctx context.Context, x Session) error {
		if _, err := s.readKept(ctx, x, name); err != nil {
			if sent && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		sent = true
		err := x.Select(ctx, s.sql(dropKept), []any{folder, file}, nothing)
		if has(err, denied) {
			return &hinted{err, fmt.Sprintf("let the database's administrator run: DELETE FROM %s WHERE folder = '%s' AND name = '%s'", s.sql("{kept}"), folder, file)}
		}
		return err
	})
}

// List names the values in a folder, sorted.
func (s *Store) List(ctx context.Context, folder string) (all []string, err error) {
	if err := errors.Join(ctx.Err(), state.CheckFolder(folder)); err != nil {
		return nil, err
	}
	err = s.insist(ctx, "list "+folder, func(ctx context.Context, x Session) error {
		all = nil
		if _, ok, err := s.head(ctx, x); err != nil || !ok {
			return err
		}
		return x.Select(ctx, s.sql(listKept), []any{folder}, func(_ int, scan func(...any) error) error {
			var name string
			err := scan(&name)
			all = append(all, folder+"/"+name)
			return err
		})
	})
	slices.Sort(all)
	return all, err
}

// Folders names those with a value.
func (s *Store) Folders(ctx context.Context) (all []string, err error) {
	err = s.insist(ctx, "list the values", func(ctx context.Context, x Session) error {
		all = nil
		if _, ok, err := s.head(ctx, x); err != nil || !ok {
			return err
		}
		return x.Select(ctx, s.sql(listFolders), nil, func(_ int, scan func(...any) error) error {
			var folder string
			err := scan(&folder)
			all = append(all, folder)
			return err
		})
	})
	slices.Sort(all)
	return all, err
}

// Check inserts a value and takes it back. Where there are no tables yet, it asks whether they may be made.
func (s *Store) Check(ctx context.Context) error {
	return s.insist(ctx, "see whether a value can be kept", func(ctx context.Context, x Session) error {
		if _, ok, err := s.head(ctx, x); err != nil {
			return err
		} else if ok {
			return x.Select(ctx, s.sql(rehearse), []any{[]byte{0}}, nothing)
		}
		unable, err := s.mayBegin(ctx, x)
		return errors.Join(err, unable)
	})
}

// mayBegin asks whether this login may make the tables, and says why not.
func (s *Store) mayBegin(ctx context.Context, x Session) (unable, err error) {
	err = x.Select(ctx, mayCreate, nil, func(_ int, scan func(...any) error) error {
		var schema, role, table sql.NullInt64
		err := scan(&schema, &role, &table)
		if err == nil && schema.Int64+role.Int64+table.Int64 != 3 {
			unable = s.noRight(errors.New("this login may not create them"))
		}
		return err
	})
	return unable, err
}

// At is where a value is, for people.
func (s *Store) At(name string) string { return name + " in " + s.Place() }
