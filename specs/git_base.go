package specs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// exactly finds the one reference that a name means, or the commit of a full hash.
func exactly(repo *git.Repository, name string) (*object.Commit, error) {
	if plumbing.IsHash(name) {
		return peel(repo, plumbing.NewHash(name))
	}
	var found []*plumbing.Reference
	rules := plumbing.RefRevParseRules
	if strings.HasPrefix(name, "refs/") {
		rules = []string{"%s"} // in full: no other can be meant
	}
	for _, rule := range rules {
		full := plumbing.ReferenceName(fmt.Sprintf(rule, name))
		if full.Validate() != nil || full != plumbing.HEAD && !strings.HasPrefix(full.String(), "refs/") {
			continue // else other files of the repository's own folder would be taken for references
		}
		ref, err := repo.Reference(full, true)
		if errors.Is(err, plumbing.ErrReferenceNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, plumbing.NewHashReference(full, ref.Hash()))
	}
	switch {
	case len(found) == 0:
		return nil, WithHint(fmt.Errorf("there is no such branch, tag or full commit hash here"),
			"fetch it first, such as by `git fetch origin main`; a checkout in a pipeline often holds one branch only")
	case len(found) > 1:
		var names []string
		for _, r := range found {
			names = append(names, r.Name().String())
		}
		return nil, WithHint(fmt.Errorf("this may be %s", strings.Join(names, " or ")), "write one of them in full")
	}
	return peel(repo, found[0].Hash())
}

// DefaultBranch names what a repository's documents are held against where nobody has named a base: what the remote it was
// cloned from has as its default branch; without a remote main or master, or the HEAD of a bare one, which nobody can push; of a
// repository elsewhere its HEAD.
func (g Git) DefaultBranch() (string, error) {
	folder, local := g.folder()
	if !local {
		return "HEAD", nil
	}
	repo, err := open(folder)
	if err != nil {
		return "", fmt.Errorf("repository %s: %w", folder, err)
	}
	from, err := remoteOf(repo)
	if err != nil {
		return "", err
	}
	if head, err := repo.Reference(plumbing.NewRemoteHEADReferenceName(from), false); from != "" && err == nil && head.Type() == plumbing.SymbolicReference {
		return head.Target().String(), nil
	}
	config, err := repo.Config()
	if err != nil {
		return "", err
	}
	if from == "" { // else a branch called main may be anybody's
		if head, err := repo.Reference(plumbing.HEAD, false); err == nil && config.Core.IsBare && head.Type() == plumbing.SymbolicReference {
			if _, err := repo.Reference(head.Target(), false); err != nil {
				return "", WithHint(fmt.Errorf("repository %s: its HEAD is %s, and there is no such branch", folder, head.Target()),
					"name the revision whose contacts are agreed to: --base refs/heads/BRANCH; or say there which branch is its default: `git symbolic-ref HEAD refs/heads/BRANCH`")
			}
			return head.Target().String(), nil
		}
		if main, err := mainBranch(repo); err != nil || main != "" {
			return main.String(), err
		}
	}
	return "", WithHint(fmt.Errorf("repository %s: it does not say which branch is its default", folder),
		"name the revision whose contacts are agreed to: --base refs/remotes/origin/main; or `git remote set-head origin --auto`")
}

// mainBranch is main or master, where there is one of them.
func mainBranch(repo *git.Repository) (found plumbing.ReferenceName, err error) {
	for _, name := range []plumbing.ReferenceName{"refs/heads/main", "refs/heads/master"} {
		switch _, err := repo.Reference(name, false); {
		case errors.Is(err, plumbing.ErrReferenceNotFound):
		case err != nil:
			return "", err
		case found != "":
			return "", nil
		default:
			found = name
		}
	}
	return found, nil
}

// remoteOf names the remote that a repository comes from: origin, unless another is the only one. It is "" where there is none. A job that fetched
// a single commit has a remote, and no branch of it.
func remoteOf(repo *git.Repository) (string, error) {
	const usual = git.DefaultRemoteName
	config, err := repo.Config()
	if err != nil {
		return "", err
	}
	if _, found := config.Remotes[usual]; !found && len(config.Remotes) == 1 {
		for name := range config.Remotes {
			return name, nil
		}
	}
	if len(config.Remotes) > 0 {
		return usual, nil
	}
	if on, ok := repo.Storer.(extended); ok {
		if _, err := on.Filesystem().Stat("FETCH_HEAD"); err == nil { // from an address that is named nowhere
			return usual, nil
		}
	}
	refs, err := repo.References()
	if err != nil {
		return "", err
	}
	from := ""
	err = refs.ForEach(func(r *plumbing.Reference) error {
		if r.Name().IsRemote() {
			from = usual
		}
		return nil
	})
	return from, err
}

// folder is a local repository's; false for one elsewhere.
func (g Git) folder() (string, bool) {
	folder := strings.TrimPrefix(g.Repo, "file://")
	_, err := os.Stat(folder)
	return folder, err == nil || folder != g.Repo
}

// Checkout is the root of the work tree that a local repository's folder is, or lies in; "" for a bare one and for one elsewhere.
func (g Git) Checkout() (string, error) {
	folder, local := g.folder()
	if !local {
		return "", nil
	}
	return checkout(folder)
}

func checkout(folder string) (string, error) {
	full, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	if filepath.Base(full) == git.GitDirName { // that of a work tree is named by itself
		full = filepath.Dir(full)
	}
	tree, err := around(full, full, folder)
	if errors.Is(err, ErrNoRepository) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return tree.Root, nil
}

// open opens a repository, bare or not, in the folder or around it. A bare one within a work tree is refused: whoever proposes a
// revision can commit all the files of one, with branches of their own making.
func open(folder string) (*git.Repository, error) {
	root, err := checkout(folder)
	if err != nil {
		return nil, WithHint(err, "name the root of a checkout, or a bare repository outside of any")
	}
	if root == "" {
		return openAt(folder, false)
	}
	full, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	if full != root && full != filepath.Join(root, git.GitDirName) {
		if _, err := openAt(full, false); err == nil {
			return nil, WithHint(fmt.Errorf("it is a repository among the files of %s, where a request can put it", root),
				"name "+root+", or a repository outside of any checkout")
		}
	}
	return openAt(root, false)
}
