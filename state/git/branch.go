package git

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"meshrotate/state"
)

// How long one attempt may take; for how long a failing connection is tried anew; how long between; and how often a server may
// refuse a commit that follows from what it has, before its word counts: two pushes at once stand in each other's way.
var attempt = 30 * time.Second // a test's is shorter

const (
	patience  = 15 * time.Second
	firstWait = 100 * time.Millisecond
	mostWait  = 2 * time.Second
	refusals  = 5
)

// branch is one branch, as far as it is known. Whoever has its turn uses it.
type branch struct {
	remote *remote
	name   plumbing.ReferenceName
	turn   chan struct{}
	known  *tip // nil before the first look
}

func newBranch(r *remote, name string) *branch {
	return &branch{remote: r, name: plumbing.NewBranchReferenceName(name), turn: make(chan struct{}, 1)}
}

// tip is a branch at one commit. Zero hash: there is no such branch yet.
type tip struct {
	repo  *git.Repository
	hash  plumbing.Hash
	files map[string]plumbing.Hash
}

// read returns a file.
func (t *tip) read(name string) (content []byte, ok bool, err error) {
	hash, ok := t.files[name]
	if !ok {
		return nil, false, nil
	}
	content, err = contentOf(t.repo, hash)
	return content, err == nil, err
}

// change is what a commit does: the files that it writes, or removes where there is no content. None: there is nothing to do.
type change struct {
	files   map[string][]byte
	message string
}

// look runs do on the branch as it is now.
func (b *branch) look(ctx context.Context, what string, do func(t *tip) error) error {
	return b.insist(ctx, what, func(ctx context.Context) error {
		t, err := b.fetch(ctx)
		if err != nil {
			return err
		}
		return final(do(t))
	})
}

// change makes a commit on top of the branch and pushes it, and makes it anew whenever somebody else was faster. What was sent
// may be there although no answer came: so make has to look.
func (b *branch) change(ctx context.Context, what string, make func(t *tip) (change, error)) error {
	refused := 0
	return b.insist(ctx, what, func(ctx context.Context) error {
		for {
			t, err := b.fetch(ctx)
			if err != nil {
				return err
			}
			c, err := make(t)
			if err != nil || len(c.files) == 0 {
				return final(err)
			}
			next, err := b.commit(t, c)
			if err != nil {
				return final(err)
			}
			pushed := b.remote.push(context.WithoutCancel(ctx), next, b.name, t.hash)
			if pushed == nil {
				b.known = next
				return nil
			}
			b.known = nil
			there, err := b.remote.list(ctx, b.name)
			switch {
			case err != nil:
				return err
			case there == next.hash:
				b.known = next
				return nil
			case there == t.hash: // nobody was faster
				if refused++; refused == refusals {
					return final(&hinted{fmt.Errorf("%s does not take the commit: %w", b.name.Short(), pushed), "see that this credential may push to it, and that no rule of the server forbids it"})
				}
				if err := pause(ctx, time.Duration(refused)*firstWait); err != nil {
					return err
				}
			}
		}
	})
}

// fetch is the branch as it is now. What is known of it is not fetched again.
func (b *branch) fetch(ctx context.Context) (*tip, error) {
	hash, err := b.remote.list(ctx, b.name)
	if err != nil {
		return nil, err
	}
	if b.known != nil && b.known.hash == hash {
		return b.known, nil
	}
	b.known = nil
	t, err := b.remote.fetch(ctx, b.name, hash)
	if err == nil {
		b.known = t
	}
	return t, err
}

