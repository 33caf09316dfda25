package specs

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Unagreed is the default branch of the remote that a document's checkout was cloned from, where Git has something else checked out, or has put
// files of something else beside it: that may be anybody's request. It is "" outside of a clone, and of a file that Git does not know; where
// the clone does not say which branch that is, nobody knows. What somebody has written over a file is their own. A link on the way may be a request's, and
// lead out of its checkout: each work tree around the file is asked.
func Unagreed(file string) (branch string, err error) {
	full, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	for dir := filepath.Dir(full); ; {
		tree, err := around(dir, full, file)
		if errors.Is(err, ErrNoRepository) {
			return "", nil
		}
		if tree == nil {
			return "", err
		}
		if branch, err := tree.unagreed(err != nil); err != nil || branch != "" {
			return branch, err
		}
		if dir = filepath.Dir(tree.Root); dir == tree.Root {
			return "", nil
		}
	}
}

// unagreed is that of one work tree. Led says that the file is reached by a link, or is otherwise no plain one in it.
func (w *WorkTree) unagreed(led bool) (string, error) {
	repo, err := openAt(w.Root, false)
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if !led {
		if entry, err := entryOf(repo, w.Path); err != nil || entry == nil {
			return "", err
		}
	}
	from, err := remoteOf(repo)
	if err != nil {
		return "", err
	}
	if from == "" {
		return besideMain(repo)
	}
	named, err := repo.Reference(plumbing.NewRemoteHEADReferenceName(from), false)
	if err == nil && named.Type() == plumbing.SymbolicReference && named.Target().IsRemote() {
		agreed, err := repo.Reference(named.Target(), true)
		if err == nil {
			return w.heldAgainst(repo, agreed)
		}
	}
	if err != nil && !errors.Is(err, plumbing.ErrReferenceNotFound) {
		return "", err
	}
	return "", WithHint(fmt.Errorf("the clone in %s does not say which branch of its remote is the default one, or has not fetched it: a request that is checked out there cannot be told from what is agreed to", w.Root),
		fmt.Sprintf("`git fetch %[1]s` and `git remote set-head %[1]s --auto`, once; or name the revision whose contacts are agreed to: --base refs/remotes/%[1]s/BRANCH; `--base HEAD` believes the commit that is checked out", from))
}

// besideMain is the one main branch of a repository without a remote, where another commit is checked out.
func besideMain(repo *git.Repository) (string, error) {
	main, err := mainBranch(repo)
	if err != nil || main == "" {
		return "", err
	}
	agreed, err := repo.Reference(main, true)
	if err != nil {
		return "", err
	}
	if head, err := repo.Head(); err != nil || head.Hash() != agreed.Hash() {
		return main.String(), ignoring(err, plumbing.ErrReferenceNotFound)
	}
	return "", nil
}

// heldAgainst is the name of the agreed branch, where something else is checked out.
func (w *WorkTree) heldAgainst(repo *git.Repository, agreed *plumbing.Reference) (string, error) {
	branch := agreed.Name().String()
	head, err := repo.Head()
	if err != nil || head.Hash() != agreed.Hash() { // a branch without a commit has no head
		return branch, ignoring(err, plumbing.ErrReferenceNotFound)
	}
	as, err := asCommitted(repo, head.Hash())
	if err == nil && as {
		as, err = w.typed(repo)
	}
	if err != nil || as {
		return "", err
	}
	return branch, nil
}

// typed says that the document is as the index has it, or that Git has no such text: `git restore --source=REQUEST FILE` writes another
// revision's, and leaves the index as it is.
func (w *WorkTree) typed(repo *git.Repository) (bool, error) {
	entry, err := entryOf(repo, w.Path)
	if err != nil || entry == nil {
		return err == nil, err
	}
	text, err := ReadReferred(filepath.Join(w.Root, filepath.FromSlash(w.Path)))
	if err != nil {
		return false, err
	}
	for _, text := range [][]byte{text, unixLines(text)} {
		hash := plumbing.ComputeHash(plumbing.BlobObject, text)
		if hash == entry.Hash {
			return true, nil
		}
		if repo.Storer.HasEncodedObject(hash) == nil {
			return false, nil
		}
	}
	return true, nil
}

func ignoring(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

// asCommitted says that the index has the files of a commit, and no others. `git checkout REQUEST -- FILE` puts those of another there.
func asCommitted(repo *git.Repository, hash plumbing.Hash) (bool, error) {
	index, err := indexOf(repo)
	if err != nil {
		return false, err
	}
	commit, err := repo.CommitObject(hash)
	if err != nil {
		return false, err
	}
	tree, err := commit.Tree()
	if err != nil {
		return false, err
	}
	type file struct {
		mode filemode.FileMode
		hash plumbing.Hash
	}
	committed := map[string]file{}
	walk := object.NewTreeWalker(tree, true, nil)
	defer walk.Close()
	for {
		name, entry, err := walk.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, fmt.Errorf("the files of commit %.7s: %w", hash, err)
		}
		if entry.Mode != filemode.Dir {
			committed[name] = file{entry.Mode, entry.Hash}
		}
	}
	for _, e := range index.Entries {
		if was, found := committed[e.Name]; !found || was != (file{e.Mode, e.Hash}) {
			return false, nil
		}
	}
	return len(index.Entries) == len(committed), nil
}
