package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/memory"
)

// remote is the repository elsewhere.
type remote struct {
	config  Config
	reached atomic.Bool // it has answered once

	mu   sync.Mutex
	auth transport.AuthMethod
	cas  []byte
	got  bool
}

// signIn is asked once: a source may be slow, or a person.
func (r *remote) signIn(ctx context.Context) (transport.AuthMethod, []byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.got {
		return r.auth, r.cas, nil
	}
	var err error
	if r.config.CAs != nil {
		if r.cas, err = r.config.CAs(); err != nil {
			return nil, nil, final(err)
		}
	}
	if r.config.Auth != nil {
		if r.auth, err = r.config.Auth(ctx); err != nil {
			return nil, nil, final(err)
		}
	}
	r.got = true
	return r.auth, r.cas, nil
}

const origin = "origin"

func (r *remote) remote() *config.RemoteConfig {
	return &config.RemoteConfig{Name: origin, URLs: []string{r.config.URL}}
}

// stays marks requests that no other server may answer: what is read there would be taken for the record. No credential goes to another
// server anyway.
type stays struct{}

func init() {
	c := githttp.NewClient(&http.Client{Transport: http.DefaultTransport, CheckRedirect: func(to *http.Request, via []*http.Request) error {
		from := via[0]
		same := to.URL.Host == from.URL.Host || to.URL.Hostname() == from.URL.Hostname() && from.URL.Scheme == "http" && from.URL.Port() == "" && to.URL.Port() == ""
		if from.Context().Value(stays{}) != nil && !same {
			return &movedError{to.URL.Scheme + "://" + to.URL.Host}
		}
		return nil
	}})
	client.InstallProtocol("http", c)
	client.InstallProtocol("https", c)
}

// movedError says that the server sends whoever asks to another one.
type movedError struct{ to string }

func (m *movedError) Error() string {
	return fmt.Sprintf("it sends whoever asks to %q, another server: that is refused", m.to)
}

// grace is for what ends with its context, and says why.
const grace = 2 * time.Second

// ended does not wait longer than its context, and leaves behind what does not end with it. In a folder git does the work as a child, which is
// killed; but who was its child, such as a hook, may hold its output open as long as it likes, and a disk that does not answer holds all of them.
func ended[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	type answer struct {
		got T
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		got, err := do(ctx)
		answered <- answer{got, err}
	}()
	select {
	case a := <-answered:
		return a.got, a.err
	case <-ctx.Done():
	}
	select {
	case a := <-answered:
		return a.got, a.err
	case <-time.After(grace):
		return *new(T), context.Cause(ctx)
	}
}

// list is where a branch is, the zero hash when there is none.
func (r *remote) list(ctx context.Context, name plumbing.ReferenceName) (plumbing.Hash, error) {
	return ended(ctx, func(ctx context.Context) (plumbing.Hash, error) { return r.listed(ctx, name) })
}

func (r *remote) listed(ctx context.Context, name plumbing.ReferenceName) (hash plumbing.Hash, err error) {
	auth, cas, err := r.signIn(ctx)
	if err != nil {
		return hash, err
	}
	refs, err := git.NewRemote(memory.NewStorage(), r.remote()).ListContext(context.WithValue(ctx, stays{}, true), &git.ListOptions{Auth: auth, CABundle: cas})
	if err != nil && !errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return hash, err
	}
	r.reached.Store(true)
	for _, ref := range refs {
		if ref.Name() == name {
			hash = ref.Hash()
		}
	}
	return hash, nil
}

// fetch gets a branch, its last commit alone. Zero hash: there is none.
func (r *remote) fetch(ctx context.Context, name plumbing.ReferenceName, hash plumbing.Hash) (*tip, error) {
	return ended(ctx, func(ctx context.Context) (*tip, error) { return r.fetched(ctx, name, hash) })
}

