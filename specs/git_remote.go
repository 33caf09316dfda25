package specs

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/go-git/go-git/v5/storage/memory"
)

// Commit finds the revision, wherever the repository is.
func (g Git) Commit(ctx context.Context) (*object.Commit, error) {
	if err := g.checkRepo(); err != nil {
		return nil, err
	}
	if folder, local := g.folder(); local {
		commit, err := g.local(folder)
		if err != nil {
			return nil, fmt.Errorf("repository %s: revision %s: %w", folder, cmp.Or(g.Ref, "HEAD"), err)
		}
		return commit, nil
	}
	commit, err := g.remote(ctx)
	if err != nil {
		return nil, fmt.Errorf("repository %s: revision %s: %w", g.Repo, cmp.Or(g.Ref, "HEAD"), err)
	}
	return commit, nil
}

// scpForm is user@host:path, as git has it.
var scpForm = form(`^([A-Za-z0-9._-]+@)?[A-Za-z0-9._-]+:[^\\]`)

// checkRepo refuses a password in the URL without repeating it, and what would travel in clear.
func (g Git) checkRepo() error {
	if g.Repo == "" {
		return fmt.Errorf("no repository is named")
	}
	if !strings.Contains(g.Repo, "://") {
		if _, err := os.Stat(g.Repo); err != nil && !scpForm().MatchString(g.Repo) {
			return fmt.Errorf("repository: %w", err)
		}
		return nil
	}
	return g.checkURL()
}

// checkURL is checkRepo but for folders, which need not be there.
func (g Git) checkURL() error {
	if !strings.Contains(g.Repo, "://") {
		return nil
	}
	u, err := url.Parse(g.Repo)
	if err != nil {
		return fmt.Errorf("the repository's URL cannot be read")
	}
	_, password := u.User.Password()
	switch {
	case password || u.User != nil && u.Scheme != "ssh":
		return fmt.Errorf("the repository's URL must not hold a user's password or token: command lines and logs show it")
	case u.Scheme == "http" && !Loopback(u.Host):
		return fmt.Errorf("repository %s: http is neither secret nor authentic; use https or ssh", g.Repo)
	case !slices.Contains([]string{"http", "https", "ssh", "file"}, u.Scheme):
		return fmt.Errorf("repository %s: %s is not supported; use https, ssh or a local folder", g.Repo, u.Scheme)
	}
	return nil
}

func (g Git) local(folder string) (*object.Commit, error) {
	repo, err := open(folder)
	if err != nil {
		return nil, err
	}
	if g.Exact {
		return exactly(repo, g.Ref)
	}
	hash, err := repo.ResolveRevision(plumbing.Revision(cmp.Or(g.Ref, "HEAD")))
	if err != nil {
		return nil, err
	}
	return peel(repo, *hash)
}

// fetched is the name, in memory, of what was fetched.
const fetched = "refs/meshrotate/fetched"

func (g Git) remote(ctx context.Context) (*object.Commit, error) {
	auth, err := g.Auth()
	if err != nil {
		return nil, err
	}
	repo, err := git.Init(memory.NewStorage(), nil)
	if err != nil {
		return nil, err
	}
	remote, err := repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{g.Repo}})
	if err != nil {
		return nil, err
	}
	refs, err := remote.ListContext(ctx, &git.ListOptions{Auth: auth, CABundle: g.CAs})
	if err != nil {
		return nil, err
	}
	if plumbing.IsHash(g.Ref) {
		return g.fetchHash(ctx, repo, auth)
	}
	name, err := pick(refs, g.Ref)
	if err != nil {
		return nil, err
	}
	if err := g.fetch(ctx, repo, auth, g.depth(), name+":"+fetched); err != nil {
		if ctx.Err() != nil || g.fetch(ctx, repo, auth, 0, name+":"+fetched) != nil { // not every server can be shallow
			return nil, err
		}
	}
	ref, err := repo.Reference(fetched, true)
	if err != nil {
		return nil, err
	}
	return peel(repo, ref.Hash())
}

// fetchHash asks for one commit. A server that gives only its branches and tags is asked for all of them.
func (g Git) fetchHash(ctx context.Context, repo *git.Repository, auth transport.AuthMethod) (*object.Commit, error) {
	hash := strings.ToLower(g.Ref)
	if err := g.fetch(ctx, repo, auth, g.depth(), hash+":"+fetched); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		if err := g.fetch(ctx, repo, auth, 0, "+refs/heads/*:refs/meshrotate/heads/*", "+refs/tags/*:refs/meshrotate/tags/*"); err != nil {
			return nil, err
		}
	}
	return peel(repo, plumbing.NewHash(hash))
}

// depth is how many commits are fetched, 0 for all.
func (g Git) depth() int {
	if g.Parents {
		return 0
	}
	return 1
}

func (g Git) fetch(ctx context.Context, repo *git.Repository, auth transport.AuthMethod, depth int, specs ...string) error {
	options := &git.FetchOptions{RemoteName: "origin", Auth: auth, CABundle: g.CAs, Depth: depth, Tags: git.NoTags}
	for _, spec := range specs {
		options.RefSpecs = append(options.RefSpecs, config.RefSpec(spec))
	}
	return repo.FetchContext(ctx, options)
}

// pick finds the one reference that a short name means.
func pick(refs []*plumbing.Reference, name string) (string, error) {
	if name == "" {
		name = "HEAD"
	}
	var found []string
	for _, ref := range refs {
		if full := ref.Name().String(); full == name || full == "refs/heads/"+name || full == "refs/tags/"+name {
			found = append(found, full)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("the repository has no such branch or tag; a commit needs all 40 digits")
	}
	return "", fmt.Errorf("this may be %s; write one of them in full", strings.Join(found, " or "))
}

// Auth is how to sign in: nil for https without a password, and for a folder.
func (g Git) Auth() (transport.AuthMethod, error) {
	endpoint, err := transport.NewEndpoint(g.Repo)
	if err != nil {
		return nil, fmt.Errorf("the repository's URL cannot be read")
	}
	user := cmp.Or(g.User, endpoint.User, "git")
	if endpoint.Protocol != "ssh" {
		if endpoint.Protocol == "file" {
			return nil, nil
		}
		if g.Password.IsZero() {
			return nil, nil
		}
		return &http.BasicAuth{Username: user, Password: string(g.Password.Expose())}, nil
	}
	var files []string
	if g.KnownHosts != "" {
		if _, err := readFile(g.KnownHosts, maxBytes+1); err != nil { // the library passes over what is not there, and would wait for a pipe
			return nil, fmt.Errorf("known SSH hosts: %w", err)
		}
		files = []string{g.KnownHosts}
	}
	known, err := ssh.NewKnownHostsCallback(files...)
	if err != nil {
		return nil, fmt.Errorf("known SSH hosts: %w", err)
	}
	if g.SSHKey.IsZero() {
		agent, err := ssh.NewSSHAgentAuth(user)
		if err != nil {
			return nil, fmt.Errorf("no SSH key was given, and the SSH agent cannot be asked: %w", err)
		}
		agent.HostKeyCallback = known
		return agent, nil
	}
	key, err := ssh.NewPublicKeys(user, g.SSHKey.Expose(), "")
	if err != nil {
		return nil, fmt.Errorf("the SSH key cannot be read: it must be a private key without a passphrase")
	}
	key.HostKeyCallback = known
	return key, nil
}
