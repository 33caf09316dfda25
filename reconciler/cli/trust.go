package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/specs"
	"meshrotate/specs/signed"
	"meshrotate/specs/trust"
)

// operatorFile is the environment variable that names an operator's file.
const operatorFile = "MESHROTATE_OPERATOR"

// inForce is the document with the contacts, credentials, programs and state of the trusted side. A plain file is believed as it
// is, unless a side is named; a revision is always held against one, and so is a file of a clone that has something else checked out than
// its remote's default branch.
func (p *program) inForce(ctx context.Context, s *source) (*specs.Deployment, error) {
	d, err := p.trusted(ctx, s)
	if err == nil {
		d.Origin.Files = trust.Files(d)
	}
	return d, err
}

func (p *program) trusted(ctx context.Context, s *source) (*specs.Deployment, error) {
	l := p.loader()
	operator, set := p.io.Env(operatorFile)
	if set && strings.TrimSpace(operator) == "" && s.operator == "" {
		return nil, reconciler.Hinted(fmt.Errorf("%s is set and empty: nobody knows which file was meant; nothing was contacted", operatorFile), "name the operator's file, or unset it")
	}
	operator = cmp.Or(s.operator, operator)
	believed := s.repo == "" && s.base == "" && operator == ""
	if believed {
		var err error
		if s.base, err = cloned(s); err != nil {
			return nil, fmt.Errorf("whether %s is somebody's request: %w; nothing was contacted", orDefault(s.file), err)
		}
		believed, s.assumed = s.base == "", s.base != ""
	}
	d, err := p.written(ctx, l, s)
	if err != nil {
		s.remembers = func() *specs.Deployment {
			if believed {
				return specs.Rest(err)
			}
			return p.agreedTo(ctx, l, s, operator)
		}
		return nil, err
	}
	if believed {
		s.remembers = func() *specs.Deployment { return d }
		d.Origin.Unsigned = signersOfItsOwn(d)
		return d, nil
	}
	if strings.HasPrefix(s.base, "-") {
		return nil, reconciler.Hinted(fmt.Errorf("--base %s: this is no revision", s.base), "name a branch, a tag or a full commit hash")
	}
	s.remembers = func() *specs.Deployment { return remembering(d, nil, nil) }
	tree, err := workTree(s, d, s.base != "")
	if err != nil {
		return nil, fmt.Errorf("%w; no host was contacted", err)
	}
	side, err := p.side(ctx, l, s, tree, operator)
	s.remembers = func() *specs.Deployment { return remembering(d, side.Base, tree) }
	if err != nil {
		return nil, fmt.Errorf("%w; no host was contacted", err)
	}
	at := p.revision(s, d.Origin.Commit)
	if tree != nil {
		at.Repo, at.Path = tree.Root, tree.Path
	}
	signers, err := side.Signers()
	if err != nil {
		return nil, fmt.Errorf("%w; no host was contacted", err)
	}
	if d, err = p.signed(ctx, l, d, at, signers); err != nil {
		return nil, fmt.Errorf("%w; no host was contacted", err)
	}
	if s.text != nil && d.Origin.Unsigned != nil { // it is in no commit yet
		d.Origin.Unsigned = &specs.Doubt{Text: "the next version is in no commit, so no signature says anything about " + d.Origin.File + " with it",
			Hint: "raise the version there yourself, commit it (`git commit -S`), and run this again"}
	}
	bound, err := trust.Bind(l, d, side)
	if err != nil {
		return nil, err
	}
	if err := ownState(bound, tree); err != nil {
		return bound, err
	}
	if !bound.Origin.Unagreed || !slices.ContainsFunc(bound.Origin.Doubts, aboutState) {
		s.remembers = func() *specs.Deployment { return bound }
	}
	return bound, nil
}

// cloned is the branch that the document of a checkout is held against where nobody has named one; "" for a document that is believed.
func cloned(s *source) (string, error) {
	named := orDefault(s.file)
	branch, err := specs.Unagreed(named)
	if err != nil || branch != "" {
		return branch, err
	}
	file := specs.Resolved(named)
	if branch, err = specs.Unagreed(file); branch != "" {
		return "", reconciler.Hinted(fmt.Errorf("it is a link to %s, in a checkout that has something else than %s", file, branch), "name the file itself: -f "+file)
	}
	return branch, err
}

// signersOfItsOwn says so of what would look like protection and is none.
func signersOfItsOwn(d *specs.Deployment) *specs.Doubt {
	if len(d.Policy.TrustedSigners) == 0 {
		return nil
	}
	return &specs.Doubt{Text: "policy.trustedSigners counts where it was agreed to: whoever changes " + d.Origin.File + " can change its signers, too",
		Hint: "name the trusted side with --base REF or --operator FILE, or leave it out"}
}

