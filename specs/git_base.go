package specs

import (
	"errors"
	"fmt"
	"os"
	"slices"
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
	for _, rule := range plumbing.RefRevParseRules {
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
// cloned from has as its default branch; without a remote main or master; of a repository elsewhere its HEAD.
func (g Git) DefaultBranch() (string, error) {
	folder := strings.TrimPrefix(g.Repo, "file://")
	if _, err := os.Stat(folder); err != nil && folder == g.Repo {
		return "HEAD", nil
	}
	repo, err := open(folder)
	if err != nil {
		return "", fmt.Errorf("repository %s: %w", folder, err)
	}
	if head, err := repo.Reference("refs/remotes/origin/HEAD", false); err == nil && head.Type() == plumbing.SymbolicReference {
		return head.Target().String(), nil
	}
	refs, err := repo.References()
	if err != nil {
		return "", err
	}
	var names []plumbing.ReferenceName
	err = refs.ForEach(func(r *plumbing.Reference) error { names = append(names, r.Name()); return nil })
	if err != nil {
		return "", err
	}
	cloned := slices.ContainsFunc(names, plumbing.ReferenceName.IsRemote) // then a branch called main may be anybody's
	for _, name := range []plumbing.ReferenceName{"refs/heads/main", "refs/heads/master"} {
		if !cloned && slices.Contains(names, name) {
			return name.String(), nil
		}
	}
	return "", WithHint(fmt.Errorf("repository %s: it does not say which branch is its default", folder),
		"name the revision whose contacts are agreed to: --base refs/remotes/origin/main; or `git remote set-head origin --auto`")
}

// open opens a repository, bare or not, in the folder or around it.
func open(folder string) (*git.Repository, error) {
	repo, err := git.PlainOpenWithOptions(folder, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	if err != nil {
		repo, err = git.PlainOpenWithOptions(folder, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	}
	return repo, err
}
