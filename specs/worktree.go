package specs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5"
)

// WorkTree is a document's place in a Git work tree.
type WorkTree struct {
	// Root is the work tree's folder.
	Root string
	// Path is the document's, from there, with slashes.
	Path string
}

// ErrNoRepository says that a file lies in no Git repository.
var ErrNoRepository = errors.New("lies in no Git repository")

// Alone is the folder of a document that lies in no repository, as if it were one.
func Alone(file string) (*WorkTree, error) {
	full, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	w := &WorkTree{Root: filepath.Dir(full), Path: filepath.Base(full)}
	return w, w.Plain(full)
}

// FindWorkTree finds the repository that a document's file lies in. What a request can put in between is refused: symbolic links
// in the document's path, and a submodule, whose branches are its own.
func FindWorkTree(file string) (*WorkTree, error) {
	full, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	return around(filepath.Dir(full), full, file)
}

// around looks for the work tree from a folder upwards. A file is called as whoever named it did.
func around(folder, full, file string) (*WorkTree, error) {
	for dir := folder; ; dir = filepath.Dir(dir) {
		mark := filepath.Join(dir, git.GitDirName)
		info, err := os.Lstat(mark)
		switch {
		case err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeDevice|fs.ModeSocket) != 0:
			return nil, notAFile{mark, false}
		case err == nil && !info.IsDir() && !linkedWorkTree(mark) && within(dir):
			return nil, WithHint(fmt.Errorf("%s lies in the submodule %s, whose branches are not those of the repository around it", file, dir),
				"take the document from a repository of its own with --repo, or keep it outside of submodules")
		case err == nil:
			rel, err := filepath.Rel(dir, full)
			if err != nil {
				return nil, err
			}
			w := &WorkTree{Root: dir, Path: filepath.ToSlash(rel)}
			return w, w.Plain(full)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		case filepath.Dir(dir) == dir:
			return nil, WithHint(fmt.Errorf("%s: %w", file, ErrNoRepository), "--base names a revision of the document's repository")
		}
	}
}

// within says that there is a repository around a folder, or that nobody knows: a file named .git is then that of a submodule. Alone it
// names a repository that lies elsewhere, as `git clone --separate-git-dir` makes it.
func within(dir string) bool {
	if filepath.Dir(dir) == dir {
		return false
	}
	_, err := around(filepath.Dir(dir), dir, dir)
	return !errors.Is(err, ErrNoRepository)
}

// linkedWorkTree says that a file named .git is that of `git worktree add`, and not of a submodule (gitrepository-layout).
func linkedWorkTree(mark string) bool {
	dir, err := gitFolder(mark)
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(dir, "commondir"))
	return err == nil
}

// Plain makes sure that no part of a file's path below the root is a symbolic link, nor the repository's own folder.
func (w *WorkTree) Plain(file string) error {
	rel, err := filepath.Rel(w.Root, file)
	if err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("%s lies outside of %s", file, w.Root)
	}
	if rel == "." {
		return nil // the root itself is nobody's but ours
	}
	at := w.Root
	for _, part := range strings.Split(rel, string(filepath.Separator)) {
		at = filepath.Join(at, part)
		if strings.EqualFold(part, git.GitDirName) || strings.EqualFold(part, "git~1") { // its short name on Windows
			return fmt.Errorf("%s is a part of the repository's own folder", file)
		}
		if info, err := os.Lstat(at); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return WithHint(fmt.Errorf("%s is a symbolic link: where it leads is in the hands of whoever wrote the revision", at), "commit the file itself")
		}
	}
	return nil
}

// ReadFile reads a file that a request's document refers to: one of its own work tree, or one outside by its full path.
func (w *WorkTree) ReadFile(name, dir string) ([]byte, error) {
	if filepath.IsAbs(name) && !Passes(name, w.Root) {
		return ReadReferred(name)
	}
	full := name
	if !filepath.IsAbs(name) {
		full = filepath.Join(dir, name)
	}
	full, err := filepath.Abs(full)
	if err != nil {
		return nil, err
	}
	if err := w.Plain(full); err != nil {
		return nil, err
	}
	data, err := ReadReferred(full)
	if err == nil {
		err = w.asAdded(full, data)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// Committed says that something of the folder is a part of the revision that is checked out: then it is not only ours.
func (w *WorkTree) Committed(folder string) (bool, error) {
	rel, err := filepath.Rel(w.Root, folder)
	switch {
	case err == nil && filepath.IsLocal(rel):
		if err := w.Plain(folder); err != nil {
			return true, err
		}
	case !Passes(folder, w.Root):
		return false, nil
	case !Inside(folder, w.Root):
		return true, fmt.Errorf("%s is reached by a link among the files of %s", folder, w.Root)
	default: // a way in from outside
		if rel, err = filepath.Rel(Resolved(w.Root), Resolved(folder)); err != nil {
			return false, err
		}
	}
	repo, err := openAt(w.Root, false)
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	index, err := indexOf(repo)
	if err != nil {
		return false, err
	}
	rel = filepath.ToSlash(rel)
	for _, e := range index.Entries {
		if rel == "." || strings.EqualFold(e.Name, rel) || len(e.Name) > len(rel) && strings.EqualFold(e.Name[:len(rel)+1], rel+"/") {
			return true, nil
		}
	}
	return false, nil
}

// WithHint is an error with what to do about it.
func WithHint(err error, hint string) error { return hinted{err, hint} }

type hinted struct {
	error
	hint string
}

func (h hinted) Hint() string  { return h.hint }
func (h hinted) Unwrap() error { return h.error }
