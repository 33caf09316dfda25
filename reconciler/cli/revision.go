package cli

import (
	"cmp"
	"context"

	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// revision is the document of --repo at a revision.
func (p *program) revision(s *source, ref string) specs.Git {
	g := specs.Git{Repo: s.repo, Ref: ref, Path: cmp.Or(s.path, defaultFile)}
	if token := p.io.env(specs.GitToken); token != "" {
		g.Password = secret.New([]byte(token))
	}
	return g
}

// loadRevision reads the document from a Git revision.
func (p *program) loadRevision(ctx context.Context, l specs.Loader, g specs.Git) (*specs.Deployment, error) {
	d, err := l.LoadGit(ctx, g)
	if err != nil && len(specs.Problems(err)) == 0 {
		return nil, withHint(err, "--repo names the repository, --ref a branch, a tag or a commit in it, --path the document; "+
			"a token for https:// is taken from "+specs.GitToken)
	}
	return d, err
}
