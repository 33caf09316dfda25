package specs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing/cache"
	gitindex "github.com/go-git/go-git/v5/plumbing/format/index"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"
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
			repo, err := openIn(dir)
			if foreign(err) {
				err = WithHint(fmt.Errorf("the Git repository in %s: %w", dir, err), "clone it again in git's usual form (`git clone`), name where it comes from with --repo and --ref, or keep the document in a folder outside of it")
			}
			return repo, err
		}
	}
}

// foreign says that go-git knows what is there, and not how to read it.
func foreign(err error) bool {
	return errors.Is(err, git.ErrUnknownExtension) || errors.Is(err, git.ErrUnsupportedRepositoryFormatVersion) || errors.Is(err, git.ErrUnsupportedExtensionRepositoryFormatVersion)
}

// openIn opens the repository in a folder, or the bare one that it is, as git.PlainOpen does. It takes the objects that another folder
// lends (`git clone --reference`), and opens one with settings that go-git does not know, as far as they change nothing in how it is read.
func openIn(dir string) (*git.Repository, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	folder, tree := filepath.Join(dir, git.GitDirName), billy.Filesystem(osfs.New(dir))
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		folder, tree = dir, nil
	case err == nil && !info.IsDir():
		folder, err = gitFolder(folder)
	}
	if err != nil && tree != nil {
		return nil, err
	}
	if _, err := os.Stat(folder); err != nil {
		return nil, git.ErrRepositoryNotExists
	}
	files := billy.Filesystem(osfs.New(folder))
	common, err := ReadReferred(filepath.Join(folder, "commondir"))
	if err == nil {
		at := strings.TrimSpace(string(common))
		if !filepath.IsAbs(at) {
			at = filepath.Join(folder, at)
		}
		files = dotgit.NewRepositoryFilesystem(files, osfs.New(at))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	disk := filepath.VolumeName(folder) + string(filepath.Separator)
	storage := filesystem.NewStorageWithOptions(files, cache.NewObjectLRUDefault(), filesystem.Options{AlternatesFS: osfs.New(disk)})
	return git.Open(extended{storage}, tree)
}

// gitFolder is where a file in the place of a repository's folder says that it is.
func gitFolder(mark string) (string, error) {
	text, err := ReadReferred(mark)
	if err != nil {
		return "", err
	}
	dir, found := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: ")
	if !found {
		return "", fmt.Errorf("%s does not say where the repository is", mark)
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(filepath.Dir(mark), dir)
	}
	return dir, nil
}

// extended is a repository's storage whose configuration names none of the extensions that reading does not need: a sparse checkout keeps
// some of its configuration in a file of its own, a partial clone fetches what it lacks.
type extended struct{ *filesystem.Storage }

func (e extended) Config() (*config.Config, error) {
	c, err := e.Storage.Config()
	if err == nil {
		c.Raw.Section("extensions").RemoveOption("worktreeConfig").RemoveOption("partialClone")
	}
	return c, err
}

// indexOf is what Git has of the work tree.
func indexOf(repo *git.Repository) (*gitindex.Index, error) {
	index, err := repo.Storer.Index()
	if err != nil {
		return nil, WithHint(fmt.Errorf("git's index of the work tree cannot be read: %w", err),
			"it is in a form that is not known here, such as a split or a sparse one: `git update-index --no-split-index`, `git sparse-checkout reapply --no-sparse-index`; or name the repository with --repo and --ref")
	}
	return index, nil
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