// signed holds a document's commit against the signers, if any. The document and its files are then those of the commit, whatever
// else is in the work tree.
func (p *program) signed(ctx context.Context, l specs.Loader, d *specs.Deployment, at specs.Git, signers *signed.Signers) (*specs.Deployment, error) {
	if signers == nil {
		return d, nil
	}
	if d.Origin.Commit == "" {
		d.Origin.Unsigned = &specs.Doubt{Text: d.Origin.File + " is not as the commit that is checked out has it, so no signature says anything about it", Hint: "commit it: `git commit -S`"}
		return d, nil
	}
	at.Parents, at.Exact = true, true
	commit, err := at.Commit(ctx)
	if err != nil {
		return nil, err
	}
	committed, err := p.loadRevision(ctx, l, at)
	if err != nil {
		return nil, err
	}
	committed.Origin.File, committed.Origin.Dir = d.Origin.File, d.Origin.Dir
	of := committed.Origin.ReadFile
	committed.Origin.ReadFile = func(name string) ([]byte, error) {
		if filepath.IsAbs(name) && !specs.Passes(name, at.Repo) { // it was never a part of the revision
			return d.Origin.ReadFile(name)
		}
		return of(name)
	}
	if committed.Origin.Signed, err = signers.Commit(commit, p.app.Now()); err != nil {
		hint := "have it signed by one of the trusted signers: `git commit -S`, and the merge, too"
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			hint = "this clone has not the whole history: fetch it (`git fetch --unshallow`; in a pipeline fetch-depth: 0)"
		}
		committed.Origin.Unsigned = &specs.Doubt{Text: err.Error(), Hint: hint}
	}
	return committed, nil
}

// believed says so where nothing but the document itself says who may be contacted.
func (n *opened) believed(show *render.Progress) {
	if o := n.Document.Origin; o.Trust == "" {
		show.Note("everything in " + o.File + " is trusted; --base or --operator takes contacts and credentials from elsewhere")
	}
}

// workTree is where a document's file lies, whose other files are then those of the request; nil for a Git revision.
func workTree(s *source, d *specs.Deployment, repository bool) (*specs.WorkTree, error) {
	if s.repo != "" {
		return nil, nil
	}
	tree, err := specs.FindWorkTree(d.Origin.File)
	if errors.Is(err, specs.ErrNoRepository) && !repository {
		tree, err = specs.Alone(d.Origin.File)
	}
	if err != nil {
		return tree, err
	}
	d.Origin.ReadFile = func(name string) ([]byte, error) { return tree.ReadFile(name, d.Origin.Dir) }
	return tree, tree.AsCheckedOut()
}

// side finds the trusted side.
func (p *program) side(ctx context.Context, l specs.Loader, s *source, tree *specs.WorkTree, operator string) (side trust.Side, err error) {
	base := p.revision(s, s.base)
	if tree != nil {
		base.Repo, base.Path, side.Root = tree.Root, tree.Path, tree.Root
	} else if side.Root, err = base.Checkout(); err != nil {
		return side, err
	}
	if operator != "" {
		if side.Operator, err = trust.LoadOperator(operator, side.Root); err != nil {
			return side, err
		}
	}
	if base.Ref == "" && side.Operator == nil {
		if base.Ref, err = base.DefaultBranch(); err != nil {
			return side, err
		}
	}
	if base.Ref == "" {
		return side, nil
	}
	base.Exact, side.Assumed = true, s.assumed
	if side.Base, err = l.LoadGit(ctx, base); err != nil && s.assumed {
		return side, reconciler.Hinted(fmt.Errorf("the document is held against %s, as no --base was named: %w", base.Ref, err), "merge it there first, or name the base; once it is committed, `--base HEAD` believes the commit that is checked out. Where another branch is the remote's default by now: `git remote set-head origin --auto`")
	} else if err != nil {
		return side, fmt.Errorf("the document that is agreed to: %w", err)
	}
	side.Name = fmt.Sprintf("%s at %.7s", base.Ref, side.Base.Origin.Commit)
	return side, nil
}

// ownState makes sure that a request does not bring a state of its own, nor what runs where one is written to: a repository has hooks.
func ownState(d *specs.Deployment, tree *specs.WorkTree) error {
	if d.State.SQL != nil {
		return nil
	}
	dir := d.State.Dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(d.Origin.Dir, dir)
	}
	if err := notCommitted(dir, tree); err != nil {
		return reconciler.Hinted(fmt.Errorf("the state folder %s: %w; no host was contacted", d.State.Dir, err),
			"name a folder outside the repository as state.dir, there where it is agreed to")
	}
	if g := d.State.Git; g != nil {
		for _, folder := range g.Folders(d.Origin.Dir) {
			if err := notCommitted(folder, tree); err != nil && !ownRepository(folder) {
				return reconciler.Hinted(fmt.Errorf("the repository of the state, %s: %w; no host was contacted", g.Repo, err),
					"name a repository outside of the checkout as state.git.repo, there where it is agreed to")
			}
		}
	}
	return nil
}

// ownRepository says that a folder is a checkout, or its repository: that is none of its files.
func ownRepository(folder string) bool {
	tree, err := specs.FindWorkTree(filepath.Join(folder, "document"))
	return err == nil && slices.Contains([]string{specs.Resolved(tree.Root), specs.Resolved(filepath.Join(tree.Root, ".git"))}, specs.Resolved(folder))
}

// notCommitted makes sure that nothing of a folder is a request's.
func notCommitted(folder string, tree *specs.WorkTree) error {
	full, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	if tree == nil { // it may lie in a checkout of the request
		if tree, err = specs.FindWorkTree(full); errors.Is(err, specs.ErrNoRepository) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	committed, err := tree.Committed(full)
	if err == nil && committed {
		err = errors.New("files of it are committed, so that a request can change them")
	}
	return err
}