// commit makes the commit, here.
func (b *branch) commit(on *tip, c change) (*tip, error) {
	next := &tip{repo: on.repo, files: maps.Clone(on.files)}
	for name, content := range c.files {
		if content == nil {
			delete(next.files, name)
			continue
		}
		hash, err := put(on.repo, plumbing.BlobObject, func(o plumbing.EncodedObject) error { return write(o, content) })
		if err != nil {
			return nil, err
		}
		next.files[name] = hash
	}
	tree, err := putTree(on.repo, next.files, "")
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	who := object.Signature{Name: "meshrotate", Email: "meshrotate@" + host, When: time.Now()}
	o := object.Commit{Author: who, Committer: who, Message: c.message + "\n", TreeHash: tree}
	if !on.hash.IsZero() {
		o.ParentHashes = []plumbing.Hash{on.hash}
	}
	next.hash, err = put(on.repo, plumbing.CommitObject, o.Encode)
	if err == nil {
		err = on.repo.Storer.SetReference(plumbing.NewHashReference(b.name, next.hash))
	}
	return next, err
}

// putTree writes the tree of the files below a folder.
func putTree(repo *git.Repository, files map[string]plumbing.Hash, folder string) (plumbing.Hash, error) {
	var t object.Tree
	done := map[string]bool{}
	for name, hash := range files {
		rest, below := strings.CutPrefix(name, folder)
		first, _, deeper := strings.Cut(rest, "/")
		switch {
		case !below || done[first]:
			continue
		case !deeper:
			t.Entries = append(t.Entries, object.TreeEntry{Name: first, Mode: filemode.Regular, Hash: hash})
		default:
			sub, err := putTree(repo, files, folder+first+"/")
			if err != nil {
				return sub, err
			}
			t.Entries = append(t.Entries, object.TreeEntry{Name: first, Mode: filemode.Dir, Hash: sub})
		}
		done[first] = true
	}
	slices.SortFunc(t.Entries, func(a, b object.TreeEntry) int { return strings.Compare(sortable(a), sortable(b)) })
	return put(repo, plumbing.TreeObject, t.Encode)
}

// sortable is how git orders a tree: a folder as if its name ended with a slash.
func sortable(e object.TreeEntry) string {
	if e.Mode == filemode.Dir {
		return e.Name + "/"
	}
	return e.Name
}

// finalError is one that no other attempt changes.
type finalError struct{ error }

func (f finalError) Unwrap() error { return f.error }

func final(err error) error {
	if err == nil {
		return nil
	}
	return finalError{err}
}

// passes says that another attempt may do better.
func passes(err error) bool {
	var f finalError
	var ca x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	for _, never := range []error{transport.ErrAuthenticationRequired, transport.ErrAuthorizationFailed, transport.ErrInvalidAuthMethod, transport.ErrRepositoryNotFound} {
		if errors.Is(err, never) {
			return false
		}
	}
	return !errors.As(err, &f) && !errors.As(err, &ca) && !errors.As(err, &name) && !errors.As(err, &invalid)
}

// insist runs do while it has the branch's turn, and again while the server is away. Who was never reached is not waited for: a
// wrong name is told at once.
func (b *branch) insist(ctx context.Context, what string, do func(context.Context) error) error {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	defer func() { <-b.turn }()
	until := time.Now().Add(patience)
	for wait := firstWait; ; wait = min(2*wait, mostWait) {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
		one, cancel := context.WithTimeout(ctx, attempt)
		err := do(one)
		cancel()
		var f finalError
		var moved *movedError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &f):
			return fmt.Errorf("%s: %w", what, f.error)
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		case errors.As(err, &moved):
			return &hinted{fmt.Errorf("%s: %s: %w", what, b.remote.config.URL, moved), "where the repository has moved, name its new address in state.git.repo"}
		case !passes(err):
			return &hinted{fmt.Errorf("%s: %s: %w", what, b.remote.config.URL, err), "see state.git: the repository's name, the token or key, and what they may do there"}
		case !b.remote.reached.Load() || time.Now().Add(wait).After(until):
			return &state.AwayError{Err: fmt.Errorf("%s: %s: %w", what, b.remote.config.URL, err)}
		}
		_ = pause(ctx, wait)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