func (r *remote) fetched(ctx context.Context, name plumbing.ReferenceName, hash plumbing.Hash) (*tip, error) {
	repo, err := git.Init(memory.NewStorage(), nil)
	if err != nil {
		return nil, err
	}
	if _, err := repo.CreateRemote(r.remote()); err != nil {
		return nil, err
	}
	t := &tip{repo: repo, files: map[string]plumbing.Hash{}}
	if hash.IsZero() {
		return t, nil
	}
	auth, cas, err := r.signIn(ctx)
	if err != nil {
		return nil, err
	}
	err = repo.FetchContext(context.WithValue(ctx, stays{}, true), &git.FetchOptions{RemoteName: origin, Auth: auth, CABundle: cas, Depth: 1, Tags: git.NoTags,
		RefSpecs: []config.RefSpec{config.RefSpec("+" + name.String() + ":" + name.String())}})
	if err != nil {
		return nil, err
	}
	ref, err := repo.Reference(name, false)
	if err != nil {
		return nil, err
	}
	t.hash = ref.Hash()
	commit, err := repo.CommitObject(t.hash)
	if err != nil {
		return nil, err
	}
	tree, err := commit.Tree()
	if err != nil {
		return nil, err
	}
	return t, tree.Files().ForEach(func(f *object.File) error {
		t.files[f.Name] = f.Hash
		return nil
	})
}

// push sends a commit, if the branch is still where it was. Give it a context that nobody ends: a server that is cut off may be
// left with a lock of its own.
func (r *remote) push(ctx context.Context, t *tip, name plumbing.ReferenceName, was plumbing.Hash) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	auth, cas, err := r.signIn(ctx)
	if err != nil {
		return err
	}
	o := &git.PushOptions{RemoteName: origin, Auth: auth, CABundle: cas, RefSpecs: []config.RefSpec{config.RefSpec(name.String() + ":" + name.String())}}
	if !was.IsZero() { // else a branch that is there by now is no ancestor, and the push is refused
		o.RequireRemoteRefs = []config.RefSpec{config.RefSpec(was.String() + ":" + name.String())}
	}
	_, err = ended(ctx, func(ctx context.Context) (none struct{}, err error) {
		return none, t.repo.PushContext(context.WithValue(ctx, stays{}, true), o)
	})
	return err
}

// mayPush asks whether the server would take a push at all.
func (r *remote) mayPush(ctx context.Context) error {
	_, err := ended(ctx, func(ctx context.Context) (none struct{}, err error) { return none, r.receives(ctx) })
	return err
}

func (r *remote) receives(ctx context.Context) error {
	auth, cas, err := r.signIn(ctx)
	if err != nil {
		return err
	}
	end, err := transport.NewEndpoint(r.config.URL)
	if err != nil {
		return final(errors.New("the repository's URL cannot be read"))
	}
	end.CaBundle = cas
	c, err := client.NewClient(end)
	if err != nil {
		return final(err)
	}
	s, err := c.NewReceivePackSession(end, auth)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	_, err = s.AdvertisedReferencesContext(context.WithValue(ctx, stays{}, true))
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return nil
	}
	return err
}

// put stores an object.
func put(repo *git.Repository, kind plumbing.ObjectType, encode func(plumbing.EncodedObject) error) (plumbing.Hash, error) {
	o := repo.Storer.NewEncodedObject()
	o.SetType(kind)
	if err := encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	return repo.Storer.SetEncodedObject(o)
}

func write(o plumbing.EncodedObject, content []byte) error {
	w, err := o.Writer()
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return errors.Join(err, w.Close())
}

// contentLimit is in bytes: some thousand rotations of a fleet whose names do not count up.
const contentLimit = 256 << 20

func contentOf(repo *git.Repository, hash plumbing.Hash) (content []byte, err error) {
	blob, err := repo.BlobObject(hash)
	if err != nil {
		return nil, err
	}
	if blob.Size > contentLimit {
		return nil, fmt.Errorf("a file has more than %d bytes", contentLimit)
	}
	from, err := blob.Reader()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	return io.ReadAll(from)
}
