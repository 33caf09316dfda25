package specs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5"
)

// openAt opens the repository in a folder, or with detect around it. What git keeps there must be files: a FIFO in the place of one
// would be waited for without end.
func openAt(folder string, detect bool) (*git.Repository, error) {
	for dir := folder; ; dir = filepath.Dir(dir) {
		is, err := plainGit(dir)
		if err != nil {
			return nil, err
		}
		if is || !detect || filepath.Dir(dir) == dir {
			return git.PlainOpenWithOptions(folder, &git.PlainOpenOptions{DetectDotGit: detect, EnableDotGitCommonDir: true})
		}
	}
}

// plainGit looks at what git reads first of the repository in a folder. Is says that there is one, in it or as it.
func plainGit(folder string) (is bool, err error) {
	root := filepath.Join(folder, git.GitDirName)
	info, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		root = folder // it may be a bare one
	case err != nil:
		return false, err
	case !info.IsDir():
		return true, regular(root, info)
	default:
		is = true
	}
	for _, name := range []string{"HEAD", "config", "packed-refs", "index", "shallow", "commondir"} {
		path := filepath.Join(root, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			if err := regular(path, info); err != nil {
				return is, err
			}
		}
	}
	return is, filepath.WalkDir(filepath.Join(root, "refs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // git says what is wrong with it, or it is none
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil
		}
		return regular(path, info)
	})
}

func regular(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return notAFile{path, info.IsDir()}
	}
	return nil
}
